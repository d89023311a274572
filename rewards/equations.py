"""Find the equations that a solution writes down, and check each exactly.

Two forms: GSM8K's annotations, `<<16-3-4=9>>`, and free text: `16 eggs - 3 eggs = 13 eggs`, `2 x $9 = $18`,
`20% * 50 = 10`, `4/8 = 1/2`. In a chain `80*1.5 = 120 = 100+20` all sides must agree. An equation stays within a line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from rewards.arithmetic import Side, side

__all__ = ["Equation", "equations"]

TOKEN = re.compile(
    r"""<<(?P<annotation>[^<>\n]{0,200})>>
      | (?P<bullet>^[ \t]*-[ ])
      | (?P<number>(?:[0-9]{1,3}(?:,[0-9]{3}){1,9}(?![0-9]) | [0-9]{1,30}(?![0-9]))(?:\.[0-9]{1,30}(?![0-9]))?%?
                 | \.[0-9]{1,30}(?![0-9])%?)
      | (?P<blank>[ \t$\u20ac\u00a3]+ | \*\* | \\\$)
      | (?P<operator>[-+*/=()\u00d7\u00f7\u2212\u00b7] | \\times | \\div | \\cdot | [xX](?=[ ]?[$(]?[ ]?[.0-9]))
      | (?P<word>[A-Za-z]{2,})
      | (?P<other>[\s\S])""",
    re.VERBOSE | re.MULTILINE,
)

OPERATORS = {
    **dict.fromkeys(["x", "X", "\u00d7", "\u00b7", "\\times", "\\cdot"], "*"),
    **dict.fromkeys(["\u00f7", "\\div"], "/"),
    "\u2212": "-",
}

OPERATIONS = frozenset("+-*/=")

# A word behind a number is its unit where an operator follows, perhaps after one more word.
UNIT_ENDS = re.compile(r"[ ]{0,3}(?:[A-Za-z]{2,20}[ ]{0,3})?[-+*/=\u00d7\u00f7\u2212]")


@dataclass(frozen=True)
class Equation:
    """One equation. `true` is `None` where it cannot be read.

    `operands` are the numbers on the sides that compute something, `results` the values of all sides.
    """

    text: str
    true: bool | None
    operands: tuple[Fraction, ...] = ()
    results: tuple[Fraction, ...] = ()

    @property
    def key(self) -> object:
        """Equal for an equation and its repeat, also with the operands in another order."""
        return self.text if self.true is None else (self.true, tuple(sorted(self.operands)), frozenset(self.results))


def equations(text: str) -> list[Equation]:
    """Return the equations of `text` in order.

    An annotation is always one, though perhaps unreadable. Free text counts only where it reads as a whole equation:
    `3*6 =` and `5x + 3 = 18` are none.
    """
    return [equation for run in _runs(text) if (equation := _equation(run)) is not None]


def _runs(text: str) -> Iterator[list[str]]:
    """Yield maximal runs of numbers and operators; an annotation comes as one run that starts with `<<`."""
    run: list[str] = []
    for match in TOKEN.finditer(text):
        kind, piece = match.lastgroup, match[0]
        after_number = bool(run) and run[-1][-1] in "0123456789%"
        if kind == "blank" or (kind == "word" and after_number and UNIT_ENDS.match(text, match.end())):
            continue
        if kind == "operator" and not (piece == "(" and after_number):
            run.append(OPERATORS.get(piece, piece))
            continue
        # Two numbers in a row, or a number before a bracket, end one statement and begin the next.
        if kind != "number" or after_number:
            yield run
            run = []
        if kind in ("number", "operator"):
            run.append(piece)
        elif kind == "annotation":
            yield ["<<", *_tokens(match["annotation"])]
    yield run


def _tokens(annotation: str) -> list[str]:
    pieces = [match[0] for match in TOKEN.finditer(annotation) if match.lastgroup != "blank"]
    return [OPERATORS.get(piece, piece) for piece in pieces]


def _equation(run: list[str]) -> Equation | None:
    annotated = run[:1] == ["<<"]
    tokens = _unwrapped(run[annotated:])
    text = "".join(tokens)
    # Free text that starts with an operator has lost its left side: "x + 3*2 = 18" says nothing about 3*2.
    if not annotated and ("=" not in tokens or tokens[0] in OPERATIONS):
        return None
    try:
        sides = [side(tokens) for tokens in _sides(tokens)]
    except (ValueError, ZeroDivisionError):
        return Equation(text, None) if annotated else None
    computing = [one for one in sides if one.computes]
    if len(sides) < 2:
        return Equation(text, None) if annotated else None
    # "<<12=12>>" names a number and computes nothing: it is no step.
    if not computing:
        return None
    return _checked(text, sides, computing)


def _checked(text: str, sides: list[Side], computing: list[Side]) -> Equation:
    value = computing[0].value
    operands = tuple(operand for one in computing for operand in one.operands)
    # A printed result is what later steps go on with, so 3.33 counts beside 10/3.
    return Equation(text, all(one.states(value) for one in sides), operands, tuple(one.value for one in sides))


def _unwrapped(tokens: list[str]) -> list[str]:
    """Drop the bracket around, or left of, a whole equation: `(2+3=5)`, `He has 5 (2+3=5`."""
    surplus = tokens.count("(") - tokens.count(")")
    if tokens[:1] == ["("] and (surplus == 1 or (surplus == 0 and tokens[-1] == ")" and _spans(tokens))):
        tokens, surplus = tokens[1:], surplus - 1
    return tokens[:-1] if surplus == -1 and tokens[-1] == ")" else tokens


def _spans(tokens: list[str]) -> bool:
    head = tokens[: tokens.index("=")] if "=" in tokens else tokens
    return head.count("(") > head.count(")")


def _sides(tokens: list[str]) -> list[list[str]]:
    sides: list[list[str]] = [[]]
    for token in tokens:
        if token == "=":
            sides.append([])
        else:
            sides[-1].append(token)
    return sides
