"""Interquartile mean, probability of improvement and profiles: by hand, and against rliable."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from evals.statistics import holm, iqm, performance_profile, power, probability_of_improvement, stratified_interval

X = [[0.10, 0.90], [0.20, 0.70], [0.30, 0.80]]
Y = [[0.20, 0.60], [0.00, 0.80]]


@pytest.mark.parametrize(
    ("scores", "mean"),
    [
        # Sorted 0.1 0.2 0.3 0.7 0.8 0.9; one is dropped at each end.
        pytest.param(X, (0.2 + 0.3 + 0.7 + 0.8) / 4, id="six"),
        # 0 0.2 0.6 0.8
        pytest.param(Y, 0.4, id="four"),
        pytest.param([[0.0, 0.0, 1.0]], 1 / 3, id="three-are-not-trimmed"),
        pytest.param([[0.5]], 0.5, id="one"),
    ],
)
def test_iqm(scores: list[list[float]], mean: float) -> None:
    assert iqm(scores) == pytest.approx(mean)


def test_probability_of_improvement() -> None:
    # Task 1: 0.1 beats 0; 0.2 ties with 0.2 and beats 0; 0.3 beats both: 1 + 1.5 + 2 of 6.
    # Task 2: 0.9 beats both; 0.7 beats 0.6; 0.8 beats 0.6 and ties with 0.8: 2 + 1 + 1.5 of 6.
    assert probability_of_improvement(X, Y) == pytest.approx(4.5 / 6)
    assert probability_of_improvement(Y, X) == pytest.approx(1.5 / 6)
    assert probability_of_improvement(X, X) == pytest.approx(0.5)
    with pytest.raises(ValueError, match="same tasks"):
        probability_of_improvement(X, [[1.0]])


def test_profile() -> None:
    # A score at the threshold is not above it.
    assert performance_profile(X, [0.0, 0.3, 0.75, 0.9]).tolist() == pytest.approx([1, 1 / 2, 1 / 3, 0])


def test_leading_axes_are_kept() -> None:
    stack = np.random.default_rng(0).random((4, 3, 5, 2))
    assert iqm(stack).shape == (4, 3) and performance_profile(stack, [0.1, 0.5, 0.9]).shape == (4, 3, 3)
    assert iqm(stack)[2, 1] == pytest.approx(iqm(stack[2, 1]))
    assert probability_of_improvement(stack, stack[:, ::-1]).shape == (4, 3)


def test_runs_are_resampled_within_tasks() -> None:
    # Tasks differ, runs do not: nothing about new seeds is uncertain.
    low, high = stratified_interval(iqm, [[0.1, 0.9]] * 3)
    assert low == high == pytest.approx(0.5)
    low, high = stratified_interval(lambda s: performance_profile(s, [0.15, 0.95]), X)
    # 0.1 of task 1 is the only one below 0.15: drawn 0 to 3 times out of 3.
    assert (low[0], high[0]) == (pytest.approx(0.5), 1.0) and (low[1], high[1]) == (0, 0)
    assert stratified_interval(iqm, X) == stratified_interval(iqm, X)


def test_bad_scores_are_refused() -> None:
    for bad in ([0.1, 0.2], [[]], [[0.1, float("nan")]]):
        with pytest.raises(ValueError, match="runs x tasks"):
            iqm(bad)
    with pytest.raises(ValueError, match="draws"):
        stratified_interval(iqm, X, draws=1)


@pytest.mark.slow
def test_rliable_and_statsmodels_agree(oracle: Callable[[dict[str, Any]], Any]) -> None:
    generator = np.random.default_rng(0)
    # Two digits, so that there are ties.
    x, y = generator.normal(0.6, 0.1, (6, 5)).round(2), generator.normal(0.55, 0.1, (5, 5)).round(2)
    thresholds = [0.4, 0.5, 0.6, 0.7]
    designs = [
        (0.5, 10, True),
        (1.5, 4, False),
        (0.1, 500, True),
        (0.1, 900, False),
        (4.0, 3, True),
        (0.05, 3000, True),
    ]
    p = [0.01, 0.04, 0.03, 0.2, 0.04]
    task = {"x": x.tolist(), "y": y.tolist(), "thresholds": thresholds, "draws": 3000, "designs": designs, "p": p}
    theirs = oracle(task)

    def profile(scores: Any) -> Any:
        return performance_profile(scores, thresholds)

    for name, statistic, scores in (
        ("iqm", iqm, (x,)),
        ("improvement", probability_of_improvement, (x, y)),
        ("profile", profile, (x,)),
    ):
        found = theirs[name]
        assert np.ravel(statistic(*scores)) == pytest.approx(found["value"], abs=1e-12), name
        for ours, other in zip(stratified_interval(statistic, *scores, draws=3000), (found["low"], found["high"])):  # noqa: B905
            # Two bootstraps of 3,000 draws each; an end of a profile moves in steps of 1/30.
            assert np.ravel(ours) == pytest.approx(np.ravel(other), abs=0.04 if name == "profile" else 0.02), name
    assert [power(effect, 1.0, n, paired=paired) for effect, n, paired in designs] == pytest.approx(
        theirs["power"], abs=1e-3
    )
    assert holm(p) == pytest.approx(theirs["holm"])
