"""Items and seeds in one interval: limits where only one of them varies, and the two estimators against each other."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from evals.statistics import crossed, hierarchical, t_interval

SEEDS = [0.55, 0.62, 0.58, 0.64, 0.60]


def widths(estimate: object) -> float:
    return estimate.high - estimate.low  # type: ignore[attr-defined,no-any-return]


def test_only_seeds_vary() -> None:
    values = np.repeat(np.array(SEEDS)[:, None], 50, axis=1)
    expected = t_interval(SEEDS)
    ours = crossed(values)
    assert (ours.mean, ours.low, ours.high) == pytest.approx((expected.mean, expected.low, expected.high))
    assert (ours.n, ours.units, ours.df) == (250, 5, 4)
    # Five seeds draw few different means, so the percentiles of a bootstrap are coarse.
    assert widths(hierarchical(values)) == pytest.approx(widths(expected), rel=0.1)


def test_only_items_vary() -> None:
    items = np.random.default_rng(0).random(400)
    values, expected = np.repeat(items[None, :], 4, axis=0), t_interval(list(items))
    ours = crossed(values)
    assert (ours.mean, ours.low, ours.high) == pytest.approx((expected.mean, expected.low, expected.high))
    assert widths(hierarchical(values)) == pytest.approx(widths(expected), rel=0.03)


def test_both_vary() -> None:
    generator = np.random.default_rng(0)
    values = generator.normal(0, 0.1, (12, 1)) + generator.normal(0, 1, (1, 300)) + generator.normal(0, 0.3, (12, 300))
    ours, drawn = crossed(values), hierarchical(values)
    # 0.1^2 / 12 + 1 / 300 + 0.3^2 / 3600
    assert ours.se == pytest.approx(0.065, rel=0.1)
    assert widths(drawn) == pytest.approx(widths(ours), rel=0.1)
    assert drawn == hierarchical(values) != hierarchical(values, seed=1)


def test_memory_is_bounded() -> None:
    values = np.random.default_rng(0).random((8, 1319))
    tracemalloc.start()
    hierarchical(values, draws=20_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # All draws of 1,319 items at once would take 211 MB.
    assert peak < 40e6


@pytest.mark.parametrize("estimator", [crossed, hierarchical])
def test_edges(estimator: object) -> None:
    assert callable(estimator)
    for one in ([[0.5, 0.7]], [[0.5], [0.7]]):
        found = estimator(one)
        assert (found.mean, found.low, found.high) == (pytest.approx(0.6), None, None)
    same = estimator(np.full((3, 4), 0.5))
    assert (same.low, same.high) == (0.5, 0.5)
    for bad in ([0.5, 0.7], [[]], [[0.5, float("nan")]]):
        with pytest.raises(ValueError, match="matrix"):
            estimator(bad)
    with pytest.raises(ValueError, match="draws"):
        hierarchical([[0.0, 1.0], [1.0, 0.0]], draws=10)
