"""Laws of the comparison: reflexive, symmetric on exact values, exact on fractions, and silent on any text."""

from __future__ import annotations

import string
from fractions import Fraction
from typing import get_args

from hypothesis import given, settings
from hypothesis import strategies as st

from rewards.verify.math import Comparison, Status, compare

fractions = st.fractions(min_value=-1000, max_value=1000, max_denominator=500)
SPECIAL = [
    r"\frac",
    r"\sqrt",
    r"\text",
    r"\pm",
    r"\left",
    r"\{",
    r"\}",
    r"\cup",
    r"\begin{pmatrix}",
    "&",
    r"\\",
    r"\in",
]
SPECIAL += [
    r"\boxed",
    r"\overline",
    "x",
    "2",
    "3.5",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ",",
    "=",
    "<",
    "^",
    "_",
    "!",
    "%",
    "$",
]
SPECIAL += ["|", ":", " ", "and", "or", "sin", r"\log", r"\infty", "-", "+", "*", "/", "..."]
# Text of any kind, and text that nearly is LaTeX, which gets further into the parser.
texts = st.one_of(st.text(), st.lists(st.sampled_from(SPECIAL), max_size=25).map("".join))


def leaves() -> st.SearchStrategy[str]:
    return st.one_of(
        st.integers(min_value=0, max_value=99).map(str),
        st.sampled_from(["x", "y", r"\pi", r"\sqrt{2}", r"\sqrt{3}", r"\frac{1}{2}", r"\frac{x}{3}"]),
    )


def bigger(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.tuples(inner, st.sampled_from("+-"), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
        st.tuples(inner, inner).map(lambda t: rf"\left({t[0]}\right) \cdot \left({t[1]}\right)"),
        st.tuples(inner, st.integers(min_value=2, max_value=3)).map(lambda t: f"({t[0]})^{{{t[1]}}}"),
    )


expressions = st.recursive(leaves(), bigger, max_leaves=6)


@given(expressions)
def test_an_expression_equals_itself(text: str) -> None:
    assert compare(text, text).status == "correct"


@settings(deadline=None)
@given(expressions, expressions)
def test_a_sum_equals_its_reverse(a: str, b: str) -> None:
    """The normal form, not the text, decides; x is added so that no computation with numbers is left undone."""
    assert compare(f"({b}) + ({a}) + x", f"x + ({a}) + ({b})").status == "correct"


@settings(deadline=None)
@given(expressions, expressions)
def test_equality_is_symmetric(a: str, b: str) -> None:
    left, right = f"x + {a}", f"x + {b}"
    assert (compare(left, right).status == "correct") == (compare(right, left).status == "correct")


@settings(deadline=None)
@given(expressions)
def test_an_expression_differs_from_its_successor(a: str) -> None:
    assert compare(f"{a} + x + 1", f"{a} + x").status == "wrong"


@given(fractions, fractions, st.integers(min_value=1, max_value=50))
def test_fractions_are_compared_exactly(gold: Fraction, other: Fraction, factor: int) -> None:
    """Lowest terms are not asked for; a division without a rest is left undone."""
    text = f"{gold.numerator}/{gold.denominator}"
    unreduced = rf"\frac{{{gold.numerator * factor}}}{{{gold.denominator * factor}}}"
    assert (compare(unreduced, text).status == "correct") == (gold.denominator > 1)
    assert (compare(rf"\frac{{{other.numerator}}}{{{other.denominator}}}", text).status == "correct") == (
        gold == other and gold.denominator > 1
    )


@given(st.decimals(min_value=-1000, max_value=1000, places=3), st.integers(min_value=0, max_value=4))
def test_trailing_zeros_say_nothing(value: object, zeros: int) -> None:
    assert compare(f"{value}" + "0" * zeros, f"{value}").status == "correct"


@given(st.lists(st.integers(min_value=-50, max_value=50), min_size=2, max_size=5, unique=True), st.randoms())
def test_lists_have_no_order_and_points_have_one(values: list[int], random: object) -> None:
    mixed = values[::-1]
    listed, shuffled = ", ".join(map(str, values)), ", ".join(map(str, mixed))
    assert compare(rf"\{{{shuffled}\}}", listed).status == "correct"
    assert compare(f"({shuffled})", f"({listed})").status == "wrong"


@settings(deadline=None, max_examples=400)
@given(texts, texts)
def test_any_text_is_answered(answer: str, gold: str) -> None:
    found = compare(answer, gold)
    assert isinstance(found, Comparison)
    assert found.status in get_args(Status)
    assert found.status != "error", found
    assert "\n" not in found.reason


@given(st.one_of(st.none(), st.booleans(), st.floats(), st.integers(), st.binary(), st.lists(st.integers())))
def test_any_gold_is_answered(gold: object) -> None:
    assert compare("5", gold).status in ("correct", "wrong", "unparseable_gold")


@given(st.text(alphabet=string.ascii_letters + " ", min_size=1))
def test_words_never_equal_a_number(text: str) -> None:
    assert compare(text, "123456").status != "correct"
