"""What a check found, the report of all checks, and the refusal that carries it."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

Status = Literal["ok", "warn", "fail"]


class Misaligned(ValueError):
    """Training and inference would not see the same tokens; each finding that failed, with its fix."""


@dataclass(frozen=True)
class Finding:
    """One check. `message` is a line, with the fix where something is wrong; `diff` is of tokens where they differ."""

    name: str
    status: Status
    message: str
    diff: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """For people: the line, then the diff under it."""
        return [f"{self.status:<4}  {self.name:<11}  {self.message}", *(f"        {line}" for line in self.diff)]


@dataclass(frozen=True)
class Report:
    """All findings, in the order of the checks."""

    findings: tuple[Finding, ...]

    @property
    def failures(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.status == "fail")

    def lines(self) -> list[str]:
        return [line for finding in self.findings for line in finding.lines()]


def difference(tokenizer: Any, one: Sequence[int], other: Sequence[int], sides: tuple[str, str]) -> tuple[str, ...]:
    """The token strings that differ, one a line: `-` only in `one`, `+` only in `other`, two of context around them."""
    was, now = ([repr(token) for token in tokenizer.convert_ids_to_tokens(list(ids))] for ids in (one, other))
    return tuple(difflib.unified_diff(was, now, *sides, n=2, lineterm=""))
