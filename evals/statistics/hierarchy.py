"""Items and training seeds in one interval: every seed is measured on the same items, so both were sampled."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import TYPE_CHECKING

from evals.statistics.intervals import Estimate, t_quantile

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

__all__ = ["crossed", "hierarchical"]

# Numbers held at once by the bootstrap: 8 MB of weights.
HELD = 1_000_000


def crossed(values: ArrayLike, level: float = 0.95) -> Estimate:
    """Return the mean of `values` (seeds x items) with an interval for new seeds *and* new items, in closed form.

    With the mean squares of seeds, items and remainder of the two-way layout, for S seeds and I items,
    se^2 = (MS_seeds + MS_items - MS_rest) / (S I), not below max(MS_seeds, MS_items) / (S I): the sum of the variance
    components of seeds over S, items over I and the rest over S I. Student's t with Satterthwaite's df,
    (MS_seeds + MS_items - MS_rest)^2 / sum MS^2 / df_MS, at least 1 (Satterthwaite 1946; Searle, Casella and McCulloch
    1992, chapter 5). For several samples per item give their means; for two conditions their differences, which keeps
    the pairing. Two seeds and two items at least, else no interval. `units` is S, `df` is rounded down.
    Raises `ValueError` unless `values` is a matrix without gaps.
    """
    table = _table(values)
    seeds, items = table.shape
    mean = float(table.mean())
    if min(seeds, items) == 1:
        return Estimate(mean, None, None, table.size, seeds, 0, None, level)
    rows, columns = table.mean(axis=1), table.mean(axis=0)
    rest = table - rows[:, None] - columns[None, :] + mean
    freedom = (seeds - 1, items - 1, (seeds - 1) * (items - 1))
    squares = (items * ((rows - mean) ** 2).sum(), seeds * ((columns - mean) ** 2).sum(), (rest**2).sum())
    by_seed, by_item, left = (float(total) / df for total, df in zip(squares, freedom, strict=True))
    joint = by_seed + by_item - left
    spread = sum(square**2 / df for square, df in zip((by_seed, by_item, left), freedom, strict=True))
    df = max(1, math.floor(joint**2 / spread)) if spread else seeds - 1
    se = math.sqrt(max(joint, by_seed, by_item) / table.size)
    half = t_quantile(df, level) * se
    return Estimate(mean, mean - half, mean + half, table.size, seeds, df, se, level)


def hierarchical(values: ArrayLike, level: float = 0.95, draws: int = 10_000, seed: int = 0) -> Estimate:
    """Return the mean of `values` (seeds x items) with a bootstrap interval for new seeds and new items.

    Every draw resamples whole seeds and, independently, whole items, for the seeds share their items (Owen 2007, "The
    pigeonhole bootstrap"). Its two deviations from the mean are widened from bootstrap to t scale by
    t(df = m - 1) / z * sqrt(m / (m - 1)), m being seeds or items (Hesterberg 2015, section 4.2, on few units), then
    added; the interval is their percentiles. Without the widening three seeds that differ cover 79 % for a nominal
    95 %; with it 94-97 % where seeds differ, up to 99 % where only items do and seeds are few. `crossed` is the closed
    form, shorter there. `units` is the number of seeds, `df` that minus 1, `se` the draws' standard deviation.
    Memory is bounded by chunks of draws; equal `seed`, equal interval. Two seeds and two items at least, else no
    interval. Raises `ValueError` unless `values` is a matrix without gaps and draws >= 100.
    """
    import numpy as np

    if draws < 100:
        raise ValueError(f"{draws} draws are too few for an interval; give at least 100, better 10000")
    table = _table(values)
    seeds, items = table.shape
    mean = float(table.mean())
    if min(seeds, items) == 1:
        return Estimate(mean, None, None, table.size, seeds, 0, None, level)
    generator = np.random.default_rng(seed)
    drawn = _deviations(table.mean(axis=1) - mean, draws, level, generator)
    drawn += _deviations(table.mean(axis=0) - mean, draws, level, generator)
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    se = float(drawn.std(ddof=1))
    return Estimate(mean, mean + float(low), mean + float(high), table.size, seeds, seeds - 1, se, level)


def _deviations(
    means: NDArray[np.float64], draws: int, level: float, generator: np.random.Generator
) -> NDArray[np.float64]:
    """Return the bootstrapped mean of `means`, which is 0 itself, in `draws` draws, widened to the scale of t."""
    import numpy as np

    units = len(means)
    chunk = max(1, HELD // units)
    parts = [
        means[generator.integers(0, units, size=(min(chunk, draws - start), units))].mean(axis=1)
        for start in range(0, draws, chunk)
    ]
    normal = NormalDist().inv_cdf((1 + level) / 2)
    return np.concatenate(parts) * (t_quantile(units - 1, level) / normal * math.sqrt(units / (units - 1)))


def _table(values: ArrayLike) -> NDArray[np.float64]:
    import numpy as np

    table = np.asarray(values, dtype=np.float64)
    if table.ndim != 2 or table.size == 0 or not np.isfinite(table).all():
        raise ValueError("need a matrix of seeds x items without gaps; leave out items that some seed lacks")
    return table
