"""Credit rules on numbers that were computed by hand, and what they are worth against steps that are farmed."""

from __future__ import annotations

from math import exp, sqrt

import numpy as np
import pytest
from credited import SETTINGS, rule, stepwise

from rewards.credit import Settings
from rewards.credit.baselines import EPSILON


class TestByHand:
    """Two completions of one question, four tokens each, the last of which belongs to no step."""

    BATCH = stepwise([(1.0, 0, 1), (-0.5, 1, 3)], [(0.5, 0, 3)], outcome=[1.0, -1.0])

    def test_sum_to_go(self) -> None:
        # Scores 1, -1/2, 1/2: mean 1/3, differences 2/3, -5/6, 1/6; the sample variance is
        # (16 + 25 + 1) / 36 / 2 = 7/12.
        deviation = sqrt(7 / 12) + EPSILON
        first, second, third = 2 / 3 / deviation, -5 / 6 / deviation, 1 / 6 / deviation
        assert rule("sum_to_go", self.BATCH) == pytest.approx(
            np.array(
                [
                    [1 + 0.5 * (first + second), 1 + 0.5 * second, 1 + 0.5 * second, 1],
                    [-1 + 0.5 * third, -1 + 0.5 * third, -1 + 0.5 * third, -1],
                ]
            )
        )

    def test_min(self) -> None:
        # Weights of scores (1, -1/2) at temperature 1: e^-1 and e^(1/2), over their sum; of one score: 1.
        total = exp(-1) + exp(0.5)
        good, bad = exp(-1) / total, -0.5 * exp(0.5) / total
        # Per token: the other earns 1/2 on 3 tokens, the first one good + bad on 1 + 2 tokens.
        other, own = 0.5 / 3, (good + bad) / 3
        assert rule("min", self.BATCH) == pytest.approx(
            np.array(
                [
                    [1 + 0.5 * (good - other + bad - 2 * other), *[1 + 0.5 * (bad - 2 * other)] * 2, 1],
                    [*[-1 + 0.5 * (0.5 - 3 * own)] * 3, -1],
                ]
            )
        )

    def test_delta(self) -> None:
        # Returns v: 1 and -1/2 of the first, less the other's whole return 1/2; 1/2 of the second, less 1.
        assert rule("delta", self.BATCH) == pytest.approx(
            np.array([[1 + 0.25, 1 - 0.5, 1 - 0.5, 1], [*[-1 - 0.25] * 3, -1]])
        )

    def test_clip(self) -> None:
        # min(v - 1/4, 0): 0 and -3/4 of the first, 0 of the second. Less the other's 0; less -3/4.
        assert rule("clip", self.BATCH) == pytest.approx(np.array([[*[1 - 0.375] * 3, 1], [*[-1 + 0.375] * 3, -1]]))

    def test_first_error_spares_what_stands_before_it(self) -> None:
        # The second is wrong without a false step, the third is wrong from its second token on.
        batch = stepwise(
            [(1.0, 0, 1), (-0.5, 1, 3)],
            [(0.5, 0, 3)],
            [(0.8, 0, 1), (-1.0, 1, 2), (1.0, 2, 3)],
            outcome=[1.0, -1.0, -1.0],
        )
        assert rule("first_error", batch) == pytest.approx(np.array([[1, 1, 1, 1], [-1, -1, -1, -1], [0, -1, -1, -1]]))

    def test_first_error_takes_nothing_from_a_wrong_answer_that_its_group_made_the_better_one(self) -> None:
        batch = stepwise([(0.0, 0, 2), (-1.0, 2, 4)], outcome=[0.3], correct=[False])
        assert rule("first_error", batch) == pytest.approx(np.array([[0.3, 0.3, 0.3, 0.3]]))

    def test_among_correct(self) -> None:
        # Means of the correct ones 1/4 and 1: mean 5/8, deviation sqrt(2 * (3/8)^2) = 3/8 * sqrt(2). The wrong one's
        # perfect steps earn nothing.
        batch = stepwise([(1.0, 0, 1), (-0.5, 1, 3)], [(1.0, 0, 3)], [(1.0, 0, 3)], outcome=[1.0, 1.0, -2.0])
        far = 0.5 * 0.375 / (0.375 * sqrt(2) + EPSILON)
        assert rule("among_correct", batch) == pytest.approx(np.array([[1 - far] * 4, [1 + far] * 4, [-2] * 4]))

    def test_direct(self) -> None:
        assert rule("direct", self.BATCH) == pytest.approx(np.array([[1, -0.5, -0.5, 0], [0.5, 0.5, 0.5, 0]]))

    def test_prime(self) -> None:
        # Means of the tokens: (1 + 0 - 1 + 2) / 4 = 1/2 and, of two written tokens, (3 + 1) / 2 = 2, each the other's
        # baseline. Less it: -1, -2, -3, 0 and 5/2, 1/2. To go: -6, -5, -3, 0 and 3, 1/2. Times 1/2, plus the outcome:
        # -2, -3/2, -1/2, 1 and 1/2, -3/4, whose mean is -13/24.
        batch = stepwise(
            [],
            [],
            outcome=[1.0, -1.0],
            mask=[[1, 1, 1, 1], [1, 1, 0, 0]],
            tokens=[[1, 0, -1, 2], [3, 1, 9, np.nan]],
        )
        values = np.array([-2, -1.5, -0.5, 1, 0.5, -0.75])
        deviation = sqrt(((values + 13 / 24) ** 2).sum() / 5) + EPSILON
        one, two = (values[:4] + 13 / 24) / deviation, (values[4:] + 13 / 24) / deviation
        assert rule("prime", batch) == pytest.approx(np.array([one, [*two, 0, 0]]))

    def test_a_step_whose_middle_an_environment_wrote_is_charged_for_the_policys_tokens(self) -> None:
        # One score each, so r = v. The first step has 2 written tokens of 4, the other 4: b = 1/2 / 2 and 1/2 / 4.
        batch = stepwise([(0.5, 0, 4)], [(0.5, 0, 4)], outcome=[0.0, 0.0], mask=[[1, 0, 0, 1], [1, 1, 1, 1]])
        assert rule("min", batch) == pytest.approx(np.array([[0.125, 0, 0, 0.125], [*[0.5 * (0.5 - 1)] * 4]]))

    def test_groups_are_compared_within(self) -> None:
        batch = stepwise(
            [(1.0, 0, 4)], [(0.2, 0, 4)], [(0.0, 0, 4)], [(0.6, 0, 4)], outcome=[0.0] * 4, group=[7, 3, 7, 3]
        )
        assert rule("delta", batch)[:, 0] == pytest.approx([0.5, -0.2, -0.5, 0.2])


def test_the_control_pays_for_writing_a_step_again() -> None:
    def process(times: int) -> float:
        steps = [(1.0, at, at + 1) for at in range(times)]
        return float(rule("sum_to_go", stepwise(steps, [(-1.0, 0, 1)], outcome=[0.0, 0.0]))[0, 0])

    assert process(1) < process(2) < process(4)


@pytest.mark.parametrize("name", ["delta", "clip", "first_error"])
def test_no_number_of_steps_earns_more_than_the_weight_times_twice_the_largest_score(name: str) -> None:
    # A return is at most 1 and the others' at least -1, of `clip` at least -(1 + eta) a step.
    many = [(1.0, at, at + 1) for at in range(50)]
    values = rule(name, stepwise(many, [(-1.0, 0, 1)], outcome=[0.0, 0.0], width=50))
    assert values.max() <= SETTINGS.weight * 2


@pytest.mark.parametrize("name", ["sum_to_go", "min", "delta", "clip", "among_correct"])
def test_one_completion_with_steps_has_nothing_to_be_compared_with(name: str) -> None:
    batch = stepwise([(1.0, 0, 3)], [], outcome=[1.0, -1.0])
    assert rule(name, batch) == pytest.approx(batch.outcome, abs=1e-9)


def test_hiding_the_steps_is_no_way_out_where_steps_cost() -> None:
    # `clip` only ever punishes: the one that wrote nothing to be judged is not better off than the one judged right.
    batch = stepwise([], [(1.0, 0, 3)], [(-1.0, 0, 3)], outcome=[0.0] * 3)
    hidden, right, wrong = rule("clip", batch)[:, 0]
    assert wrong < hidden < right


def test_the_lower_the_temperature_the_closer_min_comes_to_the_least_score() -> None:
    # The rival's 0 is the baseline, so the first token's process term is the softened minimum.
    batch = stepwise([(1.0, 0, 1), (-0.5, 1, 2), (0.0, 2, 3)], [(0.0, 0, 1)], outcome=[0.0, 0.0])
    found = [rule("min", batch, Settings(1.0, temperature, 0.0))[0, 0] for temperature in (1.0, 0.3, 0.05)]
    assert found[0] > found[1] > found[2]
    assert found[2] == pytest.approx(-0.5, abs=1e-3)
