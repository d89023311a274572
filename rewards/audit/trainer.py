"""What the trainer makes of a reward: the advantage an exploit gets, and how often only auxiliary terms are learnt.

GRPO subtracts a group's mean. `scale_rewards` then divides by the group's standard deviation (`group`, TRL's default),
by the batch's (`batch`) or by nothing (`none`). Dividing by the group's makes the smallest difference as large as any:
in a group without a right answer a format term weighted 0.2 gets the advantage that being right gets elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from rewards.audit.anchors import WRONG, anchors
from rewards.audit.attacks import Attack
from rewards.audit.bench import Bench, Group
from rewards.audit.completions import Scene

__all__ = ["SCALES", "Advantage", "Mixture", "advantage", "advantages", "auxiliary_share", "mixtures"]

SCALES = ("group", "batch", "none")

# TRL's own, as of 1.16.
STABILISER = 1e-4

GROUP_SIZE = 8
FEW = 16

POLICIES = ((0.1, 0.02), (0.5, 0.02), (0.9, 0.1), (0.9, 0.5), (0.98, 0.9))
"""(share formatted, share correct) of a policy, from before training to late in it."""


def advantages(groups: Sequence[Sequence[float]], scale: str) -> list[list[float]]:
    """Return (reward - group mean) / (s + 1e-4): s the group's or the batch's sample deviation; undivided for `none`.

    >>> [round(a, 2) for a in advantages([[0.2, 0.0, 0.0, 0.0]], "group")[0]]
    [1.5, -0.5, -0.5, -0.5]
    """
    if scale not in SCALES:
        raise ValueError(f"scale_rewards is one of {', '.join(SCALES)}, not {scale!r}")
    spread = _deviation([reward for group in groups for reward in group])
    found = []
    for group in groups:
        divisor = {"group": _deviation(group) + STABILISER, "batch": spread + STABILISER, "none": 1.0}[scale]
        middle = fmean(group)
        found.append([(reward - middle) / divisor for reward in group])
    return found


def _deviation(rewards: Sequence[float]) -> float:
    return stdev(rewards) if len(rewards) > 1 else 0.0


@dataclass(frozen=True)
class Advantage:
    """Mean advantage of an exploit by `scale_rewards`.

    `mixed`: in a group of 8 with two right and five wrong solutions; `hopeless`: with seven wrong ones.
    """

    attack: str
    mixed: dict[str, float]
    hopeless: dict[str, float]


def advantage(bench: Bench, scenes: Sequence[Scene], attack: Attack) -> Advantage | None:
    """Score real groups that hold the exploit; `None` where it has no score."""
    mixed: list[Group] = []
    hopeless: list[Group] = []
    for scene in scenes[:FEW]:
        if attempt := attack.build(scene):
            honest = {name: one.text for name, one in anchors(scene).items()}
            wrong = [honest[WRONG[place % 2]] for place in range(GROUP_SIZE - 1)]
            mixed.append((scene.item, [honest["right"], honest["right, long"], *wrong[:-2], attempt.text]))
            hopeless.append((scene.item, [*wrong, attempt.text]))
    parts = [_mean_of_last(bench, groups) for groups in (mixed, hopeless)]
    return Advantage(attack.name, *parts) if all(parts) else None


def _mean_of_last(bench: Bench, groups: Sequence[Group]) -> dict[str, float]:
    scored = [[s for s in scores if s is not None and math.isfinite(s)] for scores in bench.score(groups)]
    whole = [scores for scores in scored if len(scores) == GROUP_SIZE]
    if not whole:
        return {}
    return {scale: fmean(group[-1] for group in advantages(whole, scale)) for scale in SCALES}


@dataclass(frozen=True)
class Mixture:
    """A policy, and the share of its groups that teach nothing but the format, or nothing at all."""

    p_format: float
    p_correct: float
    auxiliary: float
    dead: float


def auxiliary_share(
    p_format: float, p_correct: float, size: int, *, pays_right: bool = True, pays_wrong: bool = True
) -> float:
    """Return the probability that a group varies in its format alone, format and correctness being independent.

    ((1-c)^G [wrong answers are paid by format] + c^G [right ones are]) * (1 - f^G - (1-f)^G)

    >>> round(auxiliary_share(0.5, 0.02, 8), 2)
    0.84
    """
    varies = 1 - p_format**size - (1 - p_format) ** size
    return ((1 - p_correct) ** size * pays_wrong + p_correct**size * pays_right) * varies


def mixtures(*, pays_right: bool, pays_wrong: bool) -> list[Mixture]:
    """Return the shares for the built-in policies and groups of 8, given whom the format pays."""
    found = []
    for p_format, p_correct in POLICIES:
        share = auxiliary_share(p_format, p_correct, GROUP_SIZE, pays_right=pays_right, pays_wrong=pays_wrong)
        alike = p_correct**GROUP_SIZE + (1 - p_correct) ** GROUP_SIZE
        found.append(Mixture(p_format, p_correct, share, alike - share))
    return found
