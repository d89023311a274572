"""Intervals against scipy, closed forms and each other."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from evals.statistics import clustered, t_interval, wilson


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
