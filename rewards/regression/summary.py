"""Count what a verifier got right and wrong, with the n beside every rate."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from rewards.regression.run import DEADLINE, Result

__all__ = ["Rates", "grouped"]


@dataclass(frozen=True)
class Rates:
    """The results of one group of cases; every rate is a fraction, `None` where it has no cases.

    A verifier that scores no case of the group at all (all unscored) has no rates: it does not apply there.
    """

    results: Sequence[Result]
    deadline: float = DEADLINE

    @property
    def n(self) -> int:
        """How many cases there are."""
        return len(self.results)

    @property
    def right(self) -> int:
        """How many are paid exactly if labelled correct."""
        return sum(result.right for result in self.results)

    @property
    def accepts(self) -> tuple[int, int]:
        """How many cases that are labelled wrong were judged correct, and of how many."""
        return self._misjudged(False)

    @property
    def rejects(self) -> tuple[int, int]:
        """How many cases that are labelled correct were not judged correct, and of how many."""
        return self._misjudged(True)

    @property
    def applies(self) -> bool:
        """Whether the verifier scored any case."""
        return self.count("unscored") < self.n

    @property
    def hangs(self) -> int:
        """How many gave no verdict within the deadline."""
        return sum(result.judgement.seconds >= self.deadline for result in self.results)

    @property
    def per_second(self) -> float | None:
        """Verdicts per second of work, one at a time; errors and what hung gave none and are left out."""
        given = [result.judgement for result in self.results if result.judgement.status not in ("error", "unscored")]
        seconds = [judgement.seconds for judgement in given if judgement.seconds < self.deadline]
        return len(seconds) / sum(seconds) if sum(seconds) > 0 else None

    def count(self, status: str) -> int:
        """How many have this status."""
        return sum(result.judgement.status == status for result in self.results)

    def rate(self, part: int, whole: int) -> float | None:
        """`part` of `whole` as a fraction."""
        return part / whole if whole and self.applies else None

    def fields(self) -> dict[str, Any]:
        """Return the numbers for machines."""
        return {
            "n": self.n,
            "accuracy": self.rate(self.right, self.n),
            "false_accepts": self.rate(*self.accepts),
            "false_rejects": self.rate(*self.rejects),
            "timeouts": self.count("timeout"),
            "errors": self.count("error"),
            "hangs": self.hangs,
            "unscored": self.count("unscored"),
            "per_second": self.per_second,
        }

    def _misjudged(self, label: bool) -> tuple[int, int]:
        labelled = [result for result in self.results if result.case.label is label]
        return sum(not result.right for result in labelled), len(labelled)


def grouped(results: Iterable[Result], key: Callable[[Result], str], deadline: float = DEADLINE) -> dict[str, Rates]:
    """Return the rates of each group, groups in order of name, e.g. `key=lambda result: result.case.domain`."""
    groups: dict[str, list[Result]] = {}
    for result in results:
        groups.setdefault(key(result), []).append(result)
    return {name: Rates(groups[name], deadline) for name in sorted(groups)}
