"""What a credit rule sees of a batch: the outcome's advantages, and the steps whose worth is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rewards.credit.baselines import Array
from rewards.spans import TokenStep

__all__ = ["Settings", "Stepwise"]


@dataclass(frozen=True)
class Settings:
    """What of a rule may be chosen.

    Attributes:
        weight: of what the rule adds to the outcome's advantage.
        temperature: of `min`'s soft minimum.
        eta: of `clip`, the score from which on a step costs nothing.
    """

    weight: float
    temperature: float
    eta: float


@dataclass(frozen=True)
class Stepwise:
    """B completions of T tokens, and all that a rule may look at.

    Attributes:
        outcome: (B, T), the objective's advantages at every token; 0 where unscorable.
        rewards: (B,), NaN where unscorable.
        correct: of every completion; `None` where that is not known.
        group: (B,), any integer that the completions of one prompt share.
        mask: (B, T), 1 where the policy wrote a token, 0 at padding and at what an environment wrote.
        steps: of every completion, in order.
        tokens: (B, T), scores of tokens (an implicit PRM's), or `None` without.
    """

    outcome: Array
    rewards: Array
    correct: Sequence[bool | None]
    group: NDArray[np.int64]
    mask: NDArray[Any]
    steps: Sequence[Sequence[TokenStep]]
    tokens: Array | None = None

    @cached_property
    def written(self) -> NDArray[np.bool_]:
        """(B, T): where the policy wrote a token."""
        return np.asarray(self.mask).astype(bool)

    @cached_property
    def scorable(self) -> NDArray[np.bool_]:
        """(B,)."""
        return ~np.isnan(self.rewards)

    @cached_property
    def known(self) -> list[list[TokenStep]]:
        """Of every scorable completion the steps that have a score, and a token to credit it to."""
        return [
            [step for step in steps if step.span.score is not None and step.last > 0] if scorable else []
            for steps, scorable in zip(self.steps, self.scorable, strict=True)
        ]

    @cached_property
    def scores(self) -> list[Array]:
        """v of every completion's known steps."""
        return [np.array([step.span.score for step in steps], dtype=np.float64) for steps in self.known]

    @cached_property
    def stepped(self) -> Array:
        """(B,): 1 where a completion has a known step, else 0."""
        return np.array([float(len(steps) > 0) for steps in self.known])

    @cached_property
    def sizes(self) -> list[Array]:
        """How many tokens the policy wrote in every completion's known steps."""
        pairs = zip(self.written, self.known, strict=True)
        return [
            np.array([row[step.first : step.last].sum() for step in steps], dtype=np.float64) for row, steps in pairs
        ]

    def ended(self, values: Sequence[Array]) -> Array:
        """(B, T): each known step's value at its last token, 0 elsewhere."""
        paid = np.zeros(self.written.shape)
        for row, steps, one in zip(paid, self.known, values, strict=True):
            np.add.at(row, [step.last - 1 for step in steps], one)
        return paid

    def spread(self, values: Sequence[Array]) -> Array:
        """(B, T): each known step's value at all its tokens, 0 elsewhere."""
        paid = np.zeros(self.written.shape)
        for row, steps, one in zip(paid, self.known, values, strict=True):
            for step, value in zip(steps, one, strict=True):
                row[step.first : step.last] = value
        return paid

    def plus(self, process: Array, weight: float) -> Array:
        """(B, T): outcome + weight * process where the policy wrote, 0 elsewhere."""
        return np.where(self.written, self.outcome + weight * process, 0.0)
