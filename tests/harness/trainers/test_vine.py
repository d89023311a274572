"""Values at prefixes against exact enumeration: a policy of which every probability is known."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch

from harness.tiny.tokenizer import END
from harness.trainers.process.vine import Vine
from rewards import verify
from rewards.spans import TokenStep
from tests.harness.trainers.scripted import Markov, token, trainer

LIMIT = 6
PROMPT = [{"role": "user", "content": "How many?"}]  # its last token is a line break
CHANCES = {
    "\n": {" 4": 0.1, " 5": 0.7, "####": 0.2},
    " 4": {"\n": 0.6, END: 0.4},
    " 5": {"\n": 0.9, "####": 0.05, END: 0.05},
    "####": {" 4": 0.9, " 5": 0.1},
}
DRAWN = [" 5", "\n", "####", " 4", END]
STEPS = [(0, 2), (2, 5)]


def ids(texts: Sequence[str]) -> list[int]:
    return [token(text) for text in texts]


@cache
def exact(written: tuple[str, ...]) -> float:
    """The probability of a right answer: the sum over everything that may follow within the limit."""
    if len(written) == LIMIT or written[-1:] == (END,):
        return float(verify("".join(written).removesuffix(END), "4").correct)
    return sum(chance * exact((*written, text)) for text, chance in CHANCES[(written or ("\n",))[-1]].items())


def scores(steps: list[TokenStep]) -> list[float | None]:
    return [step.span.score for step in steps]


@pytest.fixture
def stage() -> Any:
    torch.manual_seed(0)
    return trainer(Markov(CHANCES), LIMIT)


# Every line break costs two of six tokens, so an answer becomes less and less likely until it is there.
LONG = [" 5", "\n", " 5", "\n", "####", " 4"]
CHANGES = np.diff([exact(()), exact((" 5", "\n")), exact((" 5", "\n", " 5", "\n")), 1.0])


def test_the_mean_of_the_scores_is_the_exact_advantage_of_each_step(stage: Any) -> None:
    vine = Vine(continuations=2)
    found = np.array([scores(vine.steps(stage, [PROMPT], [ids(LONG)], ["4"])[0]) for _ in range(600)], dtype=float)
    error = found.std(axis=0) / np.sqrt(len(found))
    assert (np.abs(found.mean(axis=0) - CHANGES) < 4 * error).all()
    assert (4 * error < np.abs(CHANGES)).all()  # else nothing would be shown


def test_many_continuations_come_near_the_advantage_in_one_call(stage: Any) -> None:
    (steps,) = Vine(continuations=2000).steps(stage, [PROMPT], [ids(LONG)], ["4"])
    assert scores(steps) == pytest.approx(CHANGES.tolist(), abs=0.05)


def test_the_limit_of_tokens_holds_for_prefix_and_continuation_together(stage: Any) -> None:
    """Where but one token is left, `####` comes too late to be answered, and every value is 0."""
    stage.max_completion_length = 5
    (steps,) = Vine(continuations=400).steps(stage, [PROMPT], [ids([" 5", "\n", " 5", "\n", "####"])], ["4"])
    assert steps[1].span.score < -0.1
    assert steps[2].span.score == 0


def test_a_step_begins_with_the_blank_of_its_first_token(stage: Any) -> None:
    (steps,) = Vine(continuations=1).steps(stage, [PROMPT], [ids(LONG)], ["4"])
    assert [(step.first, step.last) for step in steps] == [(0, 2), (2, 4), (4, 6)]


def test_scores_sum_to_verdict_minus_the_value_of_the_prompt_and_take_in_every_token(stage: Any) -> None:
    wrong = [" 4", "\n", "####", " 5", END]
    one, other = Vine(continuations=8).steps(stage, [PROMPT, PROMPT], [ids(DRAWN), ids(wrong)], ["4", "4"])
    assert [(step.first, step.last) for step in one] == STEPS
    # The prompt's continuations are shared, so its value is the same in both sums.
    assert 1 - sum(s or 0 for s in scores(one)) == pytest.approx(0 - sum(s or 0 for s in scores(other)))


def test_equal_prefixes_are_sampled_once(stage: Any) -> None:
    vine = Vine(continuations=50)
    vine.steps(stage, [PROMPT], [ids(DRAWN)], ["4"])
    alone = vine.tokens
    vine.steps(stage, [PROMPT] * 4, [ids(DRAWN)] * 4, ["4"] * 4)
    assert vine.tokens == pytest.approx(alone, rel=0.2)
    assert stage.phases.counted["process"] == alone + vine.tokens


def test_draws_come_from_torchs_generator(stage: Any) -> None:
    def once() -> list[float | None]:
        return scores(Vine(continuations=16).steps(stage, [PROMPT], [ids(DRAWN)], ["4"])[0])

    first, second = once(), once()
    torch.manual_seed(0)
    assert once() == first
    assert second != first


def test_an_unscorable_gold_makes_every_step_unknown(stage: Any) -> None:
    assert scores(Vine(2).steps(stage, [PROMPT], [ids(DRAWN)], ["many"])[0]) == [None, None]


@pytest.mark.parametrize(
    "drawn",
    [pytest.param([END], id="nothing but the end"), pytest.param([" 4"], id="one word")],
)
def test_a_completion_without_a_boundary_is_one_step(stage: Any, drawn: list[str]) -> None:
    (steps,) = Vine(2).steps(stage, [PROMPT], [ids(drawn)], ["4"])
    assert [(step.first, step.last) for step in steps] == [(0, len(drawn))]
    assert steps[0].span.score is not None
