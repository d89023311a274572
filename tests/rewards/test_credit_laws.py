"""What every credit rule promises, of batches drawn at random."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from credited import SETTINGS, rule, stepwise
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rewards.credit import RULES, Stepwise
from rewards.spans import TokenStep

BY_STEPS = sorted(set(RULES) - {"prime"})
"""Rules that read scores of steps."""

FEW = settings(max_examples=20, deadline=None)
SCORES = [-1.0, -0.4, 0.0, 0.3, 1.0, None]


@st.composite
def batches(draw: st.DrawFn) -> Stepwise:
    """Up to six completions of two questions, three steps anywhere in each, observations and padding between."""
    count, width = draw(st.integers(1, 6)), draw(st.integers(1, 7))

    def drawn(shape: int | tuple[int, int], elements: st.SearchStrategy[Any]) -> Any:
        return draw(arrays(object, shape, elements=elements)).tolist()

    cuts = np.sort(np.array(drawn((count, 3), st.integers(0, width))), axis=1)
    scores = drawn((count, 3), st.sampled_from(SCORES))
    numbers = st.sampled_from([-1.5, -0.3, 0.0, 0.7, 2.0])
    return stepwise(
        *[list(zip(one, [0, *ends], ends, strict=False)) for one, ends in zip(scores, cuts.tolist(), strict=True)],
        outcome=drawn(count, numbers),
        correct=drawn(count, st.sampled_from([True, False, None])),
        mask=drawn((count, width), st.integers(0, 1)),
        group=drawn(count, st.integers(0, 1)),
        tokens=drawn((count, width), numbers),
        width=width,
    )


def selected(batch: Stepwise, rows: Sequence[int]) -> Stepwise:
    assert batch.tokens is not None
    return Stepwise(
        batch.outcome[rows],
        batch.rewards[rows],
        [batch.correct[row] for row in rows],
        batch.group[rows],
        batch.mask[rows],
        [batch.steps[row] for row in rows],
        batch.tokens[rows],
    )


def with_steps(batch: Stepwise, steps: Sequence[Sequence[TokenStep]]) -> Stepwise:
    return replace(batch, steps=steps)


@pytest.mark.parametrize("name", RULES)
class TestLawsOfAll:
    @FEW
    @given(batch=batches(), data=st.data())
    def test_order_of_completions_does_not_matter(self, name: str, batch: Stepwise, data: st.DataObject) -> None:
        order = data.draw(st.permutations(range(len(batch.steps))))
        assert rule(name, selected(batch, order)) == pytest.approx(rule(name, batch)[order], abs=1e-9)

    @FEW
    @given(batch=batches())
    def test_finite_and_nothing_where_the_policy_wrote_nothing(self, name: str, batch: Stepwise) -> None:
        values = rule(name, batch)
        assert values.shape == batch.mask.shape
        assert np.isfinite(values).all()
        assert (values[batch.mask == 0] == 0).all()

    @FEW
    @given(batch=batches(), more=st.integers(1, 3))
    def test_padding_changes_nothing(self, name: str, batch: Stepwise, more: int) -> None:
        assert batch.tokens is not None
        wide = ((0, 0), (0, more))
        padded = replace(
            batch,
            outcome=np.pad(batch.outcome, wide),
            mask=np.pad(batch.mask, wide),
            tokens=np.pad(batch.tokens, wide, constant_values=np.nan),
        )
        assert rule(name, padded) == pytest.approx(np.pad(rule(name, batch), wide), abs=1e-9)

    @FEW
    @given(batch=batches())
    def test_a_batch_of_which_nothing_is_known_keeps_the_outcome_exactly(self, name: str, batch: Stepwise) -> None:
        unknown = [[replace(step, span=replace(step.span, score=None)) for step in steps] for steps in batch.steps]
        assert (rule(name, replace(batch, steps=unknown, tokens=None)) == batch.outcome).all()

    @FEW
    @given(batch=batches(), data=st.data())
    def test_an_unscorable_completion_is_as_one_without_steps_and_enters_no_mean(
        self, name: str, batch: Stepwise, data: st.DataObject
    ) -> None:
        gone = data.draw(st.integers(0, len(batch.steps) - 1))
        rewards, outcome = batch.rewards.copy(), batch.outcome.copy()
        rewards[gone], outcome[gone] = np.nan, 0.0
        values = rule(name, replace(batch, rewards=rewards, outcome=outcome))
        others = [row for row in range(len(batch.steps)) if row != gone]
        assert (values[gone] == 0).all()
        if others:
            assert values[others] == pytest.approx(rule(name, selected(batch, others)), abs=1e-9)


@pytest.mark.parametrize("name", BY_STEPS)
class TestLawsOfSteps:
    @FEW
    @given(batch=batches(), data=st.data())
    def test_a_step_of_unknown_worth_is_as_none(self, name: str, batch: Stepwise, data: st.DataObject) -> None:
        known = [[step for step in steps if step.span.score is not None] for steps in batch.steps]
        assert (rule(name, with_steps(batch, known)) == rule(name, batch)).all()

    @FEW
    @given(batch=batches())
    def test_a_completion_without_known_steps_keeps_the_outcome(self, name: str, batch: Stepwise) -> None:
        none = [[], *batch.steps[1:]]
        assert (rule(name, with_steps(batch, none))[0] == batch.outcome[0]).all()

    @FEW
    @given(batch=batches())
    def test_two_questions_do_not_meet(self, name: str, batch: Stepwise) -> None:
        values = rule(name, batch)
        for one in np.unique(batch.group):
            rows = np.flatnonzero(batch.group == one)
            assert values[rows] == pytest.approx(rule(name, selected(batch, rows)), abs=1e-9)


@pytest.mark.parametrize("name", sorted(set(RULES) - {"direct", "prime"}))
@FEW
@given(batch=batches())
def test_weight_zero_is_the_outcome_but_for_the_spared_prefix(name: str, batch: Stepwise) -> None:
    values = rule(name, batch, replace(SETTINGS, weight=0.0))
    spared = values != batch.outcome
    if name != "first_error":
        assert not spared.any()
    assert (batch.outcome[spared] < 0).all()
    assert (values[spared] == 0).all()


@pytest.mark.parametrize("name", ["sum_to_go", "min", "delta", "clip"])
@FEW
@given(scores=st.lists(st.lists(st.floats(-1, 1, width=16), min_size=1, max_size=1), min_size=2, max_size=5))
def test_what_a_group_earns_at_its_first_token_sums_to_nothing(name: str, scores: list[list[float]]) -> None:
    # Of equally long completions of one step: what one has more, the others have less.
    batch = stepwise(*[[(one[0], 0, 3)] for one in scores], outcome=[0.0] * len(scores))
    assert rule(name, batch)[:, 0].sum() == pytest.approx(0, abs=1e-9)


@FEW
@given(tokens=st.lists(st.lists(st.floats(-1, 1, width=16), min_size=4, max_size=4), min_size=2, max_size=5))
def test_prime_orders_equally_long_completions_at_the_first_token_by_their_sum_of_scores(
    tokens: list[list[float]],
) -> None:
    first = rule("prime", stepwise(*[[]] * len(tokens), outcome=[0.0] * len(tokens), tokens=tokens))[:, 0]
    sums = np.array([sum(row) for row in tokens])
    further = sums[:, None] - sums[None, :] > 1e-6
    assert (first[:, None] - first[None, :] > 0)[further].all()


@pytest.mark.parametrize("name", ["min", "delta", "clip", "first_error"])
@FEW
@given(
    scores=st.lists(st.sampled_from([-1.0, -0.5, 0.0, 0.5, 1.0]), min_size=1, max_size=3),
    rival=st.sampled_from([0.0, 0.5, 1.0]),
    times=st.integers(1, 4),
)
def test_writing_a_step_again_does_not_pay(name: str, scores: list[float], rival: float, times: int) -> None:
    # A scorer that is fooled gives the repeats the score of the best step; the rival's is at least 0. `min` is a soft
    # minimum: what it leaves to scores that are 1/2 above the least is e^-10 at this temperature.
    def process(own: Sequence[float]) -> float:
        steps = [(score, at, at + 1) for at, score in enumerate(own)]
        batch = stepwise(steps, [(rival, 0, 1)], outcome=[0.0, 0.0], correct=[False, False], width=len(own))
        return float(rule(name, batch, replace(SETTINGS, temperature=0.05))[0, 0])

    at = scores.index(max(scores))
    assert process([*scores[:at], *[scores[at]] * times, *scores[at:]]) <= process(scores) + 1e-3
