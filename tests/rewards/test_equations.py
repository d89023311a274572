"""What is an equation, where it stands, and whether it is true."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewards.equations import equations


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
        pytest.param("3/8 of 16 = 6 = 3*2", [True], id="a share of a number"),
        pytest.param("20% of the 50 eggs = 10 eggs", [True], id="percent-of"),
        pytest.param("20 percent of 50 = 10", [True], id="percent-in-words"),
        pytest.param("12 + 6 = 18 of the 24 eggs", [True], id="result-of-more"),
        pytest.param("20 % of 50 = 10", [True], id="percent-apart"),
        pytest.param("3/4 of the eggs = 12", [], id="a share of what is not told"),
        pytest.param("3 / 2 = 1 1/2", [True], id="mixed-number"),
        pytest.param("8 x 1 1/2 = 12", [True], id="mixed-operand"),
        pytest.param("17/3 = 5 and 2/3 loads", [True], id="mixed-in-words"),
        pytest.param("3 * \u00bd = 1\u00bd", [True], id="one-character-fraction"),
        pytest.param("25 / 1/3 = 75", [True], id="divided-by-a-fraction"),
        pytest.param("12 / 6 / 2 = 1", [True], id="divided-twice"),
        pytest.param("12 / 6/2 = 1", [], id="which-of-both-is-not-known"),
        pytest.param("2(40+9) = 98", [True], id="number-before-bracket"),
        pytest.param("He had 16 (16-3) = 13", [], id="number-apart-from-bracket"),
        pytest.param("16 eggs (16 - 3 = 13) remain", [True], id="a remark in brackets"),
        pytest.param("80 000 x 20/100 = 16 000", [True], id="grouped-by-blanks"),
        pytest.param("16,0000 / 10 = 16000", [], id="not-grouped-by-threes"),
        pytest.param("120 \u2013 30 \u2212 15 = 75", [True], id="dashes"),
        pytest.param("3 \u00d7 4 \u00f7 2 = 6", [True], id="signs"),
        pytest.param("2 \\times 3 = 6", [True], id="latex-times"),
        pytest.param("\\[ 16 - 3 = 13 \\]", [True], id="latex-display"),
        pytest.param("\\( 16 - 3 = 13 \\)", [True], id="latex-inline"),
        pytest.param("2^3 + 1 = 9", [], id="power"),
        pytest.param("\\frac{16}{2} + 3 = 11", [], id="latex-fraction"),
        pytest.param("$30/book * 6 books = $180", [True], id="unit-per-unit"),
        pytest.param("12 girls and boys / 2 = 6 boys", [True], id="unit-of-words"),
        pytest.param("Total = 15 + 12 = 27 km", [True], id="a name in front"),
        pytest.param("4 weeks = 4 * 7 = 28 days", [True], id="a name that is a number"),
        pytest.param("Week 1 + Week 2 = 35 + 35 = 70", [True], id="names with numbers"),
        pytest.param("28 = 4 * 7", [True], id="result-first"),
        pytest.param("x = 3 * 4 = 12", [True], id="variable-in-front"),
        pytest.param("26 = 5 + 3x", [], id="variable-behind"),
        pytest.param("100/5 = 5A/5", [], id="variable-within"),
        pytest.param("23 = (1/2)*2M", [], id="variable-with-capital"),
        pytest.param("3 x + 2 = 8", [], id="variable-apart"),
        pytest.param("5 times 3 + 2 = 17", [], id="arithmetic-in-words"),
        pytest.param("25 + his 1 teacher + 1 = 27", [], id="a word between"),
        pytest.param("7:50 + 30 = 8:20", [], id="clock"),
        pytest.param("Day 3:70-21 = 49", [True], id="a day is no clock"),
        pytest.param("2400/200 = 12 200-gram bags", [True], id="not-the-next-number"),
        pytest.param("<<4.20+9.45+1.35=14.999999999999998>>", [True], id="binary-result"),
        pytest.param("<<80/26.666666666666668=3.0>>", [True], id="binary-operand"),
        pytest.param("<<4.20+9.45+1.35=14.999999>>", [False], id="six-decimals-are-rounded-to-six"),
        pytest.param("<<0.1*7=0.8000000000000001>>", [False], id="binary-but-false"),
        pytest.param("2/3 = 66.66...%", [True], id="digits-left-off"),
        pytest.param("1/3 = 33.33%", [True], id="rounded-percent"),
        pytest.param("1/3 = 33.37%", [False], id="rounded-percent-too-far"),
        pytest.param("<<560//10=56>>", [True], id="whole-division"),
        pytest.param("<<5 eggs+3 eggs=8 eggs>>", [True], id="units-in-an-annotation"),
        pytest.param("1" + " + 1" * 100 + " = 101", [], id="too-long"),
    ],
)
def test_equations(text: str, truths: list[bool | None]) -> None:
    assert [equation.true for equation in equations(text)] == truths


@pytest.mark.parametrize(
    ("text", "place"),
    [
        pytest.param("so <<16-3=13>>13", "<<16-3=13>>", id="annotation"),
        pytest.param("He has 16 eggs - 3 eggs = $13 left.", "16 eggs - 3 eggs = $13", id="units"),
        pytest.param("Total = 15 + 12 = 27 km", "15 + 12 = 27", id="without its name"),
        pytest.param("\n\n\u00a0- 3 \u00d7 4 = 12.", "3 \u00d7 4 = 12", id="other characters"),
        pytest.param("5 (2+3=5)", "2+3=5", id="in brackets"),
    ],
)
def test_place(text: str, place: str) -> None:
    [found] = equations(text)
    assert text[found.start : found.end] == place


def test_what_an_equation_has_computed_is_not_an_operand_of_it() -> None:
    [chain] = equations("5 + 2*3 = 5 + 6 = 11")
    assert chain.operands == (5, 2, 3, 5)
    assert chain.results == (11, 11, 11)
    [ratio] = equations("10/16 = 5/8")
    assert ratio.operands == (10, 16)


def test_a_repeat_has_the_same_key() -> None:
    first, swapped, other = equations("2+3=5, 3+2 = 5 eggs, 2*3=6")
    assert first.key == swapped.key != other.key


@given(st.integers(1, 999), st.integers(1, 999), st.integers(1, 999))
def test_arithmetic_is_exact(a: int, b: int, c: int) -> None:
    value = Fraction(a) - b * c + Fraction(a, b)
    assert equations(f"<<{a}-{b}*{c}+{a}/{b}={value.numerator}/{value.denominator}>>".replace("=-", "=0-"))[0].true


pieces = st.sampled_from(
    [*"0123456789+-*/=().,:%$^ \nxa", " of ", " 1/2", "eggs", "<<", ">>", "\u00bd", "\u2013", "100,000"]
)


@given(st.one_of(st.text(), st.lists(pieces, max_size=60).map("".join)))
def test_any_text_can_be_read_and_places_are_in_order(text: str) -> None:
    places = [place for one in equations(text) for place in (one.start, one.end)]
    assert places == sorted(places)
    assert all("=" in text[one.start : one.end] or one.true is None for one in equations(text))


@pytest.mark.parametrize(
    "text",
    ["1" * 200_000 + "=", "(" * 100_000 + "=", "1+" * 100_000 + "=2", "= 1 a" * 50_000, "1 and " * 50_000 + "="],
    ids=["digits", "brackets", "sum", "results", "words"],
)
@pytest.mark.timeout(20)
def test_hostile_text_takes_no_time(text: str) -> None:
    assert equations(text) == []
