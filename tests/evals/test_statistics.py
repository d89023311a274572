"""Intervals, paired tests and curves against scipy, closed forms and each other."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from evals.statistics import (
    area_under,
    clustered,
    mcnemar_exact,
    paired_t,
    sign_flip,
    steps_to_threshold,
    t_interval,
    wilson,
)


@pytest.mark.parametrize(
    ("successes", "n"),
    [pytest.param(0, 10, id="none"), pytest.param(10, 10, id="all"), pytest.param(818, 1319, id="62%")],
)
def test_wilson_is_scipys(successes: int, n: int) -> None:
    theirs = stats.binomtest(successes, n).proportion_ci(method="wilson")
    assert wilson(successes, n) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def test_wilson_edges() -> None:
    assert wilson(0, 0) == (0.0, 1.0)
    assert wilson(0, 5)[0] == 0.0 and wilson(5, 5)[1] == 1.0
    for bad in [(-1, 3), (4, 3)]:
        with pytest.raises(ValueError, match="successes"):
            wilson(*bad)
    with pytest.raises(ValueError, match="level"):
        wilson(1, 3, level=95)


@given(st.integers(1, 2000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_holds_the_proportion(case: tuple[int, int]) -> None:
    low, high = wilson(*case)
    assert 0 <= low <= case[0] / case[1] <= high <= 1


def test_t_interval_is_scipys() -> None:
    values = [0.62, 0.65, 0.60, 0.66]
    theirs = stats.t.interval(0.95, 3, loc=sum(values) / 4, scale=stats.sem(values))
    ours = t_interval(values)
    assert (ours.low, ours.high) == pytest.approx(theirs)
    assert (ours.n, ours.units, ours.df) == (4, 4, 3)


@pytest.mark.parametrize("estimate", [t_interval([0.5]), clustered({"q": [0.0, 1.0]})])
def test_one_unit_has_no_interval(estimate: object) -> None:
    assert (estimate.low, estimate.high, estimate.mean) == (None, None, 0.5)  # type: ignore[attr-defined]


def test_clustered_equals_t_of_question_means() -> None:
    samples = {"a": [1.0, 0.0], "b": [1.0, 1.0], "c": [0.0, 0.0]}
    ours, means = clustered(samples), t_interval([0.5, 1.0, 0.0])
    assert (ours.mean, ours.low, ours.high) == pytest.approx((means.mean, means.low, means.high))
    assert (ours.n, ours.units, ours.df) == (6, 3, 2)


def test_copies_add_no_information() -> None:
    once, often = clustered([[1.0], [0.0], [1.0]]), clustered([[1.0] * 8, [0.0] * 8, [1.0] * 8])
    assert once.se == pytest.approx(often.se)


def test_no_values_is_an_error() -> None:
    for call in (t_interval, clustered, paired_t, sign_flip):
        with pytest.raises(ValueError, match="at least one"):
            call([])


@pytest.mark.parametrize(
    ("b", "c"),
    [
        pytest.param(0, 0, id="no-discordance"),
        pytest.param(5, 5, id="tie"),
        pytest.param(40, 21, id="uneven"),
        pytest.param(0, 1319, id="huge"),
    ],
)
def test_mcnemar_is_the_binomial_test(b: int, c: int) -> None:
    expected = stats.binomtest(b, b + c).pvalue if b + c else 1.0
    assert mcnemar_exact(b, c) == pytest.approx(expected) == pytest.approx(mcnemar_exact(c, b))


def test_mcnemar_refuses() -> None:
    with pytest.raises(ValueError, match="negative"):
        mcnemar_exact(-1, 2)


@given(st.lists(st.integers(-3, 3).map(float), min_size=1, max_size=7))
def test_sign_flip_enumerates(differences: list[float]) -> None:
    sums = [
        abs(sum(s * d for s, d in zip(signs, differences, strict=True)))
        for signs in itertools.product((-1, 1), repeat=len(differences))
    ]
    expected = sum(total >= abs(sum(differences)) for total in sums) / len(sums)
    assert sign_flip(differences) == pytest.approx(expected)


def test_sign_flip_floor_and_monte_carlo() -> None:
    assert sign_flip([0.1, 0.2, 0.1, 0.3, 0.2]) == 0.0625
    assert sign_flip([0.0] * 20) == 1.0
    differences = [1.0] * 40 + [-1.0] * 21 + [0.0] * 300
    assert sign_flip(differences) == sign_flip(differences) == pytest.approx(mcnemar_exact(40, 21), abs=0.01)


def test_paired_t_is_scipys() -> None:
    a, b = [0.65, 0.66, 0.63, 0.67, 0.64], [0.62, 0.61, 0.63, 0.60, 0.62]
    theirs = stats.ttest_rel(a, b)
    ours = paired_t([x - y for x, y in zip(a, b, strict=True)])
    interval = theirs.confidence_interval()
    assert (ours.p, ours.df, ours.low, ours.high) == pytest.approx((theirs.pvalue, 4, interval.low, interval.high))


@pytest.mark.parametrize(
    ("differences", "p"),
    [
        pytest.param([0.1], None, id="one-seed"),
        pytest.param([0.0, 0.0], 1.0, id="all-zero"),
        pytest.param([0.25, 0.25], None, id="no-spread-no-stars"),
    ],
)
def test_paired_t_edges(differences: list[float], p: float | None) -> None:
    assert paired_t(differences).p == p


@pytest.mark.parametrize(
    ("steps", "values", "area"),
    [
        pytest.param([0, 10], [0.0, 1.0], 0.5, id="ramp"),
        pytest.param([0, 1, 10], [0.0, 1.0, 1.0], 0.95, id="uneven-steps"),
        pytest.param([5], [0.3], 0.3, id="one-point"),
    ],
)
def test_area_under(steps: list[float], values: list[float], area: float) -> None:
    assert area_under(steps, values) == pytest.approx(area)


@pytest.mark.parametrize(
    ("threshold", "step"),
    [
        pytest.param(0.5, 15.0, id="between-points"),
        pytest.param(0.2, 0.0, id="from-the-start"),
        pytest.param(0.6, 20.0, id="at-a-point"),
        pytest.param(0.9, None, id="never"),
    ],
)
def test_steps_to_threshold(threshold: float, step: float | None) -> None:
    assert steps_to_threshold([0, 10, 20], [0.2, 0.4, 0.6], threshold) == (
        None if step is None else pytest.approx(step)
    )


@pytest.mark.parametrize("curve", [([], []), ([1], [1, 2]), ([1, 1], [0, 0])])
def test_curves_are_checked(curve: tuple[list[float], list[float]]) -> None:
    with pytest.raises(ValueError, match="curve"):
        area_under(*curve)
