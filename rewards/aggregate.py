"""One number for a solution from the scores of its steps.

A step's score s in [-1, 1] stands for p = (s + 1) / 2, the probability that the step is good; every rule below is over
the p of the known steps, in order, and returns a value in [0, 1]. A solution without a known step has none.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from statistics import fmean

from rewards.errors import RewardError

__all__ = ["RULES", "aggregate", "checked"]

GOOD = 0.5
"""From this p on a step counts as good: s >= 0."""


def prefix(probabilities: Sequence[float]) -> float:
    """Return the share of the steps before the first that is not good (p < 1/2): how far the solution is right.

    The first error is what ProcessBench asks a judge for (arXiv 2412.06559).
    """
    bad = (place for place, p in enumerate(probabilities) if p < GOOD)
    return next(bad, len(probabilities)) / len(probabilities)


def last(probabilities: Sequence[float]) -> float:
    """Return the last step's: right where the scores are values of the whole prefix (arXiv 2408.03314)."""
    return probabilities[-1]


RULES: dict[str, Callable[[Sequence[float]], float]] = {
    # A solution is as good as its worst step (Math-Shepherd, arXiv 2312.08935).
    "min": min,
    # All steps are good, were they independent: falls with every step (arXiv 2305.20050).
    "product": math.prod,
    "last": last,
    "mean": fmean,
    "prefix": prefix,
}
"""Best-of-n with `product`, `min` and `last` is compared in arXiv 2501.07301: what suits depends on the labels."""


def checked(rule: str) -> str:
    """Return the name of a rule; raises `RewardError` where there is none."""
    if rule not in RULES:
        raise RewardError(f"no rule aggregates steps by {rule!r}: take {', '.join(RULES)}")
    return rule


def aggregate(scores: Sequence[float | None], rule: str) -> float | None:
    """Return the value in [0, 1] of a solution with these scores of steps, in order; `None` where none is known.

    Unknown steps are left out: they neither raise nor lower it. Raises `RewardError` for an unknown rule.

    >>> aggregate([0.8, None, -0.5], "min")
    0.25
    """
    known = [(score + 1) / 2 for score in scores if score is not None]
    return float(RULES[checked(rule)](known)) if known else None
