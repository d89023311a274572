"""Every column of the table against a case worked out by hand."""

from pathlib import Path

import pytest
from studies import Write, cell, item, items, metric, point

from ablations.records import load_study
from ablations.summary import COLUMNS, SummaryRow, summarise

CONTRACT = (
    "reward objective model data seeds n accuracy accuracy_low accuracy_high strict flexible format tokens "
    "p_vs_baseline minutes accuracy_given_format accuracy_given_format_low accuracy_given_format_high "
    "given_format_seeds given_format_delta given_format_delta_low given_format_delta_high greedy base_accuracy "
    "base_format base_accuracy_given_format delta delta_low delta_high area steps_to_threshold dead_groups "
    "generated_tokens right_by_wrong_steps failed variant"
)


def summary(folder: Path) -> dict[str, SummaryRow]:
    return {row.reward: row for row in summarise(load_study(folder))}


def test_columns_are_the_contract() -> None:
    assert " ".join(COLUMNS) == CONTRACT


@pytest.fixture
def three_seeds(write: Write) -> Path:
    """Accuracies .25 .50 .75 for sparse and .50 .50 1.0 for dense; the base is .25, half of it formatted."""
    ends = {"sparse": ("1---", "110-", "1110"), "dense": ("1100", "1100", "1111")}
    flat = [point(0, 0.2), point(2, 0.2), point(4, 0.2)]
    curves = {"sparse": [point(0, 0.2), point(2, 0.3), point(4, 0.6)], "dense": flat}
    cells = [
        cell(end, reward, seed, base="10--", curve=curves[reward], items_greedy=items("1100"))
        for reward, three in ends.items()
        for seed, end in enumerate(three, start=1)
    ]
    return write(cells, ("sparse", "dense"), seeds=(1, 2, 3))


# t(0.975, df 2) = 4.302653; s / sqrt(3) of (.25, .5, .75) is .25 / sqrt(3).
HALF = 4.302653 * 0.25 / 3**0.5

BY_HAND = {
    "seeds": 3, "n": 4, "failed": 0, "model": "tiny-1m", "data": "tiny-words", "objective": "grpo",
    "accuracy": 0.5, "accuracy_low": 0.5 - HALF, "accuracy_high": 0.5 + HALF,
    "strict": 0.5, "flexible": 0.5, "tokens": 10, "minutes": 1.5, "generated_tokens": 1000, "dead_groups": 0.25,
    # Formatted: 1, 3 and 4 of 4. Accuracy among them: 1/1, 2/3, 3/4.
    "right_by_wrong_steps": None, "format": 8 / 12, "accuracy_given_format": (1 + 2 / 3 + 3 / 4) / 3, "greedy": 0.5,
    "base_accuracy": 0.25, "base_format": 0.5, "base_accuracy_given_format": 0.5,
    "delta": 0.25, "delta_low": 0.25 - HALF, "delta_high": 0.25 + HALF,
    "given_format_delta": (1 + 2 / 3 + 3 / 4) / 3 - 0.5,
    # Trapezoids: (2 * .25 + 2 * .45) / 4. Threshold half-way from .2 to .6: .4, a third of the way from .3 to .6.
    "area": 0.35, "steps_to_threshold": 2 + 2 / 3, "p_vs_baseline": None,
}  # fmt: skip


@pytest.mark.parametrize("column", BY_HAND)
def test_column_by_hand(three_seeds: Path, column: str) -> None:
    value = getattr(summary(three_seeds)["sparse"], column)
    assert value == (BY_HAND[column] if isinstance(BY_HAND[column], str | None) else pytest.approx(BY_HAND[column]))


def test_interval_of_accuracy_given_format_is_over_seeds(three_seeds: Path) -> None:
    row = summary(three_seeds)["sparse"]
    # s of (1, 2/3, 3/4) is 0.173472; times 4.302653 / sqrt(3).
    half = 4.302653 * 0.1734722 / 3**0.5
    assert row.accuracy_given_format_high == pytest.approx(row.accuracy_given_format + half)
    assert row.given_format_delta_low == pytest.approx(row.given_format_delta - half)


def test_p_is_paired_over_seeds(three_seeds: Path) -> None:
    # Differences .25 0 .25: mean 1/6, s .144338, t = 2.0 with df 2, two-sided p = 0.183503; one test, so Holm keeps it.
    row = summary(three_seeds)["dense"]
    assert row.p_vs_baseline == pytest.approx(0.183503, abs=1e-6)
    assert row.compared_seeds == 3
    assert row.steps_to_threshold is None


def test_holm_runs_over_the_whole_table(write: Write) -> None:
    ends = {"a": ("1000", "1100"), "b": ("1100", "1111"), "c": ("0000", "1000")}
    cells = [cell(end, r, s, objective=o) for o in ("x", "y") for r in ends for s, end in enumerate(ends[r])]
    rows = summarise(load_study(write(cells, ("a", "b", "c"), ("x", "y"), (0, 1))))
    # b - a = .25 .50: t = 3, df 1, p = 0.204833. c - a = -.25 -.25 has no spread, so no test: two tests remain.
    halved = pytest.approx(0.409666, abs=1e-6)
    assert [row.p_vs_baseline for row in rows] == [None, None, halved, None, None, halved, None]


def test_base_row_clusters_by_question(three_seeds: Path) -> None:
    row = summary(three_seeds)["base"]
    # Question means 1 0 0 0: mean .25, s = .5, standard error .25, t(0.975, df 3) = 3.182446.
    assert (row.seeds, row.objective, row.n, row.accuracy) == (0, "", 4, 0.25)
    assert row.accuracy_high == pytest.approx(0.25 + 3.182446 * 0.25)
    assert row.delta is None
    assert row.minutes is None


def test_one_seed_falls_back_to_questions(write: Write) -> None:
    samples = [item(q, bool(c), s) for q, pair in enumerate(((1, 1), (1, 0), (0, 0))) for s, c in enumerate(pair)]
    row = summary(write([cell("1", items=samples, items_base=items("100"))]))["sparse"]
    # Question means 1 .5 0: s = .5, t(0.975, df 2) = 4.302653. Minus base 1 0 0: 0 .5 0, s = .288675.
    assert row.unit == "questions"
    assert row.accuracy == pytest.approx(0.5)
    assert row.accuracy_high == pytest.approx(0.5 + 4.302653 * 0.5 / 3**0.5)
    assert row.delta_high == pytest.approx(1 / 6 + 4.302653 * 0.288675 / 3**0.5)
    assert row.p_vs_baseline is None


def test_unscorable_items_are_excluded_not_wrong(write: Write) -> None:
    row = summary(write([cell("1?0?")]))["sparse"]
    assert (row.n, row.accuracy) == (2, 0.5)


def test_accuracy_given_format_is_missing_without_any_format(write: Write) -> None:
    row = summary(write([cell("----")]))["sparse"]
    assert (row.format, row.accuracy_given_format, row.given_format_delta) == (0, None, None)


def test_failed_cells_are_counted_and_leave_the_rest(write: Write) -> None:
    broken = cell("1111", seed=2, status={"state": "failed", "step": 1, "error": {"type": "E", "message": "m"}})
    row = summary(write([cell("1000"), broken], seeds=(1, 2, 3)))["sparse"]
    assert (row.seeds, row.failed, row.accuracy) == (1, 2, 0.25)


def test_dead_groups_average_over_steps_that_report_them(write: Write) -> None:
    rows = [metric(1, 0, dead_groups=0.5), metric(2, 0, dead_groups=None), metric(3, 0, dead_groups=1.0)]
    assert summary(write([cell("1", metrics=rows)]))["sparse"].dead_groups == 0.75


def test_nothing_learned_means_no_threshold(write: Write) -> None:
    assert summary(write([cell("1", curve=[point(0, 0.5), point(4, 0.4)])]))["sparse"].steps_to_threshold is None


def test_right_answers_by_wrong_steps_are_counted_among_the_right_ones(write: Write) -> None:
    """Three right answers whose steps were counted, one of them false; a wrong answer and an uncounted one beside."""
    counted = [item(n, n < 3, false_steps=wrong) for n, wrong in enumerate([0, 2, 0, 1])]
    one = cell("1", items=[*counted, item(4, True)])
    row = summary(write([one], ("sparse",), seeds=(1,)))["sparse"]
    assert row.right_by_wrong_steps == pytest.approx(1 / 3)


def test_a_study_of_one_reward_compares_its_objectives(write: Write) -> None:
    ends = {"grpo": ("1---", "110-"), "grpo+min(process)": ("11--", "1111")}
    cells = [cell(end, "sparse", seed, objective=name) for name, two in ends.items() for seed, end in enumerate(two, 1)]
    rows = summarise(load_study(write(cells, ("sparse",), objectives=tuple(ends), seeds=(1, 2))))
    assert [row.reference for row in rows if not row.is_base] == [True, False]
    # .25 and .5 more than the reference: t = .375 / .125 with one degree of freedom.
    assert [row.p_vs_baseline for row in rows if not row.is_base] == [None, pytest.approx(0.2048, abs=1e-4)]
