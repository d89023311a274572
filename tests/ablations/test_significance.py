"""`significance.csv`: the numbers of each test by hand, and the same p as in the table."""

import pytest
from studies import Write, cell, item

from ablations.records import load_study
from ablations.significance import QUESTIONS_TEST, SEEDS_TEST, significance
from ablations.summary import summarise


def test_paired_t_by_hand(write: Write) -> None:
    ends = {"sparse": ("1---", "110-", "1110"), "dense": ("1100", "1100", "1111")}
    cells = [cell(end, reward, seed) for reward, three in ends.items() for seed, end in enumerate(three)]
    study = load_study(write(cells, ("sparse", "dense"), seeds=(0, 1, 2)))
    accuracy, area = significance(study)
    assert (accuracy.end_point, accuracy.reward, accuracy.reference, accuracy.test) == (
        "accuracy", "dense", "sparse / grpo", SEEDS_TEST,
    )  # fmt: skip
    # Differences .25 0 .25: mean 1/6, s = .144338, t = 2.0 with df 2; 2 of 4 sign patterns of the two reach the sum.
    assert accuracy.difference == pytest.approx(1 / 6)
    assert accuracy.t == pytest.approx(2.0)
    assert (accuracy.seeds, accuracy.units, accuracy.df) == (3, 3, 2)
    assert accuracy.p == pytest.approx(0.183503, abs=1e-6)
    assert accuracy.p_sign_flip == pytest.approx(0.5)
    assert accuracy.high == pytest.approx(1 / 6 + 4.302653 * 0.144338 / 3**0.5, abs=1e-5)
    # Every curve is the same, so there is nothing to test and no p for it: zero in every seed.
    assert (area.end_point, area.difference, area.t) == ("area", 0, None)


def test_the_table_has_the_same_p(write: Write) -> None:
    ends = {"a": ("1000", "1100"), "b": ("1100", "1111"), "c": ("0000", "1100")}
    cells = [cell(end, r, s) for r in ends for s, end in enumerate(ends[r])]
    study = load_study(write(cells, tuple(ends), seeds=(0, 1)))
    by_table = {row.reward: row.p_vs_baseline for row in summarise(study)}
    tested = {each.reward: each.p_holm for each in significance(study) if each.end_point == "accuracy"}
    assert tested == {name: by_table[name] for name in ("b", "c")}


def test_one_seed_is_tested_over_questions(write: Write) -> None:
    """Ten questions, two samples each; `b` alone is right on six: sign-flip p = 2 / 2**6."""
    ends = {"a": [False] * 10, "b": [True] * 6 + [False] * 4}
    cells = [
        cell("1", reward, items=[item(q, right, k) for q, right in enumerate(row) for k in range(2)])
        for reward, row in ends.items()
    ]
    found = significance(load_study(write(cells, ("a", "b"))))
    (tested,) = [each for each in found if each.test == QUESTIONS_TEST]
    assert (tested.seeds, tested.units, tested.difference) == (1, 10, 0.6)
    assert tested.p == pytest.approx(2 / 2**6)
    over_seeds = [each for each in found if each.test == SEEDS_TEST]
    assert all(each.p is None and each.low is None for each in over_seeds)


def test_nothing_finished_is_rows_without_numbers(write: Write) -> None:
    found = significance(load_study(write([], ("a", "b"))))
    assert [(each.seeds, each.difference, each.p) for each in found] == [(0, None, None)] * 2
