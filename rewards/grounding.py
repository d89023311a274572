"""Which numbers a solution may start from: those that the question states, and a few facts of daily life."""

from __future__ import annotations

import re
from fractions import Fraction

from rewards.verify.numbers import find, normalise
from rewards.verify.words import SMALL

__all__ = ["CONSTANTS", "derived", "stated"]

# Facts of daily life that a question need not state: small counts, a dozen, ounces, hours, days, weeks, coins, percent.
FACTS = "1 2 3 4 5 6 7 8 9 10 12 16 24 30 31 52 60 100 365 1000 1/2 1/3 1/4 3/4 3/2 1/10 1/20 1/100"
CONSTANTS = frozenset(Fraction(fact) for fact in FACTS.split())

TENS = [word for word, n in SMALL.items() if n >= 20]
UNITS = [word for word, n in SMALL.items() if 1 <= n <= 9]
PARTS = {"third": 3, "quarter": 4, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7, "eighth": 8, "tenth": 10}
WORDS = {
    **{word: (Fraction(n),) for word, n in SMALL.items()},
    **dict.fromkeys(["twice", "double", "doubled", "doubles", "couple", "pair", "both"], (Fraction(2),)),
    **dict.fromkeys(["thrice", "triple", "tripled", "triples"], (Fraction(3),)),
    **dict.fromkeys(["half", "halves"], (Fraction(2), Fraction(1, 2))),
    **dict.fromkeys(["dozen", "dozens"], (Fraction(12),)),
    "hundred": (Fraction(100),),
    **{f"{stem}{s}": (Fraction(n), Fraction(1, n)) for stem, n in PARTS.items() for s in ("", "s")},
}
WORD = re.compile(rf"\b(?:(?P<ten>{'|'.join(TENS)})[ -](?P<unit>{'|'.join(UNITS)})|(?P<one>{'|'.join(WORDS)}))\b")


def stated(question: str) -> set[Fraction]:
    """Return the positive numbers that a question states, in digits or words; p% counts as p."""
    text = normalise(question)
    numbers = {abs(place.number.value) for place in find(text) if place.number}
    numbers |= {value for match in WORD.finditer(text.lower()) for value in _word(match)}
    return {number for number in numbers if number > 0}


def derived(numbers: set[Fraction]) -> set[Fraction]:
    """Return what percentages become in an equation: 20% more is 20/100, 0.2, 1.2, and 20% less 0.8."""
    shares = {number / 100 for number in numbers}
    return {number for share in shares for number in (share, 1 + share, 1 - share) if number > 0}


def _word(match: re.Match[str]) -> tuple[Fraction, ...]:
    if match["ten"]:
        return (WORDS[match["ten"]][0] + WORDS[match["unit"]][0],)
    return WORDS[match["one"]]
