"""Confidence intervals for accuracies and for means over seeds."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

__all__ = ["Estimate", "clustered", "t_interval", "wilson"]


@dataclass(frozen=True)
class Estimate:
    """A mean with its confidence interval, in the unit of the values.

    `n` counts values, `units` the independent units among them (questions or seeds), `df` = units - 1. With one unit
    there is no spread to measure: `low`, `high` and `se` are `None`.
    """

    mean: float
    low: float | None
    high: float | None
    n: int
    units: int
    df: int
    se: float | None
    level: float


def wilson(successes: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Return Wilson's score interval for a proportion, fractions in [0, 1].

    Centre (p + z^2/2n) / (1 + z^2/n), half-width z sqrt(p(1-p)/n + z^2/4n^2) / (1 + z^2/n) (Wilson 1927; recommended
    for small n and extreme p by Brown, Cai and DasGupta 2001). n = 0 gives (0, 1): nothing is known.
    Raises `ValueError` unless 0 <= successes <= n and 0 < level < 1.
    """
    if not 0 <= successes <= n:
        raise ValueError(f"{successes} successes of {n}: need 0 <= successes <= n")
    if n == 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf((1 + _checked(level)) / 2)
    p, shrink = successes / n, 1 + z * z / n
    centre = (p + z * z / (2 * n)) / shrink
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / shrink
    # The exact ends at 0 and n successes are 0 and 1; rounding must not move them.
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    return low, 1.0 if successes == n else min(1.0, centre + half)


def clustered(
    values_by_question: Mapping[str, Sequence[float]] | Iterable[Sequence[float]], level: float = 0.95
) -> Estimate:
    """Return the mean of all samples with an interval that treats each question as one cluster.

    se^2 = G/(G-1) sum_g (sum_i (x_gi - mean))^2 / N^2 over G questions with N samples in all: the clustered standard
    error of "Adding Error Bars to Evals" (arXiv 2411.00640) with the small-sample factor; quantile of Student's t with
    df = G - 1. With k samples for every question this is the t interval of the question means. One question: no
    interval. The interval is not clipped. Raises `ValueError` without values.
    """
    groups = values_by_question.values() if isinstance(values_by_question, Mapping) else values_by_question
    clusters = [list(group) for group in groups if len(group)]
    n = sum(map(len, clusters))
    if n == 0:
        raise ValueError("a mean needs at least one value")
    mean = math.fsum(value for cluster in clusters for value in cluster) / n
    units = len(clusters)
    if units == 1:
        return Estimate(mean, None, None, n, 1, 0, None, _checked(level))
    squares = math.fsum((math.fsum(cluster) - len(cluster) * mean) ** 2 for cluster in clusters)
    se = math.sqrt(units / (units - 1) * squares) / n
    half = t_quantile(units - 1, level) * se
    return Estimate(mean, mean - half, mean + half, n, units, units - 1, se, level)


def t_interval(values: Sequence[float], level: float = 0.95) -> Estimate:
    """Return the mean over seeds with Student's t interval: mean +- t(df = n - 1) s / sqrt(n) (Student 1908).

    n = 1: no interval. Equal values: an interval of width 0, which says that n is too small, not that the mean is
    certain. Raises `ValueError` without values.
    """
    return clustered([[value] for value in values], level)


def t_quantile(df: int, level: float) -> float:
    """Return the two-sided quantile of Student's t, e.g. 4.303 for df = 2 at level 0.95."""
    # scipy.stats takes most of a second to import; help and config must not pay for it.
    from scipy.stats import t

    return float(t.ppf((1 + _checked(level)) / 2, df))


def _checked(level: float) -> float:
    if not 0 < level < 1:
        raise ValueError(f"a confidence level lies between 0 and 1, e.g. 0.95, not {level}")
    return level
