"""The step checker: what is an equation, when it is true and grounded, and that it cannot be farmed."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rewards
from rewards.batch import Batch
from rewards.process import Process, steps, valid_prefix, valid_steps
from rewards.spans import StepScorer

DATA = Path(os.environ.get("HARNESS_GSM8K", Path(__file__).parents[2] / "../shared/data/gsm8k"))
QUESTION = "Janet has 16 eggs, eats three, bakes with 4 and sells the rest at $2. Ann takes 20% of them."


COMMIT = "\n#### "


@pytest.mark.parametrize(
    ("text", "statuses"),
    [
        pytest.param("<<16-3-4=9>><<9*2=18>>#### 18", "valid valid", id="question, then result, then answer"),
        pytest.param("16 - 3 - 4 = 9 eggs\n9 * 2 = $18\n#### 18", "valid valid", id="free text"),
        pytest.param("<think><<16-3-4=9>></think>#### 9", "valid", id="thinking is read"),
        pytest.param("<<16*.2=3.2>>#### 3.20", "valid", id="percent of the question"),
        pytest.param("<<4/16=0.25>>#### 25%", "valid", id="a share as a percentage"),
        pytest.param("<<3-4=-1>><<16-1=15>>#### 15", "valid valid", id="a negative result goes on by its size"),
        pytest.param("<<16-3-4=9>><<9*2=20>><<16-3=13>>#### 9", "valid false after", id="stops at the first false"),
        pytest.param("<<16-3-4=10>><<9*2=18>>#### 18", "false after", id="false at once"),
        pytest.param("<<16-3-4=9>><<17*31=527>>#### 9", "valid unknown", id="an operand from nowhere"),
        pytest.param("<<16-3-4=9>><<x*y=z>>#### 9", "valid unknown", id="unreadable"),
        pytest.param("<<5+6=11>>#### 11", "unknown", id="constants alone are not grounded"),
        pytest.param("<<16-3-4=9>><<16-4-3=9>>#### 9", "valid trivial", id="a repeat with operands swapped"),
        pytest.param("<<2*1=2>><<16-3-4=9>>#### 9", "trivial valid", id="a number of the question is nothing new"),
        pytest.param("<<16-3-4=9>><<3*3=9>>#### 9", "valid trivial", id="an earlier result is nothing new"),
        pytest.param("<<16-3-4=9>><<9+0/4=9>>#### 9", "valid unknown", id="zero stands in no question"),
        pytest.param("<<4*4=16>>#### 16", "valid", id="the answer may stand in the question"),
        pytest.param("<<16*1=16>>#### 16", "trivial", id="but not be one of its own operands"),
        pytest.param("<<16+3=19>><<16-3-4=9>>#### 9", "unused valid", id="question numbers that lead nowhere"),
        pytest.param(
            "<<16+3=19>><<19+3=22>><<22*2=44>>#### 9", "unused unused unused", id="a chain that leads nowhere"
        ),
        pytest.param("<<16-3-4=9>>", "unused", id="no answer, so nothing is used"),
        pytest.param("so 16-3-4=9", "unused", id="a last number in prose commits to nothing"),
        pytest.param("no equation #### 9", "", id="none"),
        pytest.param("<|im_end|><<16-3-4=9>>#### 9", "", id="after the end"),
    ],
)
def test_steps(text: str, statuses: str) -> None:
    judged = [step.status for step in steps(text, QUESTION)]
    counted = [status for status in judged if status != "trivial"]
    assert judged == statuses.split()
    assert valid_prefix(text, QUESTION) == pytest.approx(judged.count("valid") / len(counted) if counted else 0)


def test_the_control_pays_what_the_reward_does_not() -> None:
    spam = "<<16+3=19>>" * 20 + "<<2*1=2>>"
    assert valid_prefix(spam + COMMIT + "20.5", QUESTION) == 0
    assert valid_steps(spam, QUESTION) == 21


@pytest.mark.parametrize(
    ("text", "scores"),
    [
        pytest.param("<<16-3-4=9>> <<9*2=18>> #### 18", [("<<16-3-4=9>>", 1), ("<<9*2=18>>", 1)], id="annotations"),
        pytest.param("<think>16 - 3 - 4 = 9 eggs</think>#### 9", [("16 - 3 - 4 = 9", 1)], id="free text"),
        pytest.param("In all: 16-3-4=<<16-3-4=9>>9. #### 9", [("<<16-3-4=9>>", 1)], id="an annotation is the step"),
        pytest.param(
            "16-3-4=9, 9*2=20, 16-3=13 #### 9",
            [("16-3-4=9", 1), ("9*2=20", -1), ("16-3=13", None)],
            id="what stands after a false step is not known",
        ),
        pytest.param(
            "16-3-4=9, 4*4=16, 16-4-3=9 #### 9",
            [("16-3-4=9", 1), ("4*4=16", None), ("16-4-3=9", None)],
            id="a trivial step and a repeat earn nothing",
        ),
        pytest.param("9*2=20, 2*9=20 #### 20", [("9*2=20", -1), ("2*9=20", None)], id="a false one costs once"),
        pytest.param("16+3=19 #### 9", [("16+3=19", None)], id="an unused step earns nothing"),
        pytest.param("17*31=527 #### 527", [("17*31=527", None)], id="nor one from nowhere"),
        pytest.param("16-3-4=9 is what I think", [("16-3-4=9", None)], id="nor one that leads to no answer"),
        pytest.param("16 - 3 \u2212 4 = 9\n#### 9", [("16 - 3 \u2212 4 = 9", 1)], id="places are those of the text"),
        pytest.param("no step #### 9", [], id="none"),
    ],
)
def test_spans(text: str, scores: list[tuple[str, float | None]]) -> None:
    reward = rewards.get("process")
    assert isinstance(reward, StepScorer)
    [spans] = reward.spans(Batch(["Say it."], [text], None, {"question": [QUESTION]}))
    assert [(text[span.start : span.end], span.score) for span in spans] == scores


@given(st.one_of(st.text(), st.lists(st.sampled_from([*"0123456789 +-*/=().,%\nax", "<<", ">>", "####"])).map("".join)))
def test_spans_stand_in_order_and_apart(text: str) -> None:
    [spans] = Process().spans(Batch([QUESTION], [text], None, {}))
    ends = [0, *(place for span in spans for place in (span.start, span.end)), len(text)]
    assert ends == sorted(ends)
    assert all(span.start < span.end for span in spans)


def test_components() -> None:
    call: dict[str, Any] = {
        "prompts": [QUESTION],
        "completions": ["<think><<16-3-4=9>><<9+9=18>><<9*2=20>></think>#### 18"],
        "answer": ["18"],
    }
    reward = rewards.get("process")
    assert reward.components(**call) == {"process": [pytest.approx(2 / 3)], "answer": [1.0]}
    assert reward(**call) == [pytest.approx(0.2 * 2 / 3 + 0.8)]
    assert reward(**call, question=["no numbers here"]) == [0.8]


numbers = st.sampled_from([1, 2, 3, 4, 9, 13, 16, 17])
operators = st.sampled_from("+-*")


def written(a: int, operator: str, b: int, off: int) -> str:
    value = {"+": a + b, "-": a - b, "*": a * b}[operator] + off
    return f"<<{a}{operator}{b}={value}>>"


right = st.builds(written, numbers, operators, numbers, st.just(0))
false = st.builds(written, numbers, operators, numbers, st.integers(1, 3))
solutions = st.lists(st.one_of(right, right, right, false), max_size=9)
answers = st.sampled_from([2, 4, 13, 18, 20, 26, 29])


def text_of(solution: list[str], answer: int) -> str:
    return f"{''.join(solution)}{COMMIT}{answer}"


def prefix(solution: list[str], answer: int) -> float:
    return valid_prefix(text_of(solution, answer), QUESTION)


def with_step(solution: list[str], step: str, place: int) -> list[str]:
    return [*solution[:place], step, *solution[place:]]


@given(solutions, answers, false, st.integers(0, 9))
@settings(max_examples=200)
def test_a_false_step_never_raises(solution: list[str], answer: int, step: str, place: int) -> None:
    assert prefix(with_step(solution, step, place), answer) <= prefix(solution, answer)


@given(solutions.filter(bool), answers, st.data())
@settings(max_examples=200)
def test_a_repeated_step_changes_nothing(solution: list[str], answer: int, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(solution) - 1))
    place = data.draw(st.integers(at + 1, len(solution)))
    assert prefix(with_step(solution, solution[at], place), answer) == prefix(solution, answer)


@given(
    solutions,
    answers,
    numbers,
    st.sampled_from(["{0}*1={0}", "{0}/1={0}", "1*{0}={0}", "{0}+0={0}"]),
    st.integers(0, 9),
)
@settings(max_examples=200)
def test_a_trivial_true_step_never_raises(
    solution: list[str], answer: int, number: int, shape: str, place: int
) -> None:
    step = f"<<{shape.format(number)}>>"
    assert prefix(with_step(solution, step, place), answer) <= prefix(solution, answer)


@given(solutions, answers, right, st.integers(0, 9))
@settings(max_examples=200)
def test_a_step_without_a_new_result_never_raises(solution: list[str], answer: int, step: str, place: int) -> None:
    longer = with_step(solution, step, place)
    if any(
        one.status == "trivial" and f"<<{one.equation.text}>>" == step
        for one in steps(text_of(longer, answer), QUESTION)
    ):
        assert prefix(longer, answer) <= prefix(solution, answer)


@given(st.text(), st.text())
def test_any_text_is_bounded(text: str, question: str) -> None:
    assert 0 <= valid_prefix(text, question) <= 1


def rows(name: str) -> list[dict[str, Any]]:
    path = DATA / name
    if not path.is_file():
        pytest.skip(f"no {name} in {DATA}: set HARNESS_GSM8K to the folder of GSM8K's jsonl files")
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def test_gold_solutions_are_almost_always_valid() -> None:
    gold = rows("test.jsonl")
    prefixes = [valid_prefix(row["answer"], row["question"]) for row in gold]
    judged = [step.status for row in gold for step in steps(row["answer"], row["question"])]
    assert sum(prefixes) / len(prefixes) > 0.85
    assert judged.count("false") / len(judged) < 0.002
    assert judged.count("unknown") / len(judged) < 0.04


@pytest.mark.parametrize("model", ["6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification"])
def test_right_solutions_of_real_models_have_better_steps_than_wrong_ones(model: str) -> None:
    solutions = rows("example_model_solutions.jsonl")
    means = {}
    for correct in (True, False):
        scores = [
            valid_prefix(r[model]["solution"], r["question"]) for r in solutions if r[model]["is_correct"] is correct
        ]
        means[correct] = sum(scores) / len(scores)
    print(f"{model}: mean valid prefix {means[True]:.3f} of right, {means[False]:.3f} of wrong solutions")
    assert means[True] > 0.92 and means[True] - means[False] > 0.12
