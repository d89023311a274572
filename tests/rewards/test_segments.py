"""Steps of a text: they tile it, none is blank or too long, and none divides an equation or a number."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rewards.equations import equations
from rewards.segments import LONGEST, segments


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        pytest.param("", [], id="nothing"),
        pytest.param(" \n ", [" \n "], id="blanks are one step"),
        pytest.param("one\ntwo\n\nthree\n", ["one\n", "two\n\n", "three\n"], id="lines, with what ends them"),
        pytest.param("\n\none", ["\n\none"], id="blanks in front belong to the first"),
        pytest.param(
            "<think> 4 * 7 = 28, 28 + 3 = 31</think>\n#### 31",
            ["<think> 4 * 7 = 28,", " 28 + 3 = 31</think>\n", "#### 31"],
            id="the chain of the tiny default stands on one line",
        ),
        pytest.param(
            "4*7 = 28 eggs, so 28+3 = 31", ["4*7 = 28 eggs,", " so 28+3 = 31"], id="a unit stays with its equation"
        ),
        pytest.param("4*7 = 28 so 28+3 = 31", ["4*7 = 28", " so 28+3 = 31"], id="no separator, so the blank"),
        pytest.param("<<4*7=28>><<28+3=31>>", ["<<4*7=28>>", "<<28+3=31>>"], id="nothing between"),
        pytest.param(
            "She has 16 - 3 = <<16-3=13>>13 eggs. She sells them.",
            ["She has 16 - 3 = <<16-3=13>>13 eggs.", " She sells them."],
            id="sentences",
        ),
        pytest.param(
            "He pays 3.50 a day, e.g. 7 a week.", ["He pays 3.50 a day, e.g. 7 a week."], id="a decimal point"
        ),
        pytest.param("1. Add: 2 + 3 = 5.", ["1. Add: 2 + 3 = 5."], id="a list's number"),
        pytest.param("a, b, c and 1, 2, 3", ["a, b, c and 1, 2, 3"], id="a list in prose"),
        pytest.param("80*1.5 = 120 = 100+20", ["80*1.5 = 120 = 100+20"], id="a chain is one equation"),
        pytest.param("x" * (LONGEST + 5), ["x" * LONGEST, "x" * 5], id="no blank at all"),
        pytest.param("word " * 100, ["word " * 79 + "word", " word" * 20 + " "], id="too long, cut at a blank"),
        pytest.param(
            "word " * 79 + "18 000 people" * 5,
            ["word " * 78 + "word", " " + "18 000 people" * 5],
            id="not within 18 000",
        ),
        pytest.param(
            "word " * 79 + "3 + 4 = 7 eggs", ["word " * 78 + "word", " 3 + 4 = 7 eggs"], id="not within an equation"
        ),
    ],
)
def test_steps_of_a_text(text: str, steps: list[str]) -> None:
    assert [text[start:end] for start, end in segments(text)] == steps


parts = st.sampled_from(
    [*"0123456789 .,;=+-*/()%$\n", "<<4*7=28>>", "4 * 7 = 28", "</think>", "eggs ", "Then ", " 1 1/2 ", "word " * 60]
)
texts = st.one_of(st.text(), st.lists(parts, max_size=40).map("".join))


@given(texts)
@example("a" + " " * 900 + "b")
@example(" " * 900 + "b")
@example("2 + 3 = 5" + " " * 900 + "2 + 3 = 5")
def test_steps_tile_the_text_and_are_bounded(text: str) -> None:
    found = segments(text)
    assert "".join(text[start:end] for start, end in found) == text
    assert all(start < end for start, end in found)
    assert all(before[1] == after[0] for before, after in pairwise(found))
    assert all(text[start:end].strip() for start, end in found) or not text.strip()
    assert all(len(text[start:end].strip()) <= LONGEST for start, end in found)


@given(texts)
def test_no_equation_is_divided_and_no_step_has_two(text: str) -> None:
    cuts = {start for start, _ in segments(text)}
    places = [(one.start, one.end) for one in equations(text)]
    assert not any(start < cut < end for cut in cuts for start, end in places)
    assert all(any(start < cut <= after for cut in cuts) for (start, _), (after, _) in pairwise(places))
