"""Outcome, format, length and control rewards: who is paid what, and the laws they keep."""

from __future__ import annotations

from typing import Any

import pytest

import rewards
from evals import has_format
from rewards import Reward, Verdict, outcome

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


def test_one_that_cannot_be_judged_is_none_for_its_group_only(monkeypatch: pytest.MonkeyPatch) -> None:
    def judge(texts: list[str], golds: list[object], domain: str) -> list[Verdict]:
        return [Verdict(text == "a", "timeout" if text == "bomb" else "wrong", None, "") for text in texts]

    monkeypatch.setattr(outcome, "verify_batch", judge)
    call: dict[str, Any] = {"prompts": ["p", "q", "p", "q"], "answer": ["1"] * 4}
    assert rewards.get("sparse")(completions=["bomb", "b", "c", "d"], **call) == [None, 0.0, None, 0.0]


def test_the_domain_is_a_column() -> None:
    call: dict[str, Any] = {"prompts": ["p", "q"], "completions": ["\\boxed{\\frac{1}{2}}", "#### 18"]}
    scores = rewards.get("sparse")(**call, answer=["\\frac12", "18"], domain=["math", "gsm8k"])
    assert scores == [1.0, 1.0]


@pytest.mark.parametrize(
    ("text", "gold", "paid"),
    [
        pytest.param("it is 17 or 18 or 19", "18", 1.0, id="listed"),
        pytest.param("<think>18</think>#### 17", "18", 0.0, id="thinking is not visible"),
        pytest.param("<think>18", "18", 0.0, id="unclosed"),
        pytest.param("180 and 1.8", "18", 0.0, id="another number"),
        pytest.param("18", "eighteen?", None, id="no gold"),
    ],
)
def test_contains(text: str, gold: str, paid: float | None) -> None:
    assert one(rewards.get("contains"), text, answer=gold) == paid


def test_random_is_a_fair_seeded_coin() -> None:
    completions = [str(i) for i in range(2000)]
    call: dict[str, Any] = {"prompts": ["q"] * 2000, "completions": completions}
    first, second = rewards.get("random")(**call), rewards.get("random", seed=1)(**call)
    assert 900 < sum(score or 0 for score in first) < 1100
    assert first == rewards.get("random")(**call) != second
