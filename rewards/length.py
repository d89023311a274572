"""Rewards that make length matter without ever letting it outweigh being right."""

from __future__ import annotations

from dataclasses import dataclass

from rewards.batch import Batch
from rewards.errors import RewardError
from rewards.outcome import answer_scores
from rewards.registry import register
from rewards.reward import Components, Reward

__all__ = ["LengthLinear"]

MAX_PENALTY = 0.25


@register("length_linear")
@dataclass(frozen=True)
class LengthLinear(Reward):
    """correct - b * min(l / max_tokens, 1), range [-b, 1]; l = completion length in tokens.

    The additive length penalty, as R-DPO subtracts it from a preference reward (arXiv 2403.19159), applied to the
    outcome. The law every length reward must keep - the longest right answer beats the shortest wrong one - needs
    b < 1; b <= 0.25 is enforced, so the gap is at least 0.75. Lengths beyond `max_tokens` cost no more than b.
    Components: `answer` (weight 1) and `length`, the used share of the budget (weight -b).
    Raises `RewardError` for b outside [0, 0.25] or max_tokens < 1, and when called without `completion_ids`.
    """

    b: float = MAX_PENALTY
    max_tokens: int = 512

    def __post_init__(self) -> None:
        """Enforce the law."""
        if not 0 <= self.b <= MAX_PENALTY:
            raise RewardError(f"length_linear(b={self.b}): b must be in [0, {MAX_PENALTY}], or wrong could beat right")
        if self.max_tokens < 1:
            raise RewardError(f"length_linear(max_tokens={self.max_tokens}): give the completion limit in tokens")

    @property
    def weights(self) -> dict[str, float]:
        """1 for the answer, -b for the used share of the budget."""
        return {"answer": 1.0, "length": -self.b}

    def score(self, batch: Batch) -> Components:
        """Return components `answer` and `length`."""
        used: list[float | None] = [min(length / self.max_tokens, 1.0) for length in batch.lengths]
        return {"answer": answer_scores(batch), "length": used}
