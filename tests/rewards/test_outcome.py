"""Outcome, format, length and control rewards: who is paid what, and the laws they keep."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import rewards
from evals import has_format
from rewards import Reward

GOOD = "<think>2*9=18</think>\n#### 18"
WRONG = "<think>2*9=20</think>\n#### 20"


def one(reward: Reward, text: str, answer: str = "18", tokens: int = 10, prompt: str = "2 eggs at $9?") -> float | None:
    return reward(prompts=[prompt], completions=[text], completion_ids=[[0] * tokens], answer=[answer])[0]


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        pytest.param(GOOD, True, id="canonical"),
        pytest.param("2*9=18</think>#### 18.", True, id="opened-by-prompt-with-period"),
        pytest.param("<think>a</think> \n #### -1,018.50 \n", True, id="signed-grouped-decimal"),
        pytest.param("#### 18", False, id="no-thinking"),
        pytest.param("<think> \n</think>#### 18", False, id="empty-thinking"),
        pytest.param("<think>a</think><think>b</think>#### 18", False, id="two-blocks"),
        pytest.param("a<think>b</think>#### 18", False, id="text-before-the-block"),
        pytest.param("<think>a #### 18", False, id="unclosed"),
        pytest.param("<think>a</think>So: #### 18", False, id="other-visible-text"),
        pytest.param("<think>a</think>#### 18\n#### 18", False, id="two-answers"),
        pytest.param("<think>a</think>#### $18", False, id="currency-is-no-number"),
        pytest.param("<think>a</think>#### eighteen", False, id="word"),
        pytest.param("<think>a</think>####18", False, id="lm-eval-needs-the-blank"),
        pytest.param("<think>a</think>#### 1,80", False, id="bad-grouping"),
        pytest.param("<think>a</think>18", False, id="no-marker"),
    ],
)
def test_format(text: str, holds: bool) -> None:
    assert has_format(text) is holds
    assert one(rewards.get("format"), text) == one(rewards.get("format_only"), text) == float(holds)


@pytest.mark.parametrize(
    ("spec", "text", "paid"),
    [
        pytest.param("sparse", GOOD, 1.0, id="right"),
        pytest.param("sparse", WRONG, 0.0, id="wrong"),
        pytest.param("sparse", r"so \boxed{18}", 1.0, id="box-is-strict"),
        pytest.param("sparse", "The answer is 18.", 0.0, id="sentence-is-not-strict"),
        pytest.param("sparse(strict=false)", "The answer is 18.", 1.0, id="sentence-counts-without-strict"),
        pytest.param("format_answer", GOOD, 1.0, id="both"),
        pytest.param("format_answer", WRONG, 0.2, id="format-alone"),
        pytest.param("format_answer", "#### 18", 0.8, id="answer-alone"),
        pytest.param("format_answer(gated=true)", "#### 18", 0.0, id="gate-shut"),
        pytest.param("format_answer(gated=true)", GOOD, 1.0, id="gate-open"),
        pytest.param("length_linear(b=0.2,max_tokens=100)", GOOD, 0.98, id="a-tenth-of-the-budget"),
    ],
)
def test_paid(spec: str, text: str, paid: float) -> None:
    assert one(rewards.parse(spec), text) == pytest.approx(paid)


@pytest.mark.parametrize("spec", ["sparse", "format_answer", "format_answer(gated=true)", "length_linear", "process"])
def test_unreadable_gold_is_none_for_the_whole_group(spec: str) -> None:
    call: dict[str, Any] = {
        "prompts": ["q"] * 3,
        "completions": [GOOD, WRONG, ""],
        "completion_ids": [[1]] * 3,
        "answer": ["?"] * 3,
    }
    assert rewards.parse(spec)(**call) == [None, None, None]


@given(st.floats(0, 0.25), st.integers(1, 4096), st.integers(0, 10_000), st.integers(0, 10_000))
def test_right_beats_wrong_at_any_length(b: float, limit: int, right: int, wrong: int) -> None:
    reward = rewards.get("length_linear", b=b, max_tokens=limit)
    good, bad = one(reward, GOOD, tokens=right), one(reward, WRONG, tokens=wrong)
    assert good is not None and bad is not None and good - bad >= 0.75 - 1e-9


RANGES = [
    ("sparse", 0, 1), ("format", 0, 1), ("format_answer", 0, 1), ("format_answer(gated=true)", 0, 1),
    ("length_linear", -0.25, 1), ("process", 0, 1), ("random", 0, 1), ("format_only", 0, 1),
]  # fmt: skip

texts = st.one_of(
    st.text(), st.sampled_from([GOOD, WRONG, "#### 18", "<<2*9=18>>", "<<1/0=1>>", "<think>", "\\boxed{18}"])
)


@given(st.lists(texts, min_size=1, max_size=6), st.randoms())
@pytest.mark.parametrize(("spec", "low", "high"), RANGES)
def test_bounded_and_blind_to_batch_order(
    spec: str, low: float, high: float, completions: list[str], shuffler: random.Random
) -> None:
    reward = rewards.parse(spec)

    def scores(order: list[int]) -> list[float | None]:
        call: dict[str, Any] = {
            "prompts": [f"2 eggs at $9? {i}" for i in order],
            "completions": [completions[i] for i in order],
            "completion_ids": [[0] * (100 * i) for i in order],
            "answer": ["18"] * len(order),
        }
        return reward(**call)

    order = list(range(len(completions)))
    straight = scores(order)
    assert all(score is not None and low <= score <= high for score in straight)
    shuffler.shuffle(order)
    assert scores(order) == [straight[i] for i in order]


def test_random_is_a_fair_seeded_coin() -> None:
    completions = [str(i) for i in range(2000)]
    call: dict[str, Any] = {"prompts": ["q"] * 2000, "completions": completions}
    first, second = rewards.get("random")(**call), rewards.get("random", seed=1)(**call)
    assert 900 < sum(score or 0 for score in first) < 1100
    assert first == rewards.get("random")(**call) != second
