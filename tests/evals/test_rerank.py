"""Best of n: the estimators by hand and by enumeration, and scores that survive an interruption."""

import json
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals import rerank
from evals.metrics import maj_at_k, pass_at_k
from evals.run import RunError
from rewards.aggregate import RULES
from rewards.batch import Batch
from rewards.spans import Span, StepScorer

SAMPLES = st.lists(
    st.tuples(st.one_of(st.none(), st.sampled_from([0.0, 0.25, 0.5, 1.0])), st.booleans()), min_size=1, max_size=6
)


@pytest.mark.parametrize(
    ("samples", "n", "expected"),
    [
        pytest.param([(0.9, True), (0.1, False)], 2, 1.0, id="the-better-one-is-right"),
        pytest.param([(0.9, False), (0.1, True)], 2, 0.0, id="the-better-one-is-wrong"),
        pytest.param([(0.5, True), (0.5, False), (0.5, False)], 3, 1 / 3, id="equals-are-drawn-among"),
        pytest.param([(None, True), (0.0, False)], 2, 0.0, id="no-score-ranks-below-the-lowest"),
        pytest.param([(None, True), (None, False)], 2, 0.5, id="nothing-scored-is-a-random-choice"),
        # 3 of the 6 pairs hold the best, one of the other 3 holds the second.
        pytest.param([(0.9, True), (0.8, False), (0.7, True), (0.6, False)], 2, 4 / 6, id="pairs-of-four"),
    ],
)
def test_best_of_by_hand(samples: list[tuple[float | None, bool]], n: int, expected: float) -> None:
    assert rerank.best_of(samples, n) == pytest.approx(expected)


@given(SAMPLES, st.data())
def test_best_of_is_the_mean_over_all_choices(samples: list[tuple[float | None, bool]], data: st.DataObject) -> None:
    n = data.draw(st.integers(1, len(samples)))

    def chosen(some: Sequence[tuple[float | None, bool]]) -> float:
        top = max(-1.0 if score is None else score for score, _ in some)
        return fmean(right for score, right in some if (-1.0 if score is None else score) == top)

    assert rerank.best_of(samples, n) == pytest.approx(fmean(map(chosen, combinations(samples, n))))


@given(st.lists(st.booleans(), min_size=1, max_size=8), st.data())
def test_between_an_oracle_and_its_opposite(right: list[bool], data: st.DataObject) -> None:
    n = data.draw(st.integers(1, len(right)))
    oracle = rerank.best_of([(float(one), one) for one in right], n)
    opposite = rerank.best_of([(-float(one), one) for one in right], n)
    assert oracle == pytest.approx(pass_at_k(len(right), sum(right), n))
    assert opposite <= rerank.best_of([(0.0, one) for one in right], n) + 1e-12 <= oracle + 2e-12
    assert rerank.best_of([(0.0, one) for one in right], n) == pytest.approx(fmean(right))


def test_best_of_more_than_there_are_is_refused() -> None:
    with pytest.raises(ValueError, match="best of 3 from 2 samples"):
        rerank.best_of([(0.1, True), (0.2, False)], 3)


def test_majority_of_is_the_mean_over_runs_that_share_nothing() -> None:
    answers = [("7", True), ("7", True), ("8", False), ("9", False), ("7", True)]
    assert rerank.majority_of(answers, 2) == pytest.approx((1.0 + 0.0) / 2)
    assert rerank.majority_of(answers, 1) == pytest.approx(3 / 5)
    assert rerank.majority_of(answers, 5) == maj_at_k(answers) == 1.0


class Counting(StepScorer):
    """Scores a completion by its length over ten, and counts what it is asked; a `?` has no score."""

    def __init__(self, most: int = 1000) -> None:
        self.asked: list[str] = []
        self.most = most

    def spans(self, batch: Batch) -> list[list[Span]]:
        if len(self.asked) + len(batch.texts) > self.most:
            raise KeyboardInterrupt
        self.asked += batch.texts
        assert batch.questions == ["what?"] * len(batch.texts)
        return [[Span(0, len(text), None if text == "?" else len(text) / 10)] for text in batch.texts]


def rows(*groups: Sequence[tuple[str, bool | None]]) -> list[dict[str, Any]]:
    return [
        {"id": f"q{i}", "sample": k, "question": "what?", "completion": text, "answer": text, "correct": correct}
        for i, group in enumerate(groups)
        for k, (text, correct) in enumerate(group)
    ]


def test_summary_by_hand(tmp_path: Path) -> None:
    found = rows(
        [("aaaa", True), ("bb", False), ("bb", False), ("c", False)],  # the longest alone is right
        [("a", True), ("a", True), ("a", True), ("dddd", False)],  # the longest alone is wrong
        [("a", True), ("a", None), ("a", True), ("a", True)],  # not judged throughout: left out
    )
    steps = rerank.scored(tmp_path, Counting(), "f1", found)
    told = rerank.summary(found, steps, ("min",))
    assert told["questions"] == 2 and told["left_out"] == 1 and told["unscored"] == 0 and told["steps"] == 1
    assert told["mean"]["value"] == pytest.approx((1 / 4 + 3 / 4) / 2)
    assert told["best_of"]["min"]["4"]["value"] == pytest.approx((1 + 0) / 2)
    assert told["best_of"]["min"]["1"]["value"] == told["pass"]["1"]["value"] == pytest.approx(told["mean"]["value"])
    assert told["pass"]["4"]["value"] == 1.0 and told["maj"]["4"]["value"] == pytest.approx((0 + 1) / 2)
    # Two runs of two: (aaaa, bb) and (bb, c), then (a, a) and (a, dddd); a tie counts half.
    assert told["maj"]["2"]["value"] == pytest.approx(((0.5 + 0) / 2 + (1 + 0.5) / 2) / 2)
    against = told["against_maj"]["min"]["4"]
    assert against["delta"] == pytest.approx((1 - 0 + 0 - 1) / 2) and against["n"] == 2 and against["p"] == 1.0


def test_an_aggregation_chosen_beforehand_pays_for_no_other(tmp_path: Path) -> None:
    found = rows(*([("aaaa", True), ("b", False)] for _ in range(8)))
    steps = rerank.scored(tmp_path, Counting(), "f", found)
    one, every = rerank.summary(found, steps, ("min",)), rerank.summary(found, steps)
    alone, among = one["against_maj"]["min"]["2"], every["against_maj"]["min"]["2"]
    assert alone["delta"] == among["delta"] == pytest.approx(0.5)
    assert alone["p_holm"] == alone["p"] == among["p"] < 0.05
    assert among["p_holm"] == pytest.approx(len(RULES) * among["p"])


def test_completions_without_a_score_are_counted(tmp_path: Path) -> None:
    found = rows([("?", True), ("a", False)], [("?", True), ("?", False)])
    told = rerank.summary(found, rerank.scored(tmp_path, Counting(), "f", found), ("last",))
    assert told["unscored"] == 3
    assert told["best_of"]["last"]["2"]["value"] == pytest.approx((0 + 0.5) / 2)


def test_nothing_judged_is_no_number(tmp_path: Path) -> None:
    found = rows([("a", None), ("b", None)])
    told = rerank.summary(found, rerank.scored(tmp_path, Counting(), "f", found))
    assert told["mean"]["value"] is None and told["best_of"]["min"]["2"]["value"] is None and not told["against_maj"]


def test_scores_survive_an_interruption(tmp_path: Path) -> None:
    found = rows([(f"{number:03}", True) for number in range(150)])
    first = Counting(most=100)
    with pytest.raises(KeyboardInterrupt):
        rerank.scored(tmp_path, first, "f", found)
    with (tmp_path / rerank.FILE).open("a") as file:
        file.write('{"id": "q0", "sam')  # as a kill leaves it
    again, seen = Counting(), []
    steps = rerank.scored(tmp_path, again, "f", found, lambda done, total: seen.append((done, total)))
    assert len(first.asked) == 64 and sorted(first.asked + again.asked) == [row["completion"] for row in found]
    assert len(steps) == 150 and seen == [(128, 150), (150, 150)]
    assert rerank.scored(tmp_path, Counting(most=0), "f", found) == steps


def test_scores_of_another_model_are_replaced(tmp_path: Path) -> None:
    found = rows([("a", True), ("b", False)])
    rerank.scored(tmp_path, Counting(), "old", found)
    again = Counting()
    rerank.scored(tmp_path, again, "new", found)
    kept = [json.loads(text) for text in (tmp_path / rerank.FILE).read_text().splitlines()]
    assert again.asked == ["a", "b"] and [row["prm"] for row in kept] == ["new", "new"]
    assert kept[0]["steps"] == [0.1] and kept[0]["scores"]["min"] == pytest.approx(0.55)


def test_a_damaged_file_is_told(tmp_path: Path) -> None:
    (tmp_path / rerank.FILE).write_text("nonsense\n{}\n")
    with pytest.raises(RunError, match=r"rerank\.jsonl:1: not JSON"):
        rerank.scored(tmp_path, Counting(), "f", rows([("a", True)]))
