"""One number from the scores of steps, by hand and by law."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewards.aggregate import RULES, aggregate
from rewards.errors import RewardError

Scores = list[float | None]
SCORES = st.lists(st.one_of(st.none(), st.floats(-1, 1)), min_size=1, max_size=8)


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        # p = 0.9, 0.25, 0.5
        pytest.param(
            [0.8, -0.5, 0.0],
            {"min": 0.25, "product": 0.1125, "last": 0.5, "mean": 0.55, "prefix": 1 / 3},
            id="a-bad-step-in-the-middle",
        ),
        pytest.param(
            [0.8, None, 0.0],
            {"min": 0.5, "product": 0.45, "last": 0.5, "mean": 0.7, "prefix": 1.0},
            id="an-unknown-step-is-left-out",
        ),
        pytest.param([0.5, None], dict.fromkeys(RULES, 0.75) | {"prefix": 1.0}, id="the-last-known-step-is-the-last"),
        pytest.param([-0.01, 1.0, 1.0], {"prefix": 0.0, "min": 0.495}, id="wrong-from-the-first-step"),
        pytest.param([-1.0], dict.fromkeys(RULES, 0.0), id="surely-bad"),
        pytest.param([1.0, 1.0], dict.fromkeys(RULES, 1.0), id="surely-good"),
        pytest.param([None, None], dict.fromkeys(RULES, None), id="nothing-known-is-no-zero"),
        pytest.param([], dict.fromkeys(RULES, None), id="no-steps-is-no-zero"),
    ],
)
def test_by_hand(scores: Scores, expected: dict[str, float | None]) -> None:
    assert {rule: aggregate(scores, rule) for rule in expected} == {
        rule: value if value is None else pytest.approx(value) for rule, value in expected.items()
    }


@given(SCORES, st.sampled_from(list(RULES)))
def test_bounded_and_blind_to_unknown_steps(scores: Scores, rule: str) -> None:
    known: Scores = [score for score in scores if score is not None]
    value = aggregate(scores, rule)
    assert value == aggregate(known, rule)
    assert value is None if not known else 0 <= value <= 1


@given(SCORES, st.data(), st.sampled_from(list(RULES)))
def test_a_better_step_never_makes_a_solution_worse(scores: Scores, data: st.DataObject, rule: str) -> None:
    place = data.draw(st.integers(0, len(scores) - 1))
    before = scores[place]
    if before is None:
        return
    better = [*scores[:place], data.draw(st.floats(before, 1)), *scores[place + 1 :]]
    assert (aggregate(better, rule) or 0) >= (aggregate(scores, rule) or 0) - 1e-12


@given(SCORES, st.floats(-1, 1), st.sampled_from(["min", "product"]))
def test_by_min_and_product_a_further_step_never_pays(scores: Scores, further: float, rule: str) -> None:
    before = aggregate(scores, rule)
    if before is not None:
        assert (aggregate([*scores, further], rule) or 0) <= before + 1e-12


def test_an_unknown_rule_names_those_there_are() -> None:
    with pytest.raises(RewardError, match="take min, product, last, mean, prefix"):
        aggregate([0.1], "max")
