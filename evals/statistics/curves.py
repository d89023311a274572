"""Learning curves as numbers: how high on the whole, and how soon."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

__all__ = ["area_under", "steps_to_threshold"]


def area_under(steps: Sequence[float], values: Sequence[float]) -> float:
    """Return the area under a curve divided by its width: the mean height, in the unit of `values`.

    Trapezoids between measured points, so uneven steps weigh by their width; a measure of sample efficiency that needs
    no threshold (arXiv 1709.06560 on why the last point alone misleads). One point: its value.
    Raises `ValueError` unless steps increase strictly and both sequences have one length above 0.
    """
    _check(steps, values)
    if len(steps) == 1:
        return float(values[0])
    points = pairwise(zip(steps, values, strict=True))
    area = sum((right - left) * (low + high) / 2 for (left, low), (right, high) in points)
    return area / (steps[-1] - steps[0])


def steps_to_threshold(steps: Sequence[float], values: Sequence[float], threshold: float) -> float | None:
    """Return the step at which the curve first reaches `threshold`, linear between points; `None` if it never does.

    A curve that starts at or above the threshold gives its first step; one that falls back later still counts.
    Raises `ValueError` as `area_under` does.
    """
    _check(steps, values)
    if values[0] >= threshold:
        return float(steps[0])
    for (left, low), (right, high) in pairwise(zip(steps, values, strict=True)):
        if high >= threshold:
            return left + (right - left) * (threshold - low) / (high - low)
    return None


def _check(steps: Sequence[float], values: Sequence[float]) -> None:
    if len(steps) != len(values) or not steps:
        raise ValueError(f"a curve needs as many values as steps, at least one: {len(steps)} and {len(values)}")
    if any(left >= right for left, right in pairwise(steps)):
        raise ValueError("the steps of a curve must increase")
