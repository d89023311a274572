"""lm-eval's two filters bit for bit, beside the verifier."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.gsm8k import grade

GOLD = "She makes 9 * 2 = $<<9*2=18>>18.\n#### 18"


# The oracle follows lm-eval 0.4.13: RegexFilter.apply, take_first and exact_match_hf_evaluate.
def lm_eval_filter(pattern: str, text: str, select: int) -> str:
    match = re.compile(pattern).findall(text)
    if not match:
        return "[invalid]"
    chosen = match[select]
    if isinstance(chosen, tuple):
        filled = [group for group in chosen if group]
        chosen = filled[0] if filled else "[invalid]"
    return str(chosen).strip()


def lm_eval_match(prediction: str, reference: str) -> bool:
    for pattern in [",", "\\$", "(?s).*#### ", "\\.$"]:
        prediction, reference = re.sub(pattern, "", prediction), re.sub(pattern, "", reference)
    return prediction.lower() == reference.lower()


def lm_eval(text: str, gold: str) -> tuple[bool, bool]:
    strict = lm_eval_filter("#### (\\-?[0-9\\.\\,]+)", text, 0)
    flexible = lm_eval_filter("(-?[$0-9.,]{2,})|(-?[0-9]+)", text, -1)
    return lm_eval_match(strict, gold), lm_eval_match(flexible, gold)


@pytest.mark.parametrize(
    ("text", "strict", "flexible", "correct"),
    [
        pytest.param("#### 18", True, True, True, id="plain"),
        pytest.param("#### 18.", True, True, True, id="final-period"),
        pytest.param("#### 18.00", False, False, True, id="strings-not-values"),
        pytest.param("#### $18", False, True, True, id="currency-breaks-strict"),
        pytest.param("####18", False, True, True, id="strict-needs-the-blank"),
        pytest.param("#### 18\nQuestion: more?\n#### 20", True, False, True, id="first-against-last"),
        pytest.param("#### 20\nWait, no. So the final one is\n#### 18", False, True, True, id="corrected"),
        pytest.param("The answer is 18.", False, True, True, id="sentence"),
        pytest.param("18 of 20 eggs", False, False, False, id="last-number"),
        pytest.param("#### 18 <think>", True, True, False, id="lm-eval-ignores-thinking"),
        pytest.param("#### -18", False, False, False, id="sign"),
        pytest.param("so 18 ,", False, True, False, id="comma-is-no-number-and-breaks-off"),
        pytest.param("so 18 ..", False, False, True, id="dots-are-a-number-to-flexible"),
        pytest.param("", False, False, False, id="empty"),
    ],
)
def test_three_grades(text: str, strict: bool, flexible: bool, correct: bool) -> None:
    grades = grade(text, GOLD)
    assert (grades.strict, grades.flexible, grades.verdict.correct) == (strict, flexible, correct)
    assert (grades.strict, grades.flexible) == lm_eval(text, GOLD)


PIECES = ["#### ", "18", "-", "$", ",", ".", " ", "1,018", "\n", "x"]


@given(
    st.one_of(st.text(), st.lists(st.sampled_from(PIECES)).map("".join)),
    st.sampled_from([GOLD, "18", "#### 1,018", "#### -18"]),
)
def test_parity_with_lm_eval(text: str, gold: str) -> None:
    grades = grade(text, gold)
    assert (grades.strict, grades.flexible) == lm_eval(text, gold)


def test_messages() -> None:
    assert grade([{"role": "assistant", "content": "#### 18"}], GOLD).strict
