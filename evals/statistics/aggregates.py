"""Scores of many runs on many tasks: interquartile mean, probability of improvement, performance profiles.

The estimators of "Deep Reinforcement Learning at the Edge of the Statistical Precipice" (arXiv 2108.13264). A score
matrix has the shape (..., runs, tasks): runs are training seeds, tasks are data sets or groups of questions. Leading
axes are kept, which is how `stratified_interval` evaluates many resampled matrices at once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    Statistic = Callable[..., NDArray[np.float64]]

__all__ = ["iqm", "performance_profile", "probability_of_improvement", "stratified_interval"]

# Numbers held at once by the bootstrap: 32 MB.
HELD = 4_000_000


def iqm(scores: ArrayLike) -> NDArray[np.float64]:
    """Return the interquartile mean over all runs and tasks, shape (...): the mean without the outer quarters.

    Of m = runs * tasks sorted scores floor(m / 4) are dropped at each end (section 4.3 of the paper), so fewer than
    four scores give their mean. Less biased than the median, less led by outliers than the mean.
    """
    import numpy as np

    matrix = _matrix(scores)
    flat = np.sort(matrix.reshape(*matrix.shape[:-2], -1), axis=-1)
    cut = flat.shape[-1] // 4
    return np.asarray(flat[..., cut : flat.shape[-1] - cut].mean(axis=-1))


def probability_of_improvement(x: ArrayLike, y: ArrayLike) -> NDArray[np.float64]:
    """Return P(X > Y) + P(X = Y) / 2 for one run of each on one task, averaged over tasks, shape (...).

    On each task the Mann-Whitney U over the number of pairs of runs (section 4.3; Mann and Whitney 1947). The numbers
    of runs may differ, the tasks may not: `ValueError`. It says how often, not by how much.
    """
    import numpy as np

    first, second = _matrix(x), _matrix(y)
    if first.shape[-1] != second.shape[-1]:
        raise ValueError(f"scores on {first.shape[-1]} and {second.shape[-1]} tasks: give both on the same tasks")
    ahead = first[..., :, None, :] - second[..., None, :, :]
    return np.asarray(((np.sign(ahead) + 1) / 2).mean(axis=(-3, -2, -1)))


def performance_profile(scores: ArrayLike, thresholds: ArrayLike) -> NDArray[np.float64]:
    """Return the share of runs, over all tasks, that score above each threshold, shape (..., thresholds).

    The score distribution of section 4.2; ties with the threshold do not count (Dolan and More 2002).
    """
    import numpy as np

    matrix = _matrix(scores)
    shares = [(matrix > threshold).mean(axis=(-2, -1)) for threshold in np.asarray(thresholds, dtype=np.float64)]
    return np.stack(shares, axis=-1)


def stratified_interval(
    statistic: Statistic, *scores: ArrayLike, level: float = 0.95, draws: int = 2_000, seed: int = 0
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the percentile bootstrap interval of `statistic(*scores)`: two arrays of the statistic's shape.

    Runs are resampled with replacement within every task and every matrix, tasks are kept (section 4.1). So the
    interval is about new seeds on the same tasks. Percentiles are too narrow below ten runs or so in all; one run has
    an interval of width 0. Memory is bounded by chunks of draws; equal `seed`, equal interval.
    `statistic` must keep leading axes, e.g. `lambda s: performance_profile(s, [0.5, 0.8])`.
    Raises `ValueError` unless every matrix has scores, none of them missing, and draws >= 100.
    """
    import numpy as np

    if draws < 100:
        raise ValueError(f"{draws} draws are too few for an interval; give at least 100, better 2000")
    matrices = [_matrix(matrix) for matrix in scores]
    generator = np.random.default_rng(seed)
    # Pairs of runs are compared: the product of their numbers bounds what a statistic of two matrices holds.
    chunk = max(1, HELD // max(np.prod([len(matrix) for matrix in matrices]) * m.shape[1] for m in matrices))
    drawn = [
        statistic(*(_resampled(matrix, min(chunk, draws - start), generator) for matrix in matrices))
        for start in range(0, draws, chunk)
    ]
    low, high = np.quantile(np.concatenate(drawn), [(1 - level) / 2, (1 + level) / 2], axis=0)
    return low, high


def _resampled(matrix: NDArray[np.float64], draws: int, generator: np.random.Generator) -> NDArray[np.float64]:
    """Return `draws` matrices, shape (draws, runs, tasks), with the runs of each task drawn anew."""
    import numpy as np

    chosen = generator.integers(0, len(matrix), size=(draws, *matrix.shape))
    return np.take_along_axis(matrix[None], chosen, axis=1)


def _matrix(scores: ArrayLike) -> NDArray[np.float64]:
    import numpy as np

    matrix = np.asarray(scores, dtype=np.float64)
    if matrix.ndim < 2 or matrix.size == 0 or not np.isfinite(matrix).all():
        raise ValueError("need a matrix of runs x tasks without gaps")
    return matrix
