"""Length rewards that compare a completion with its group: what is long depends on the problem.

A group is the completions of equal prompts within one call. A trainer that spreads a prompt's completions over several
processes calls the reward in each: keep a group together, or every process compares with its own part.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, pstdev

from rewards.batch import Batch
from rewards.errors import RewardError
from rewards.outcome import answer_scores
from rewards.registry import register
from rewards.reward import Components, Reward, Scores

__all__ = ["LengthGroup", "LengthLead"]

# Beyond it an outlier in a large group would be paid without bound; a group of 10 or fewer never reaches it.
MAX_Z = 3.0


@register("length_group")
@dataclass(frozen=True)
class LengthGroup(Reward):
    """lambda = 0.5 - (l - min) / (max - min) if right, min(0, lambda) if wrong; range [-0.5, 0.5]: Kimi k1.5.

    l = completion length in tokens, min and max over the completion's group, 0 where they are equal (arXiv 2501.12599,
    section 2.3.3). A shaping term: added at full weight to 0/1 it would pay the longest right answer 0.5, so weigh it
    as in `sparse+0.25*length_group`; the paper starts it only after a warm-up. A group is the completions of equal
    prompts within one call, and must not be split over processes. `None` for a group whose gold is unparseable.
    Component: `length_group`. Raises `RewardError` when called without `completion_ids`.
    """

    kind = "length"
    bounds = (-0.5, 0.5)
    recommended = "sparse+0.25*length_group"

    def score(self, batch: Batch) -> Components:
        """Return the only component, `length_group`."""
        answers, lengths = answer_scores(batch), batch.lengths
        scores: Scores = [None] * len(answers)
        for group in batch.groups:
            shortest, longest = min(lengths[i] for i in group), max(lengths[i] for i in group)
            for i in group:
                place = (lengths[i] - shortest) / (longest - shortest) if longest > shortest else 0.5
                scores[i] = None if answers[i] is None else (0.5 - place if answers[i] else min(0.0, 0.5 - place))
        return {self.name: scores}


@register("length_lead")
@dataclass(frozen=True)
class LengthLead(Reward):
    """exp(-alpha * z) if right, -1 if wrong, z = (l - mean) / sd over the group's right answers: GRPO-LEAD.

    l = completion length in tokens, sd the population's; a lone right answer, or equal ones, have z = 0 and earn 1
    (arXiv 2504.09696, section 3, alpha 0.05). z is cut at 3 on both sides, so the range is [-1, exp(3 * alpha)] and
    right beats wrong for every alpha. Contains the answer. A group is the completions of equal prompts within one
    call, and must not be split over processes. `None` for a group whose gold is unparseable. Component: `length_lead`.
    Raises `RewardError` for alpha outside [0, 1], and when called without `completion_ids`.
    """

    kind = "length"
    alpha: float = 0.05

    def __post_init__(self) -> None:
        """Refuse a reward for length."""
        if not 0 <= self.alpha <= 1:
            raise RewardError(f"length_lead(alpha={self.alpha}): alpha must be in [0, 1]")

    @property
    def bounds(self) -> tuple[float, float]:
        """A wrong answer, and a right one three deviations shorter than its like."""
        return -1.0, math.exp(MAX_Z * self.alpha)

    def score(self, batch: Batch) -> Components:
        """Return the only component, `length_lead`."""
        answers, lengths = answer_scores(batch), batch.lengths
        scores: Scores = [None if answer is None else -1.0 for answer in answers]
        for group in batch.groups:
            right = [i for i in group if answers[i]]
            for i, z in zip(right, _standardised([lengths[i] for i in right]), strict=True):
                scores[i] = math.exp(-self.alpha * min(max(z, -MAX_Z), MAX_Z))
        return {self.name: scores}


def _standardised(lengths: Sequence[int]) -> list[float]:
    deviation = pstdev(lengths) if lengths else 0.0
    return [(length - fmean(lengths)) / deviation if deviation else 0.0 for length in lengths]
