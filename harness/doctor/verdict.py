"""The verdict on one capability."""

from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "missing", "refused"]


@dataclass(frozen=True)
class Verdict:
    """`missing` is not there, `refused` is there and cannot be used; both say in `fix` what would change that."""

    name: str
    status: Status
    reason: str
    fix: str = ""

    @property
    def line(self) -> str:
        """For people who asked for it and do not get it: one line with the fix."""
        return f"{self.name}: {self.reason}" + (f"; {self.fix}" if self.fix else "")
