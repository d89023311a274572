"""What a value is compared with: the others of its group, its group's mean and deviation, or all tokens of a batch."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["EPSILON", "Array", "normalised", "others", "to_go", "whitened"]

Array = NDArray[np.float64]

# Added to deviations, as TRL and the objectives' estimators have it.
EPSILON = 1e-4


def others(total: Array, count: Array, group: NDArray[np.int64]) -> Array:
    """(B,): the sum of `total` over the others of each one's group by that of `count`; NaN where these count none."""
    same = (group[:, None] == group[None, :]).astype(np.float64)
    np.fill_diagonal(same, 0.0)
    counted = same @ count
    mean: Array = np.divide(same @ total, counted, out=np.full(len(total), np.nan), where=counted > 0)
    return mean


def normalised(values: Array, group: NDArray[np.int64]) -> Array:
    """(N,): (value - mean) / (deviation + EPSILON) of its group; the sample's deviation, 0 of one value alone."""
    normal = np.zeros_like(values)
    for one in np.unique(group):
        members = group == one
        if members.sum() > 1:
            taken = values[members]
            normal[members] = (taken - taken.mean()) / (taken.std(ddof=1) + EPSILON)
    return normal


def whitened(values: Array, known: NDArray[np.bool_]) -> Array:
    """(B, T): (value - mean) / (deviation + EPSILON) over all entries where `known`; 0 elsewhere."""
    taken = values[known]
    if len(taken) < 2:
        return np.zeros_like(values)
    return np.where(known, (values - taken.mean()) / (taken.std(ddof=1) + EPSILON), 0.0)


def to_go(values: Array) -> Array:
    """(B, T): the sum from each token to the end."""
    return values[:, ::-1].cumsum(1)[:, ::-1]
