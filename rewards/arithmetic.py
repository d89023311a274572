"""A tiny exact calculator for one side of an equation: + - * /, brackets, decimals, percent. Never `eval`.

side   = term { ("+" | "-") term }
term   = factor { ("*" | "/") factor }
factor = [ "-" | "+" ] ( number | "(" side ")" )
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

__all__ = ["Side", "literal", "side"]

# Bounds the work: 60 tokens of at most 60 digits each, brackets 20 deep.
MAX_TOKENS = 60
MAX_DEPTH = 20


@dataclass(frozen=True)
class Side:
    """The value of an expression, the numbers in it and its tokens."""

    value: Fraction
    operands: tuple[Fraction, ...]
    tokens: tuple[str, ...]

    @property
    def computes(self) -> bool:
        """Whether the side computes something, rather than naming a number."""
        return len(self.operands) > 1

    def states(self, value: Fraction) -> bool:
        """Return whether this side says that the result is `value`.

        Exactly, but for two habits of a side that is one printed number: two or more decimals may be rounded
        (10/3 = 3.33), and a percentage may stand for its number (1/4*100 = 25%).
        """
        if self.value == value:
            return True
        if len(self.tokens) != 1:
            return False
        token = self.tokens[0]
        decimals = len(token.removesuffix("%").partition(".")[2])
        printed = self.value * 100 if token.endswith("%") else self.value
        return printed == value or (decimals >= 2 and abs(self.value - value) <= Fraction(1, 2 * 10**decimals))


def literal(token: str) -> Fraction:
    """Return the value of a number token: commas are grouping, p% is p/100. Raises `ValueError`."""
    value = Fraction(token.removesuffix("%").replace(",", ""))
    return value / 100 if token.endswith("%") else value


def side(tokens: Sequence[str]) -> Side:
    """Evaluate tokens (numbers and + - * / ( )). Raises `ValueError` for bad syntax, `ZeroDivisionError`."""
    if len(tokens) > MAX_TOKENS:
        raise ValueError("the expression is too long")
    reader = _Reader(tokens)
    value = reader.sum()
    if reader.at != len(tokens):
        raise ValueError(f"{tokens[reader.at]!r} was not expected")
    return Side(value, tuple(reader.operands), tuple(tokens))


class _Reader:
    """Recursive descent; one method per rule of the grammar."""

    def __init__(self, tokens: Sequence[str]) -> None:
        self.tokens, self.at, self.depth = tokens, 0, 0
        self.operands: list[Fraction] = []

    def sum(self) -> Fraction:
        value = self.product()
        while self.now in ("+", "-"):
            value = value + self.product() if self.take() == "+" else value - self.product()
        return value

    def product(self) -> Fraction:
        value = self.factor()
        while self.now in ("*", "/"):
            value = value * self.factor() if self.take() == "*" else value / self.factor()
        return value

    def factor(self) -> Fraction:
        token = self.take()
        if token == "-":
            return -self._atom(self.take())
        return self._atom(self.take() if token == "+" else token)

    def _atom(self, token: str) -> Fraction:
        if token == "(":
            return self._bracket()
        value = literal(token)
        self.operands.append(value)
        return value

    def _bracket(self) -> Fraction:
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
