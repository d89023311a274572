"""A calculator in the text: it reads the expression that a solution has just asked for, and computes it exactly.

`... 4 * 7 =` asks for ` 28`, and GSM8K's `<<4*7=` for `28>>`. What stands in front of the sign is read as equations are
read (`rewards.statements`), units and all.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from rewards.arithmetic import side
from rewards.statements import MAX_LENGTH, Token, statements
from rewards.verify.numbers import Number, canonical

__all__ = ["ERROR", "Call", "asked"]

ERROR = "error"
OPEN = re.compile(r"<<(?:(?!>>).)*$")


@dataclass(frozen=True)
class Call:
    """What a text ends by asking for: an expression's value, `None` where zero divides.

    `start` is its first character, of an `annotated` one, in GSM8K's form, which the result closes, that of `<<`.
    """

    start: int
    value: Fraction | None
    annotated: bool

    @property
    def result(self) -> str:
        """The value as it is written: a decimal of at most 12 places where that is exact, else as `10/3`."""
        return ERROR if self.value is None else canonical(Number(self.value))


def asked(text: str, end: int | None = None) -> Call | None:
    """Return the call that `text[:end]` ends with: what stands before a last `=`, back to the `=` before it.

    `None` where the sign follows nothing that computes (`18 =`, `x =`), what cannot be read (`2 * =`), or what has lost
    its left side (`x + 3 * 2 =`).
    """
    line, start = _line(text, len(text) if end is None else end)
    annotation = OPEN.search(line)
    tokens = _expression(line, annotation) if line.endswith("=") else []
    try:
        found = side([token.text for token in tokens])
    except ZeroDivisionError:
        found = None
    except ValueError:
        return None
    if found is not None and not found.computes:
        return None
    start += annotation.start() if annotation else tokens[0].start
    return Call(start, None if found is None else found.value, annotation is not None)


def _expression(line: str, annotation: re.Match[str] | None) -> Sequence[Token]:
    """The tokens between the last two signs of a line that ends with one, or before its only sign; perhaps none."""
    inside = annotation.start() + 2 if annotation else 0
    last = [one for one in statements(line[inside:]) if inside + one.end == len(line) and not one.annotated]
    if not last:
        return []
    tokens = last[0].tokens
    *signs, end = (place for place, token in enumerate(tokens) if token.text == "=")
    if signs:
        return tokens[signs[-1] + 1 : end]
    return [] if tokens[0].text in "+-*/" and not annotation else tokens[:end]


def _line(text: str, end: int) -> tuple[str, int]:
    """What the last line of `text[:end]` ends with, without its last blanks, and where that begins."""
    start = text.rfind("\n", 0, end) + 1
    if end - start > 2 * MAX_LENGTH:
        # No statement is longer: this bounds the work, at the beginning of a word.
        start = text.find(" ", end - 2 * MAX_LENGTH, end) + 1 or end
    return text[start:end].rstrip(" "), start
