"""lm-eval's two filters bit for bit, beside the verifier."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.gsm8k import FILTERS, flexible_extract, grade, strict_match

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


# The patterns of the chain-of-thought tasks, which match they take, and whether they cut the gold to its number.
SENTENCES = {
    "gsm8k_cot": ("The answer is (\\-?[0-9\\.\\,]+).", 0, True),
    "gsm8k_cot_zeroshot": ("The answer is (\\-?[0-9\\.\\,]+).", 0, False),
    "gsm8k_cot_llama": ("The final answer is ((-?[$0-9.,]{2,})|(-?[0-9]+))", -1, True),
}


@pytest.mark.parametrize(
    ("task", "text", "strict"),
    [
        ("gsm8k_cot", "The answer is 18.", True),
        ("gsm8k_cot", "The answer is 18", False),
        ("gsm8k_cot", "The answer is 180", True),
        ("gsm8k_cot", "The answer is 18.\n\nThe answer is 20.", True),
        ("gsm8k_cot", "The answer is $18.", False),
        ("gsm8k_cot", "#### 18", False),
        ("gsm8k_cot_zeroshot", "The answer is 18 eggs.", True),
        ("gsm8k_cot_llama", "The final answer is $18.", True),
        ("gsm8k_cot_llama", "The final answer is 20. No. The final answer is 18", True),
        ("gsm8k_cot_llama", "The final answer is 18. No. The final answer is 20", False),
    ],
)
def test_each_task_has_its_strict_match(task: str, text: str, strict: bool) -> None:
    assert strict_match(text, GOLD, task) is strict
    assert grade(text, GOLD, task).strict is strict


WORDS = ["The answer is ", "The final answer is ", *PIECES]


@given(
    st.one_of(st.text(), st.lists(st.sampled_from(WORDS)).map("".join)),
    st.sampled_from([GOLD, "18", "####18", "#### 1,018 ", "#### -18"]),
    st.sampled_from(sorted(SENTENCES)),
)
def test_parity_of_the_sentences(text: str, gold: str, task: str) -> None:
    pattern, select, number_only = SENTENCES[task]
    target = gold.split("####")[-1].strip() if number_only else gold
    assert strict_match(text, gold, task) == lm_eval_match(lm_eval_filter(pattern, text, select), target)
    flexible = lm_eval_filter("(-?[$0-9.,]{2,})|(-?[0-9]+)", text, -1)
    assert flexible_extract(text, gold, task) == lm_eval_match(flexible, target)


def test_the_filters_are_those_of_four_tasks() -> None:
    assert {"gsm8k", *SENTENCES} == set(FILTERS)
