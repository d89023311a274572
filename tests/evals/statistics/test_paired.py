"""Paired tests and differences against scipy, enumeration, published values and each other."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from evals.statistics import clustered, mcnemar_exact, paired_scores, paired_shares, paired_t, sign_flip, t_interval


def test_no_values_is_an_error() -> None:
    for call in (t_interval, clustered, paired_t, paired_shares, paired_scores, sign_flip):
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


@given(st.lists(st.integers(-8, 8).map(float), min_size=1, max_size=12))
def test_counts_are_enumerated_by_convolution(differences: list[float]) -> None:
    # A third is no whole number, so that the same pattern goes the other way.
    assert sign_flip(differences) == pytest.approx(sign_flip([value / 3 for value in differences]))


@pytest.mark.parametrize(("b", "c"), [(209, 152), (7, 0), (12, 30)])
def test_sign_flip_of_right_and_wrong_is_mcnemar(b: int, c: int) -> None:
    assert sign_flip([1.0] * b + [-1.0] * c + [0.0] * 40) == pytest.approx(mcnemar_exact(b, c), rel=1e-9)


def test_sampled_patterns_agree_with_exact_ones() -> None:
    counts = np.random.default_rng(0).integers(-3, 5, 60).astype(float)
    exact, sampled = sign_flip(list(counts)), sign_flip(list(counts / 3))
    assert 0.001 < exact < 0.2
    assert sampled == pytest.approx(exact, abs=4 * math.sqrt(exact * (1 - exact) / 20_000))


def table(a_only: int, b_only: int, n: int, k: int = 1) -> list[list[float]]:
    return [[1.0] * k] * a_only + [[-1.0] * k] * b_only + [[0.0] * k] * (n - a_only - b_only)


def test_one_sample_is_agresti_and_min() -> None:
    b, c, n = 209 + 0.5, 152 + 0.5, 1319 + 2
    centre, se = (b - c) / n, math.sqrt(((b + c) - (b - c) ** 2 / n) / n**2)
    ours = paired_shares(table(209, 152, 1319))
    half = stats.t.ppf(0.975, 1318) * se
    assert (ours.low, ours.high) == pytest.approx((centre - half, centre + half), abs=1e-12)
    assert (ours.delta, ours.n, ours.df) == (pytest.approx(57 / 1319), 1319, 1318)
    assert ours.p == pytest.approx(mcnemar_exact(209, 152))


def test_copies_of_a_sample_add_no_information_to_a_difference() -> None:
    once, often = paired_shares(table(40, 20, 400)), paired_shares(table(40, 20, 400, k=8))
    assert (once.delta, once.p) == pytest.approx((often.delta, often.p))
    # Nothing but the two added questions, which carry less weight the more samples there are.
    assert once.high - once.low == pytest.approx(often.high - often.low, rel=0.02)  # type: ignore[operator]


def test_many_questions_give_the_clustered_interval() -> None:
    groups = np.random.default_rng(0).integers(-1, 2, (4000, 4)).astype(float).tolist()
    ours, theirs = paired_shares(groups), clustered(groups)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-4)


@pytest.mark.parametrize(
    ("differences", "p", "excludes"),
    [
        pytest.param(table(0, 0, 100), 1.0, False, id="nothing-flipped-is-not-certainty"),
        pytest.param(table(20, 0, 20), 2**-19, True, id="everything-flipped"),
        pytest.param(table(1, 0, 100), 1.0, False, id="one-flip"),
    ],
)
def test_difference_of_shares_at_the_edges(differences: list[list[float]], p: float, excludes: bool) -> None:
    found = paired_shares(differences)
    assert found.low is not None and found.high is not None
    assert found.p == pytest.approx(p) and (found.low > 0) is excludes
    assert -1 <= found.low < found.high <= 1 and found.low <= found.delta <= found.high


def test_one_question_has_no_difference_interval() -> None:
    for call in (paired_shares, paired_scores):
        found = call([[1.0, 1.0, 0.0]])
        assert (found.low, found.high, found.p, found.n) == (None, None, 1.0, 1)
        assert found.delta == pytest.approx(2 / 3)


def test_empty_questions_do_not_count() -> None:
    assert paired_shares([*table(3, 1, 10), []]) == paired_shares(table(3, 1, 10))


def test_scores_are_a_paired_t_over_question_means() -> None:
    groups = np.random.default_rng(1).normal(0.2, 1, (30, 4)).tolist()
    ours, theirs = paired_scores(groups), t_interval([sum(group) / 4 for group in groups])
    assert (ours.delta, ours.low, ours.high, ours.df) == pytest.approx((theirs.mean, theirs.low, theirs.high, 29))
    assert ours.p == sign_flip([math.fsum(group) for group in groups])
