"""Rewards that make length matter without ever letting it outweigh being right.

The law of all of them, in the form they recommend: the longest right answer beats the shortest wrong one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from rewards.batch import Batch
from rewards.errors import RewardError
from rewards.outcome import answer_scores
from rewards.registry import register
from rewards.reward import Components, Reward, Scores

__all__ = ["LengthCosine", "LengthLcpo", "LengthLinear", "LengthSoft"]

MAX_PENALTY = 0.25
MAX_TOKENS = 1_000_000_000


@register("length_linear")
@dataclass(frozen=True)
class LengthLinear(Reward):
    """correct - b * min(l / max_tokens, 1), range [-b, 1]; l = completion length in tokens.

    The additive length penalty, as R-DPO subtracts it from a preference reward (arXiv 2403.19159, section 3), applied
    to the outcome. The law needs b < 1; b <= 0.25 is enforced, so the gap is at least 0.75. Lengths beyond `max_tokens`
    cost no more than b. Components: `answer` (weight 1) and `length`, the used share of the budget (weight -b).
    `None` where the gold is unparseable.
    Raises `RewardError` for b outside [0, 0.25] or max_tokens < 1, and when called without `completion_ids`.
    """

    kind = "length"
    b: float = MAX_PENALTY
    max_tokens: int = 512

    def __post_init__(self) -> None:
        """Enforce the law."""
        if not 0 <= self.b <= MAX_PENALTY:
            raise RewardError(f"length_linear(b={self.b}): b must be in [0, {MAX_PENALTY}], or wrong could beat right")
        check_limit(self, self.max_tokens)

    @property
    def bounds(self) -> tuple[float, float]:
        """A long wrong answer and an empty right one."""
        return -self.b, 1.0

    @property
    def weights(self) -> dict[str, float]:
        """1 for the answer, -b for the used share of the budget."""
        return {"answer": 1.0, "length": -self.b}

    def score(self, batch: Batch) -> Components:
        """Return components `answer` and `length`."""
        used: Scores = [min(length / self.max_tokens, 1.0) for length in batch.lengths]
        return {"answer": answer_scores(batch), "length": used}


@register("length_soft")
@dataclass(frozen=True)
class LengthSoft(Reward):
    """0 for l <= L - C, (L - C - l) / C up to l = L, -1 beyond; range [-1, 0]: DAPO's soft overlong punishment.

    L = max_tokens, C = cache * L, l = completion length in tokens (arXiv 2503.14476, equation 13, with L = 20480
    and C = 4096, hence cache = 0.2). A shaping term without the answer: `sparse+0.25*length_soft` keeps the law, while
    weight 1, as in the paper with its answers of 1 and -1, needs a wrong answer to cost. Set max_tokens to the
    completion limit, then a completion that was cut off gets -1. Component: `length_soft`.
    Raises `RewardError` for cache outside (0, 1] or max_tokens < 1, and when called without `completion_ids`.
    """

    kind = "length"
    bounds = (-1.0, 0.0)
    recommended = "sparse+0.25*length_soft"
    max_tokens: int = 512
    cache: float = 0.2

    def __post_init__(self) -> None:
        """Refuse an interval of no width."""
        check_limit(self, self.max_tokens)
        if not 0 < self.cache <= 1:
            raise RewardError(f"length_soft(cache={self.cache}): give the share of max_tokens, above 0 and at most 1")

    def score(self, batch: Batch) -> Components:
        """Return the only component, `length_soft`."""
        width = self.cache * self.max_tokens
        free = self.max_tokens - width
        return {self.name: [max(min(free - length, 0.0) / width, -1.0) for length in batch.lengths]}


@register("length_cosine")
@dataclass(frozen=True)
class LengthCosine(Reward):
    """long + (short - long) / 2 * (1 + cos(pi * l / max_tokens)), range [-1, 1] by default; l = length in tokens.

    short and long are right_short and right_long for a right answer, wrong_short and wrong_long for a wrong one: short
    is paid at l = 0, long at l = max_tokens (arXiv 2502.03373, appendix C.1; defaults as in TRL). Contains the answer.
    By design a longer wrong answer loses less, so that hard problems are thought about longer; a wrong one of
    max_tokens or more gets `exceed`, so that padding to the limit does not pay (the paper gives it to right ones as
    well, which would break the law). `None` where the gold is unparseable. Component: `length_cosine`. Raises
    `RewardError` where a right answer could earn no more than a wrong one, for max_tokens < 1, and when called without
    `completion_ids`.
    """

    kind = "length"
    max_tokens: int = 512
    right_short: float = 1.0
    right_long: float = 0.5
    wrong_short: float = -1.0
    wrong_long: float = -0.5
    exceed: float = -1.0

    def __post_init__(self) -> None:
        """Enforce the law."""
        check_limit(self, self.max_tokens)
        rights, wrongs = (self.right_short, self.right_long), (self.wrong_short, self.wrong_long, self.exceed)
        if not (all(map(math.isfinite, (*rights, *wrongs))) and min(rights) > max(wrongs)):
            raise RewardError(f"length_cosine: right {rights} must be above wrong {wrongs}, and all finite")

    @property
    def bounds(self) -> tuple[float, float]:
        """The lowest wrong and the highest right value."""
        return min(self.wrong_short, self.wrong_long, self.exceed), max(self.right_short, self.right_long)

    def score(self, batch: Batch) -> Components:
        """Return the only component, `length_cosine`."""
        pairs = zip(answer_scores(batch), batch.lengths, strict=True)
        return {self.name: [None if answer is None else self._paid(answer, length) for answer, length in pairs]}

    def _paid(self, answer: float, length: int) -> float:
        if not answer and length >= self.max_tokens:
            return self.exceed
        short, long = (self.right_short, self.right_long) if answer else (self.wrong_short, self.wrong_long)
        # Weights that sum to one keep the value between the two ends in floating point as well.
        share = (1 + math.cos(math.pi * min(length / self.max_tokens, 1.0))) / 2
        return share * short + (1 - share) * long


@register("length_lcpo")
@dataclass(frozen=True)
class LengthLcpo(Reward):
    """correct * clip(alpha * (target - l) + delta, floor, 1), range [0, 1]: L1's LCPO-Max.

    l = completion length in tokens (arXiv 2503.04697, section 3). Contains the answer: being wrong earns 0 at any
    length. The paper's floor is 0, with which a right answer delta / alpha tokens (1667) over the target earns no more
    than a wrong one; the default floor of 0.1 keeps the law. mode="exact" is the paper's LCPO-Exact, correct - alpha *
    |target - l|, range (-inf, 1]: it fits a length instead of a budget, pays wrong answers for theirs and breaks the
    law where lengths differ by 1 / alpha. `None` where the gold is unparseable. Component: `length_lcpo`. Raises
    `RewardError` for another mode, alpha < 0, delta or floor outside [0, 1], target < 1, and when called without
    `completion_ids`.
    """

    kind = "length"
    target: int = 512
    alpha: float = 0.0003
    delta: float = 0.5
    floor: float = 0.1
    mode: str = "max"

    def __post_init__(self) -> None:
        """Refuse parameters outside the formula."""
        check_limit(self, self.target)
        if self.mode not in ("max", "exact"):
            raise RewardError(f'length_lcpo(mode="{self.mode}"): give "max" or "exact"')
        if not (math.isfinite(self.alpha) and self.alpha >= 0 and 0 <= self.delta <= 1 and 0 <= self.floor <= 1):
            raise RewardError(f"{self.spec}: alpha must be at least 0, delta and floor in [0, 1]")

    @property
    def bounds(self) -> tuple[float, float]:
        """0 and 1; no lower bound in mode `exact`."""
        return (0.0, 1.0) if self.mode == "max" else (-math.inf, 1.0)

    def score(self, batch: Batch) -> Components:
        """Return the only component, `length_lcpo`."""
        pairs = zip(answer_scores(batch), batch.lengths, strict=True)
        return {self.name: [None if answer is None else self._paid(answer, length) for answer, length in pairs]}

    def _paid(self, answer: float, length: int) -> float:
        if self.mode == "exact":
            return answer - self.alpha * abs(self.target - length)
        return answer * min(max(self.alpha * (self.target - length) + self.delta, self.floor), 1.0)


def check_limit(reward: Reward, tokens: int) -> None:
    """Raise `RewardError` for a limit that no completion can keep, or none can reach."""
    if not 1 <= tokens <= MAX_TOKENS:
        raise RewardError(f"{reward.spec}: give the completion limit in tokens, from 1 to {MAX_TOKENS}")
