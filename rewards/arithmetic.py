"""A tiny exact calculator for one side of an equation: + - * /, brackets, decimals, percent, fractions. Never `eval`.

side   = term { ("+" | "-") term }
term   = factor { ("*" | "/" | "//") factor }
factor = [ "-" | "+" ] ( number | "(" side ")" )
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

__all__ = ["Exact", "Side", "exact", "literal", "side"]

# Bounds the work: 60 tokens of at most 60 digits each, brackets 20 deep.
MAX_TOKENS = 60
MAX_DEPTH = 20

Exact = int | Fraction
"""A rational number, as an int where it is whole: that is faster to hash and to compare, and equal all the same."""


def exact(value: Exact) -> Exact:
    """Return `value` as an int where it is whole."""
    return value.numerator if value.denominator == 1 else value


TIMES: dict[str, Callable[[Exact, Exact], Exact]] = {
    "*": lambda value, by: exact(value * by),
    "/": lambda value, by: exact(Fraction(value, by)),
    "//": lambda value, by: value // by,
}

VULGAR = {"\u00bd": "1/2", "\u00bc": "1/4", "\u00be": "3/4", "\u2153": "1/3", "\u2154": "2/3"}
VULGAR |= {"\u2155": "1/5", "\u215b": "1/8", "\u215c": "3/8", "\u215d": "5/8", "\u215e": "7/8"}

LITERAL = re.compile(
    rf"""(?P<digits>(?:[0-9]{{1,3}}(?:[, ][0-9]{{3}}){{1,9}}|[0-9]{{1,30}})?(?P<decimals>\.[0-9]{{1,30}})?(?<=[0-9]))
         (?P<dots>\.{{2,3}}|\u2026)?[ ]?(?P<percent>%|percent)?
       | (?:(?P<whole>[0-9]{{1,9}})[ ]?(?:and[ ])?)?(?P<part>[0-9]{{1,9}}/[0-9]{{1,9}}|[{"".join(VULGAR)}])""",
    re.VERBOSE,
)


@dataclass(frozen=True)
class Literal:
    """A written number: its value, how far off a rounded one may be, and whether it is a percentage."""

    value: Exact
    tolerance: Exact = 0
    percent: bool = False


@dataclass(frozen=True)
class Side:
    """The value of an expression, the numbers in it, the results on the way to the value, and its tokens."""

    exact: Exact
    operands: tuple[Exact, ...]
    parts: tuple[Exact, ...]
    tokens: tuple[str, ...]

    @property
    def value(self) -> Fraction:
        """The value, also where it is whole."""
        return Fraction(self.exact)

    @property
    def computes(self) -> bool:
        """Whether the side computes something, rather than naming a number."""
        return len(self.operands) > 1

    @property
    def fraction(self) -> bool:
        """Whether the side may be no more than a number's name: 3/8."""
        return len(self.tokens) == 3 and self.tokens[1] == "/" and self.computes

    def states(self, value: Exact) -> bool:
        """Return whether this side says that the result is `value`.

        Exactly, but for two habits of a side that is one printed number: two or more decimals may be rounded
        (10/3 = 3.33) or left off (3.33...), and a percentage may stand for its number (1/4*100 = 25%).
        """
        if self.exact == value:
            return True
        # One number, perhaps with a sign.
        if self.computes or len(self.tokens) > 2:
            return False
        written = literal(self.tokens[-1])
        if written.percent and self.exact * 100 == value:
            return True
        return -written.tolerance <= self.exact - value <= written.tolerance


@lru_cache(maxsize=4096)
def literal(token: str) -> Literal:
    """Read one written number. Raises `ValueError` for anything else, as 1.2.3, 16,0000, 6:30 or 1 3/2.

    Understood: 1,018 and 1 018, 0.5 and .5, 20% and 20 %, 33.3..., 1 1/2, 1 and 1/2, \u00bd.
    """
    match = LITERAL.fullmatch(token)
    if match is None:
        raise ValueError(f"{token!r} is no number")
    if match["part"]:
        part = Fraction(VULGAR.get(match["part"], match["part"]))
        if part >= 1:
            raise ValueError(f"{token!r} is no proper fraction")
        return Literal(int(match["whole"] or 0) + part)
    value = Fraction(re.sub("[ ,]", "", match["digits"]))
    unit = Fraction(1, 100 if match["percent"] else 1)
    decimals = len(match["decimals"] or ".") - 1
    # Whoever writes dots has cut the digits off, else they are rounded to the nearest.
    off = unit / 10**decimals / (1 if match["dots"] else 2) if decimals >= 2 or match["dots"] else 0
    return Literal(exact(value * unit), off, bool(match["percent"]))


def side(tokens: Sequence[str]) -> Side:
    """Evaluate tokens (numbers and + - * / ( )). Raises `ValueError` for bad syntax, `ZeroDivisionError`."""
    if len(tokens) > MAX_TOKENS:
        raise ValueError("the expression is too long")
    reader = _Reader(tokens)
    value = reader.sum()
    if reader.at != len(tokens):
        raise ValueError(f"{tokens[reader.at]!r} was not expected")
    return Side(value, tuple(reader.operands), tuple(reader.parts), tuple(tokens))


class _Reader:
    """Recursive descent; one method per rule of the grammar."""

    def __init__(self, tokens: Sequence[str]) -> None:
        self.tokens, self.at, self.depth = tokens, 0, 0
        self.operands: list[Exact] = []
        self.parts: list[Exact] = []

    def sum(self) -> Exact:
        value = self.product()
        while self.now in ("+", "-"):
            value = value + self.product() if self.take() == "+" else value - self.product()
            self.parts.append(value)
        return value

    def product(self) -> Exact:
        value = self.factor()
        while self.now in TIMES:
            value = TIMES[self.take()](value, self.factor())
            self.parts.append(value)
        return value

    def factor(self) -> Exact:
        token = self.take()
        if token == "-":
            return -self._atom(self.take())
        return self._atom(self.take() if token == "+" else token)

    def _atom(self, token: str) -> Exact:
        if token == "(":
            return self._bracket()
        value = literal(token).value
        self.operands.append(value)
        return value

    def _bracket(self) -> Exact:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise ValueError("brackets are nested too deeply")
        value = self.sum()
        if self.take() != ")":
            raise ValueError("a bracket is not closed")
        self.depth -= 1
        return value

    @property
    def now(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self) -> str:
        self.at += 1
        return self.tokens[self.at - 1] if self.at <= len(self.tokens) else ""
