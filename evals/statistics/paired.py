"""Paired comparisons: the same items, or the same seeds, under two conditions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evals.statistics.intervals import t_interval

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["PairedEstimate", "mcnemar_exact", "paired_t", "sign_flip"]

# 2^14 sign patterns fit in a blink; beyond, chance is sampled.
EXACT_LIMIT = 14
ROWS = 1000


@dataclass(frozen=True)
class PairedEstimate:
    """A mean difference with interval and two-sided p, in the unit of the differences; see `paired_t`."""

    delta: float
    low: float | None
    high: float | None
    p: float | None
    df: int
    n: int


def mcnemar_exact(b: int, c: int) -> float:
    """Return the exact two-sided McNemar p of b items only A got right against c only B got right.

    p = min(1, 2 P(X <= min(b, c))), X ~ Binomial(b + c, 1/2) (McNemar 1947). Items on which both agree carry no
    information about the difference; b + c = 0 gives 1. Raises `ValueError` for negative counts.
    """
    if b < 0 or c < 0:
        raise ValueError(f"counts cannot be negative: {b}, {c}")
    n = b + c
    tail = sum(math.comb(n, k) for k in range(min(b, c) + 1))
    # Integers all the way: exact, and no overflow at any n.
    return min(1.0, float((2 * tail) / 2**n))


def sign_flip(differences: Sequence[float], draws: int = 20_000, seed: int = 0) -> float:
    """Return the two-sided sign-flip permutation p of a mean difference of zero (Fisher 1935).

    Under the null each difference is as likely negative: p is the share of sign patterns whose |sum| reaches the
    observed one. Exact over all 2^n patterns for n <= 14, so p >= 2^(1-n): 5 seeds cannot go below 0.0625. Beyond,
    (1 + hits) / (1 + draws) over `draws` random patterns of a fixed `seed` (Phipson and Smyth 2010). All differences
    zero gives 1. Raises `ValueError` without differences.
    """
    import numpy as np

    if len(differences) == 0:
        raise ValueError("a sign-flip test needs at least one difference")
    values = np.asarray(differences, dtype=np.float64)
    # Sums that differ only by rounding are ties, and ties count.
    bar = abs(float(values.sum())) - 1e-9 * float(np.abs(values).sum())
    if len(values) <= EXACT_LIMIT:
        patterns = _patterns(len(values))
        return _reached(patterns, values, bar) / len(patterns)
    generator = np.random.default_rng(seed)
    hits = 0
    for start in range(0, draws, ROWS):
        signs = generator.integers(0, 2, size=(min(ROWS, draws - start), len(values)), dtype=np.int8)
        hits += _reached(signs * 2 - 1, values, bar)
    return (1 + hits) / (1 + draws)


def _patterns(n: int) -> NDArray[np.int8]:
    import numpy as np

    bits = (np.arange(2**n)[:, None] >> np.arange(n)[None, :]) & 1
    return (bits * 2 - 1).astype(np.int8)


def _reached(signs: NDArray[np.int8], values: NDArray[np.float64], bar: float) -> int:
    return int((abs(signs @ values) >= bar).sum())


def paired_t(differences: Sequence[float], level: float = 0.95) -> PairedEstimate:
    """Return the paired t estimate over seeds: delta = mean difference, interval and two-sided p with df = n - 1.

    t = delta / (s / sqrt(n)) (Student 1908). n = 1: delta alone. Without spread t is undefined: p is 1 where every
    difference is zero, else `None`, for a handful of equal differences must not earn stars.
    Raises `ValueError` without differences.
    """
    estimate = t_interval(differences, level)
    p: float | None = None
    if estimate.se:
        from scipy.stats import t

        p = float(2 * t.sf(abs(estimate.mean) / estimate.se, estimate.df))
    elif estimate.se == 0 and estimate.mean == 0:
        p = 1.0
    return PairedEstimate(estimate.mean, estimate.low, estimate.high, p, estimate.df, estimate.n)
