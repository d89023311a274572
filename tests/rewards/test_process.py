"""The step checker: what is an equation, when it is true and grounded, and that it cannot be farmed."""

from __future__ import annotations

import json
import os
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import rewards
from rewards.equations import equations
from rewards.process import valid_prefix

DATA = Path(os.environ.get("HARNESS_GSM8K", Path(__file__).parents[2] / "../shared/data/gsm8k"))
QUESTION = "Janet has 16 eggs, eats three, bakes with 4 and sells the rest at $2. Ann takes 20% of them."


@pytest.mark.parametrize(
    ("text", "truths"),
    [
        pytest.param("<<16-3-4=9>>", [True], id="annotation"),
        pytest.param("16 - 3 - 4 = <<16-3-4=9>>9 eggs", [True], id="annotation-counts-once"),
        pytest.param("<<16-3-4=10>>", [False], id="false"),
        pytest.param("<<a+b=c>>", [None], id="unreadable-annotation"),
        pytest.param("<<1/0=1>>", [None], id="division-by-zero"),
        pytest.param("<<18=18>>", [], id="computes-nothing"),
        pytest.param("16 eggs - 3 eggs = 13 eggs", [True], id="units"),
        pytest.param("2 x $9 = **$18**", [True], id="x-currency-bold"),
        pytest.param("36 \u00f7 2 \u00d7 3 = 54", [True], id="left-to-right"),
        pytest.param("2 + 3 * 4 = 14", [True], id="precedence"),
        pytest.param("(2 + 3) * 4 = 20", [True], id="brackets"),
        pytest.param("He has 5 (2+3=5).", [True], id="bracketed-equation"),
        pytest.param("20% * 50 = 10", [True], id="percent"),
        pytest.param("1/4*100 = 25%", [True], id="printed-percent"),
        pytest.param("4/8 = 1/2", [True], id="fraction-result"),
        pytest.param("10/3 = 3.33", [True], id="rounded-decimals"),
        pytest.param("10/3 = 3", [False], id="rounded-integer"),
        pytest.param("80*1.5 = 120 = 100+20", [True], id="chain"),
        pytest.param("2+3 = 5*4 = 20", [False], id="run-on-chain"),
        pytest.param("1,000 + 18 = 1,018.", [True], id="grouping-and-period"),
        pytest.param("- 16 - 3 = 13", [True], id="bullet"),
        pytest.param("5x + 3 = 18", [], id="algebra"),
        pytest.param("x + 3*2 = 18", [], id="lost-left-side"),
        pytest.param("3*6 =", [], id="unfinished"),
        pytest.param("18 = 18", [], id="no-operation"),
        pytest.param("16 - 3\n= 13", [], id="a-line-is-the-limit"),
    ],
)
def test_equations(text: str, truths: list[bool | None]) -> None:
    assert [equation.true for equation in equations(text)] == truths


@pytest.mark.parametrize(
    ("text", "share"),
    [
        pytest.param("<<16-3-4=9>><<9*2=18>>", 1.0, id="question-then-result"),
        pytest.param("16 - 3 - 4 = 9 eggs\n9 * 2 = $18", 1.0, id="free-text"),
        pytest.param("<think><<16-3-4=9>></think>#### 9", 1.0, id="thinking-is-read"),
        pytest.param("<<16*.2=3.2>>", 1.0, id="percent-of-the-question"),
        pytest.param("<<16-3-4=9>><<9*2=20>><<16-3=13>>", 1 / 3, id="stops-at-the-first-false"),
        pytest.param("<<16-3-4=10>><<9*2=18>>", 0.0, id="false-at-once"),
        pytest.param("<<16-3-4=9>><<17*31=527>>", 0.5, id="ungrounded-earns-nothing"),
        pytest.param("<<16-3-4=9>><<x*y=z>>", 0.5, id="unreadable-earns-nothing"),
        pytest.param("<<2+2=4>>", 1.0, id="a-constant-in-the-question-counts"),
        pytest.param("<<5+7=12>>", 0.0, id="constants-alone-earn-nothing"),
        pytest.param("<<16-3-4=9>><<16-4-3=9>>", 1.0, id="repeat-with-operands-swapped"),
        pytest.param("no equation", 0.0, id="none"),
        pytest.param("<|im_end|><<16-3-4=9>>", 0.0, id="after-the-end"),
    ],
)
def test_valid_prefix(text: str, share: float) -> None:
    assert valid_prefix(text, QUESTION) == pytest.approx(share)


def test_components() -> None:
    call: dict[str, Any] = {
        "prompts": [QUESTION],
        "completions": ["<think><<16-3-4=9>><<9*2=20>></think>#### 18"],
        "answer": ["18"],
    }
    reward = rewards.get("process")
    assert reward.components(**call) == {"process": [0.5], "answer": [1.0]}
    assert reward(**call) == [0.75]
    assert reward(**call, question=["no numbers here"]) == [0.5]


numbers = st.sampled_from([2, 3, 4, 9, 13, 16, 17])
right = st.builds(lambda a, b: f"<<{a}+{b}={a + b}>>", numbers, numbers)
false = st.builds(lambda a, b: f"<<{a}*{b}={a * b + 1}>>", numbers, numbers)
steps = st.lists(st.one_of(right, false), max_size=8)


@given(steps, false, st.integers(0, 8))
def test_a_false_step_never_raises(solution: list[str], step: str, place: int) -> None:
    with_step = [*solution[:place], step, *solution[place:]]
    assert valid_prefix("".join(with_step), QUESTION) <= valid_prefix("".join(solution), QUESTION)


@given(steps.filter(bool), st.data())
def test_a_repeated_step_never_raises(solution: list[str], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(solution) - 1))
    place = data.draw(st.integers(at + 1, len(solution)))
    repeated = [*solution[:place], solution[at], *solution[place:]]
    assert valid_prefix("".join(repeated), QUESTION) == valid_prefix("".join(solution), QUESTION)


@given(st.text(), st.text())
def test_any_text_is_bounded(text: str, question: str) -> None:
    assert 0 <= valid_prefix(text, question) <= 1


@given(st.integers(1, 999), st.integers(1, 999), st.integers(1, 999))
def test_arithmetic_is_exact(a: int, b: int, c: int) -> None:
    value = Fraction(a) - b * c + Fraction(a, b)
    assert equations(f"<<{a}-{b}*{c}+{a}/{b}={value.numerator}/{value.denominator}>>".replace("=-", "=0-"))[0].true


@pytest.mark.parametrize("name", ["train.jsonl", "test.jsonl"])
def test_gold_solutions_are_almost_always_valid(name: str) -> None:
    if not (DATA / name).exists():
        pytest.skip(f"no {name} in {DATA}: set HARNESS_GSM8K to the folder of GSM8K's jsonl files")
    with (DATA / name).open(encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    found = [equation for row in rows for equation in equations(row["answer"])]
    false = sum(equation.true is False for equation in found) / len(found)
    mean = sum(valid_prefix(row["answer"], row["question"]) for row in rows) / len(rows)
    print(f"{name}: {len(found)} equations, {false:.2%} false, mean valid prefix {mean:.3f}")
    assert false < 0.006 and mean > 0.9
