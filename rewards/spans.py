"""Where in a completion a step stands, in characters and in tokens, and what it is worth: the interface of all scorers.

A scorer of steps is a reward with `spans` besides: it maps completions to spans of characters, each with a score.
`token_steps` says which tokens those are.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from rewards.batch import Batch

__all__ = ["Span", "StepScorer", "TokenStep"]


@dataclass(frozen=True)
class Span:
    """Characters [start, end) of a completion's text, and their score in [-1, 1]; `None` is unknown."""

    start: int
    end: int
    score: float | None


@dataclass(frozen=True)
class TokenStep:
    """A span with the tokens [first, last) that wrote it; what stands between two steps leads to the later one."""

    span: Span
    first: int
    last: int


class StepScorer(ABC):
    """What a reward inherits from besides `Reward` where it knows the steps of a completion."""

    @abstractmethod
    def spans(self, batch: Batch) -> list[list[Span]]:
        """Return the steps of every completion, in order and without overlap, as places in `batch.texts`.

        A step whose worth is not known has the score `None`: it neither earns nor costs.
        """
