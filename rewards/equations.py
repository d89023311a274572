"""Find the equations that a solution writes down, and check each exactly.

Two forms: GSM8K's annotations, `<<16-3-4=9>>`, and free text: `16 eggs - 3 eggs = 13 eggs`, `2 x $9 = $18`,
`20% of 50 = 10`, `3 / 2 = 1 1/2`. In a chain `80*1.5 = 120 = 100+20` all sides must agree. An equation stays within a
line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import groupby

from rewards.arithmetic import Exact, Side, side
from rewards.statements import Statement, Token, statements

__all__ = ["Equation", "equations"]

# Whoever writes ten decimals has copied a calculator that counts in binary: 0.1*7 = 0.7000000000000001.
FLOATS = re.compile(r"\.[0-9]{10}")
FLOAT = Fraction(1, 10**9)

OPERATIONS = frozenset(("+", "-", "*", "/", "//"))


@dataclass(frozen=True)
class Equation:
    """One equation at characters [start, end) of its text. `true` is `None` where it cannot be read.

    `operands` are the numbers that go into it, `results` the values of all sides.
    """

    text: str
    true: bool | None
    start: int
    end: int
    operands: tuple[Exact, ...] = ()
    results: tuple[Exact, ...] = ()

    @property
    def key(self) -> object:
        """Equal for an equation and its repeat, also with the operands in another order."""
        return self.text if self.true is None else (self.true, tuple(sorted(self.operands)), frozenset(self.results))


def equations(text: str) -> list[Equation]:
    """Return the equations of `text` in order, without overlap.

    An annotation is always one, though perhaps unreadable; it is none where it names a number: `<<12=12>>`. Free text
    counts only as far as it reads as an equation: `3*6 =` and `5x + 3 = 18` hold none, `x = 5 + 3 = 8` holds `5+3=8`.
    """
    return [one for statement in statements(text) for one in _equations(statement)]


def _equations(statement: Statement) -> Iterator[Equation]:
    written = list(_sides(statement.tokens))
    read = [_read(tokens) for tokens in written]
    if statement.annotated:
        yield from _annotation(statement, read)
        return
    # Free text that starts with an operator has lost its left side: "x + 3*2 = 18" says nothing about 3*2.
    if written[0] and written[0][0].text in OPERATIONS:
        read[0] = None
    for readable, group in groupby(zip(written, read, strict=True), key=lambda pair: pair[1] is not None):
        if readable:
            yield from _chain([(tokens, one) for tokens, one in group if one is not None])


def _annotation(statement: Statement, read: list[Side | None]) -> Iterator[Equation]:
    sides = [one for one in read if one is not None]
    text = "".join(token.text for token in statement.tokens)
    if len(sides) < len(read) or len(sides) < 2:
        yield Equation(text, None, statement.start, statement.end)
    elif any(one.computes for one in sides):
        yield _checked(text, sides, statement.start, statement.end)


def _chain(group: list[tuple[list[Token], Side]]) -> Iterator[Equation]:
    """The equation that a run of readable sides makes, if it makes one."""
    sides = [one for _, one in group]
    # A bare number in front is a name, as in "4 weeks = 4 * 7 = 28 days", unless it is the result: "28 = 4 * 7".
    names = not sides[0].computes and not (len(sides) > 1 and sides[0].states(sides[1].exact))
    group, sides = group[names:], sides[names:]
    if len(sides) < 2 or not any(one.computes for one in sides):
        return
    text = "=".join("".join(token.text for token in tokens) for tokens, _ in group)
    yield _checked(text, sides, group[0][0][0].start, group[-1][0][-1].end)


def _checked(text: str, sides: list[Side], start: int, end: int) -> Equation:
    value = next(one.exact for one in sides if one.computes)
    slack = max(value, -value, 1) * FLOAT if any(FLOATS.search(token) for one in sides for token in one.tokens) else 0
    true = all(one.states(value) or -slack <= one.exact - value <= slack for one in sides)
    # A printed result is what later steps go on with, so 3.33 counts beside 10/3.
    return Equation(text, true, start, end, tuple(_operands(sides)), tuple(one.exact for one in sides))


def _operands(sides: list[Side]) -> Iterator[Exact]:
    """The numbers that the sides start from: not those that an earlier side has computed, nor a result like 5/8."""
    made: set[Exact] = set()
    for place, one in enumerate(sides):
        if one.computes and not (place and one.fraction):
            yield from (operand for operand in one.operands if operand not in made)
        made.update(one.parts)


def _read(tokens: list[Token]) -> Side | None:
    try:
        return side([token.text for token in tokens])
    except (ValueError, ZeroDivisionError):
        return None


def _sides(tokens: list[Token]) -> Iterator[list[Token]]:
    run: list[Token] = []
    for token in tokens:
        if token.text == "=":
            yield run
            run = []
        else:
            run.append(token)
    yield run
