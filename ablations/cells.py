"""A cell, or a stage that cells share, while a study runs."""

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ablations.executors import Job
from harness import status
from harness.config import RunConfig
from harness.training import RolloutsRun, TrainRun


@dataclass(eq=False)
class CellRun:
    """A cell while the study runs: its config, the job of its present attempt, and what its `status.json` says.

    Attributes:
        needs: stages that must be done first; another cell or another study may need them as well.
        losses: attempts lost with the place they ran on since the cell last got further than `reached`, a step.
    """

    folder: Path
    config: RunConfig | TrainRun | RolloutsRun
    status: dict[str, Any] = field(default_factory=lambda: {"state": "pending"})
    needs: tuple["CellRun", ...] = ()
    job: Job | None = None
    losses: int = 0
    reached: int = 0

    @property
    def state(self) -> str:
        return str(self.status["state"])


def read_status(folder: Path) -> dict[str, Any]:
    """What the folder says of its cell; a file that a crash of the machine tore counts as none, which is said."""
    try:
        told = status.read(folder)
    except ValueError as error:
        print(f"warning: {folder / status.FILE} cannot be read ({error}); the cell counts as not run", file=sys.stderr)
        told = {}
    return {"state": "pending"} | told
