"""Measures of a process reward model, by hand and against other estimators."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.statistics.aggregates import probability_of_improvement
from harness.trainers.prm.measures import Judged, auc, calibration_error, cross_entropy, held_out, interval, target

SCORES = st.lists(st.sampled_from([0.0, 0.2, 0.5, 0.9]), min_size=1, max_size=12)


@pytest.mark.parametrize(
    ("scores", "positive", "expected"),
    [
        pytest.param([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1], 0.75, id="three of four pairs in order"),
        pytest.param([0.5, 0.5, 0.5], [0, 1, 1], 0.5, id="ties count half"),
        pytest.param([0.9, 0.1], [0, 1], 0.0, id="the wrong way round"),
        pytest.param([0.9, 0.1], [1, 1], None, id="one kind only"),
    ],
)
def test_auc(scores: list[float], positive: list[int], expected: float | None) -> None:
    assert auc(scores, positive) == expected


@given(SCORES, SCORES)
def test_auc_is_the_probability_of_improvement(ahead: list[float], behind: list[float]) -> None:
    expected = probability_of_improvement(np.array(ahead)[:, None], np.array(behind)[:, None])
    assert auc(ahead + behind, [1] * len(ahead) + [0] * len(behind)) == pytest.approx(float(expected))


def test_calibration_error_by_hand() -> None:
    # Bin 0.2-0.3: said 0.25, true 0.5, two of five. Bin 0.9-1: said 0.95, 0.95, 1.0, true 1, 0, 0.5.
    said, truth = [0.25, 0.25, 0.95, 0.95, 1.0], [1.0, 0.0, 1.0, 0.0, 0.5]
    assert calibration_error(said, truth) == pytest.approx(2 / 5 * 0.25 + 3 / 5 * (2.9 / 3 - 0.5))
    assert calibration_error([0.0, 1.0], [0.0, 1.0]) == 0


def test_cross_entropy_by_hand_and_at_its_edges() -> None:
    assert cross_entropy([0.75, 0.5], [0.5, 1.0]) == pytest.approx(
        (-(math.log(0.75) + math.log(0.25)) / 2 + math.log(2)) / 2
    )
    assert math.isfinite(cross_entropy([0.0, 1.0], [1.0, 0.0]))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_no_constant_says_less_than_the_mean_label(labels: list[float]) -> None:
    best = cross_entropy(np.full(len(labels), np.mean(labels)), labels)
    for other in (0.1, 0.5, 0.9):
        assert best <= cross_entropy(np.full(len(labels), other), labels) + 1e-6


def test_hard_labels_are_whether_any_was_right_and_unknown_stays_unknown() -> None:
    shares = np.array([0.0, 0.25, 1.0, math.nan])
    np.testing.assert_array_equal(target(shares, "hard"), [0, 1, 1, math.nan])
    np.testing.assert_array_equal(target(shares, "soft"), shares)


def test_an_interval_resamples_questions_not_steps() -> None:
    generator = np.random.default_rng(1)
    scores, positive = generator.random(40), generator.random(40) < 0.5
    alone = interval(scores, positive, np.arange(40).astype(str))
    # The same answers ten times over are no ten times as many questions.
    repeated = interval(np.repeat(scores, 10), np.repeat(positive, 10), np.repeat(np.arange(40).astype(str), 10))
    assert alone["value"] == pytest.approx(repeated["value"])
    assert alone["low"] == pytest.approx(repeated["low"])
    assert (alone["n"], repeated["n"]) == (40, 400)
    assert alone["low"] < alone["value"] < alone["high"]


def judged(question: str, correct: bool, tokens: int, shares: list[float], scores: list[float]) -> Judged:
    return Judged(question, correct, tokens, np.array(shares), np.array(scores))


def test_held_out_by_hand() -> None:
    found = held_out(
        [
            judged("a", True, 9, [0.75, 1.0], [0.8, 0.9]),
            judged("a", False, 5, [0.25, math.nan, 0.0], [0.6, 0.99, 0.7]),
            judged("b", False, 7, [0.0], [0.2]),
        ],
        "soft",
        base_rate=0.5,
    )
    steps, solutions = found["steps"], found["solutions"]
    assert (found["questions"], steps["n"], steps["unknown"]) == (2, 5, 1)
    assert steps["mean_label"] == pytest.approx(0.4)
    assert steps["base_loss"] == pytest.approx(math.log(2))
    assert steps["auc_most"]["value"] == 1.0
    # Of shares above 0: 0.8, 0.9 and 0.6, of 0: 0.7 and 0.2; five of six pairs are in order.
    assert steps["auc_any"]["value"] == pytest.approx(5 / 6)
    # Places 0 and 1 are of most, 0, 2 and 0 are not: two pairs in order and two ties.
    assert steps["auc_most_by_position"] == pytest.approx((0.5 + 0 + 0.5 + 1 + 0 + 1) / 6)
    assert solutions["accuracy"] == pytest.approx(1 / 3)
    assert solutions["auc"]["min"]["value"] == 1.0
    # By the last step 0.9 against 0.7 and 0.2; before the answer only two solutions have a step: 0.8 against 0.6.
    assert solutions["auc"]["last"]["value"] == solutions["auc_min_before_answer"]["value"] == 1.0
    assert solutions["auc_min_before_answer"]["n"] == 2
    assert (solutions["auc_short"], solutions["auc_few_steps"]) == (0.0, 0.5)


def test_where_all_solutions_are_wrong_there_is_no_auc() -> None:
    found = held_out([judged("a", False, 3, [0.0], [0.5]), judged("b", False, 3, [0.0], [0.4])], "hard", 0.0)
    assert found["solutions"]["auc"]["min"] == {"value": None, "low": None, "high": None, "n": 2}
    assert found["steps"]["auc_any"]["value"] is None
