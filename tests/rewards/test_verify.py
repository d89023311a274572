"""The verifier finds the final answer, compares exactly and never raises."""

from __future__ import annotations

import importlib
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewards import verify
from rewards.completion import split_think, text_of
from rewards.regression import shipped
from rewards.verify.gold import gold_number

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("HARNESS_GSM8K", ROOT / "../shared/data/gsm8k"))


def rows(name: str) -> Iterator[dict[str, Any]]:
    if not (DATA / name).exists():
        pytest.skip(f"no {name} in {DATA}: set HARNESS_GSM8K to the folder of GSM8K's jsonl files")
    with (DATA / name).open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)


RIGHT = [
    ("#### 18", "18", "marker"),
    ("#### 18.00", "18", "trailing-zeros"),
    ("#### 0018", "18", "leading-zeros"),
    ("#### $18", "18", "currency"),
    ("#### 18 dollars.", "18", "unit"),
    ("#### $18.00/day", "18", "unit-ratio"),
    ("#### 18km", "18", "glued-unit"),
    ("#### **18**", "18", "bold"),
    ("#### 1,018", "1018", "grouping"),
    ("#### 1,00,000", "100000", "indian-grouping"),
    ("#### \u221218", "-18", "unicode-minus"),
    ("#### -$18", "-18", "minus-before-currency"),
    ("#### $-18", "-18", "minus-behind-currency"),
    ("#### \u0661\u0668", "18", "arabic-digits"),
    ("#### 60%", "60", "percent-is-a-unit"),
    ("#### 18%", "0.18", "percent-of-a-share"),
    ("#### 3/4", "0.75", "fraction"),
    ("#### 1 1/2", "1.5", "mixed-number"),
    ("#### 18 thousand", "18000", "scale-word"),
    ("#### 1.8e1", "18", "scientific"),
    ("#### x = 18", "18", "assignment"),
    ("#### Answer: 18", "18", "label-in-marker"),
    ("####\n18", "18", "next-line"),
    (r"\boxed{18}", "18", "boxed"),
    (r"\boxed 18", "18", "box-without-braces"),
    (r"$\boxed{\frac{3}{4}}$", "0.75", "latex-fraction"),
    (r"\boxed{18\text{ dollars}}", "18", "latex-unit"),
    (r"\boxed{\boxed{18}}", "18", "nested-boxes"),
    ("<answer>18</answer>", "18", "tag"),
    ("The answer is 18.", "18", "sentence"),
    ("The answer is $18 because 9*2=18.", "18", "explained-sentence"),
    ("**Answer:** 18", "18", "bold-label"),
    ("A: 18", "18", "a-line"),
    ("So she makes 9 * 2 = $18.", "18", "prose"),
    ("thinking</think>#### 18", "18", "think-opened-by-the-prompt"),
    ("#### 17. Wait, that is wrong.\n#### 18", "18", "corrected"),
    ("#### 18\n\nQuestion: and now?\n#### 20", "18", "next-question-is-not-ours"),
    ("#### 18<|im_end|>\n#### 20", "18", "after-the-end"),
    ("#### Step 2: add 9\nThe answer is 18", "18", "markdown-heading"),
]

OTHER = [
    ("#### 180", "wrong", "longer"),
    ("#### 1.8", "wrong", "decimal"),
    ("#### -18", "wrong", "sign"),
    ("#### 18k", "wrong", "scaled"),
    (r"\boxed{1800\%}", "wrong", "no-free-factor-100"),
    ("#### 18 or 20", "ambiguous", "or"),
    ("#### 18, 20", "ambiguous", "list"),
    ("#### 18,20", "wrong", "decimal-comma"),
    ("#### 17\n#### 18", "ambiguous", "enumeration"),
    (r"\boxed{17=18}", "ambiguous", "equation-in-box"),
    ("#### 17\nor it might be\n#### 18", "ambiguous", "alternative"),
    ("The answer is 18 eggs and 20 hens", "ambiguous", "two-things"),
    (r"\boxed{36/2}", "no_answer", "left-undone"),
    ("#### 18^2", "no_answer", "power"),
    (r"\boxed{\sqrt{18}}", "no_answer", "root"),
    (r"not \boxed{18}", "no_answer", "denied-box"),
    ("The answer is not 18", "no_answer", "denied-sentence"),
    ("<think>#### 18", "no_answer", "think-never-closed"),
    ("<think>18</think>", "no_answer", "only-in-thinking"),
    ("18 and 18 again. #### ", "no_answer", "cut-off-marker"),
    (r"18 \boxed{18", "no_answer", "cut-off-box"),
    ("<answer>18", "no_answer", "cut-off-tag"),
    ("", "no_answer", "empty"),
]


@pytest.mark.parametrize(("text", "gold"), [pytest.param(t, g, id=why) for t, g, why in RIGHT])
def test_right(text: str, gold: str) -> None:
    verdict = verify(text, gold)
    assert verdict.correct and verdict.status == "correct", verdict


@pytest.mark.parametrize(("text", "status"), [pytest.param(t, s, id=why) for t, s, why in OTHER])
def test_never_paid(text: str, status: str) -> None:
    verdict = verify(text, "18")
    assert not verdict.correct and verdict.status == status, verdict


@pytest.mark.parametrize(
    ("gold", "readable"),
    [
        pytest.param("2*9=<<2*9=18>>18\n#### 18", True, id="worked-solution"),
        pytest.param("reasoning 20\nA: 18", True, id="a-line"),
        pytest.param("1,018", True, id="bare"),
        pytest.param(18, True, id="int"),
        pytest.param(18.5, True, id="float"),
        pytest.param("she has 18 eggs", False, id="prose-is-no-gold"),
        pytest.param("18 20", False, id="two-numbers"),
        pytest.param("", False, id="empty"),
        pytest.param(None, False, id="none"),
        pytest.param(True, False, id="bool"),
        pytest.param(float("nan"), False, id="nan"),
        pytest.param(10**5000, False, id="too-large"),
    ],
)
def test_gold(gold: object, readable: bool) -> None:
    assert (gold_number(gold) is not None) is readable
    if not readable:
        assert verify("#### 18", gold).status == "unparseable_gold"


@pytest.mark.parametrize("domain", ["law", "", "GSM8K"])
def test_other_domains_say_so(domain: str) -> None:
    assert verify("#### 18", "18", domain).status == "error"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        pytest.param("18", (None, "18"), id="no-tag"),
        pytest.param("<think>a</think>18", ("a", "18"), id="closed"),
        pytest.param("a</think>18", ("a", "18"), id="opened-by-prompt"),
        pytest.param("18<think>a", ("a", None), id="unclosed"),
        pytest.param("<think>a</think>18<think>b", ("b", None), id="reopened"),
        pytest.param("<think>a</think>b</think>18", ("a</think>b", "18"), id="last-close-counts"),
    ],
)
def test_split_think(text: str, parts: tuple[str | None, str | None]) -> None:
    assert split_think(text) == parts


def test_messages() -> None:
    messages: list[dict[str, Any]] = [
        {"role": "assistant", "content": "let me see"},
        {"role": "tool", "content": "#### 20"},
        {"role": "assistant", "content": [{"type": "text", "text": "#### 18"}], "reasoning_content": "9*2"},
    ]
    assert text_of(messages) == "let me see\n<think>9*2</think>#### 18"
    assert verify(messages, "18").correct


PIECES = [
    "#### ",
    "\\boxed{",
    "}",
    "<answer>",
    "</answer>",
    "<think>",
    "</think>",
    "the answer is ",
    "18",
    "1,0",
    ".",
    "/",
]


@given(
    st.one_of(st.text(), st.lists(st.sampled_from(PIECES)).map("".join)), st.one_of(st.text(), st.none(), st.floats())
)
def test_never_raises(text: str, gold: object) -> None:
    assert verify(text, "18").correct in (True, False)
    verify("#### 18", gold)


@given(st.integers(-(10**9), 10**9), st.integers(-(10**9), 10**9))
def test_equal_integers_only(answer: int, gold: int) -> None:
    assert verify(f"#### {answer:,}", str(gold)).correct is (answer == gold)
    assert verify(f"\\boxed{{{gold}}}", f"#### {gold:,}").correct


@pytest.mark.parametrize(
    "piece",
    ["1", ",111", "#### ", "\\boxed{", "<answer>", "the answer is ", "answer to ", " ", "1/", "\\frac{1", "A:\n"],
)
def test_long_texts_are_quick(piece: str) -> None:
    start = time.perf_counter()
    assert not verify(piece * (200_000 // len(piece)), "18").correct
    assert time.perf_counter() - start < 5


@pytest.mark.parametrize(("name", "size"), [("train.jsonl", 7473), ("test.jsonl", 1319)])
def test_every_gold_parses(name: str, size: int) -> None:
    golds = [row["answer"] for row in rows(name)]
    assert len(golds) == size
    assert [gold for gold in golds if gold_number(gold) is None or not verify(gold, gold).correct] == []


# Where we differ from the official label and why. None of 5,276.
EXPLAINED: dict[str, str] = {}


def test_agreement_with_official_labels() -> None:
    samples = [
        (sample, row)
        for row in rows("example_model_solutions.jsonl")
        for sample in row.values()
        if type(sample) is dict
    ]
    assert len(samples) == 5276
    wrong = {
        s["solution"] for s, row in samples if verify(s["solution"], row["ground_truth"]).correct != s["is_correct"]
    }
    assert wrong == EXPLAINED.keys()
    assert len(wrong) <= 0.001 * len(samples)


def test_a_glance_sees_what_a_second_look_does(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [case.completion for case in shipped() if isinstance(case.completion, str)]
    texts += [s["solution"] for row in rows("example_model_solutions.jsonl") for s in row.values() if type(s) is dict]
    module = importlib.import_module("rewards.verify.extract")
    glances = {text: found for text in texts if (found := module._glance(text)) is not None}
    assert len(glances) > 4000
    monkeypatch.setattr(module, "_glance", lambda text: None)
    assert {text: found for text, found in glances.items() if module.extract(text) != found} == {}
