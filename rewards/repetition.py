"""A penalty for saying the same thing again."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from rewards.batch import Batch
from rewards.errors import RewardError
from rewards.registry import register
from rewards.reward import Components, Reward

__all__ = ["Repetition"]


@register("repetition")
@dataclass(frozen=True)
class Repetition(Reward):
    """-(1 - unique / total) over the completion's n-grams, range (-1, 0]; 0 where it has none.

    The n-gram penalty of arXiv 2502.03373, appendix C.2, as a share. n = 6 lets tables and repeated arithmetic be:
    "2 * 9 = 18" comes twice in honest work, longer runs rarely do. A shaping term without the answer:
    `sparse+0.25*repetition` keeps right above wrong. unit="token" counts token ids, unit="word" words between blanks,
    for callers without `completion_ids`. Component: `repetition`.
    Raises `RewardError` for n < 1, another unit, and in tokens when called without `completion_ids`.
    """

    kind = "repetition"
    bounds = (-1.0, 0.0)
    recommended = "sparse+0.25*repetition"
    n: int = 6
    unit: str = "token"

    def __post_init__(self) -> None:
        """Refuse what cannot be counted."""
        if self.n < 1:
            raise RewardError(f"repetition(n={self.n}): n must be at least 1")
        if self.unit not in ("token", "word"):
            raise RewardError(f'repetition(unit="{self.unit}"): give "token" or "word"')

    def score(self, batch: Batch) -> Components:
        """Return the only component, `repetition`."""
        if self.unit == "word":
            return {self.name: [self._penalty(text.split()) for text in batch.texts]}
        return {self.name: [self._penalty(ids) for ids in batch.ids]}

    def _penalty(self, units: Sequence[Hashable]) -> float:
        grams = list(zip(*(units[start:] for start in range(self.n)), strict=False))
        return len(set(grams)) / len(grams) - 1 if grams else 0.0
