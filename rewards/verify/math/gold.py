r"""Find the gold answer: a number, bare LaTeX, or a whole MATH solution, whose last `\boxed{}` holds it."""

from __future__ import annotations

import re
from fractions import Fraction

from rewards.verify.math.latex import MAX_LENGTH, closing

__all__ = ["gold_text"]

MAX_SOLUTION = 200_000
BOX = re.compile(r"\\f?box(?:ed)?\s*")


def gold_text(gold: object) -> str | None:
    """Return the gold answer's text, `None` where there is none (empty, cut off, or nothing that has a text)."""
    if isinstance(gold, bool) or not isinstance(gold, str | int | float | Fraction):
        return None
    if isinstance(gold, int) and gold.bit_length() > 14_000:
        return None
    text = str(gold)
    boxes = list(BOX.finditer(text[-MAX_SOLUTION:]))
    if boxes:
        text = _boxed(text[-MAX_SOLUTION:], boxes[-1].end())
    text = text.strip()
    return text if text and len(text) <= MAX_LENGTH and _balanced(text) else None


def _boxed(text: str, start: int) -> str:
    if text[start : start + 1] != "{":
        # \boxed 5 and \fbox5 hold one token.
        return text[start : start + 1]
    end = closing(text, start + 1)
    return text[start + 1 : end] if end >= 0 else ""


def _balanced(text: str) -> bool:
    depth, escaped = 0, False
    for character in text:
        if escaped or character == "\\":
            escaped = not escaped
            continue
        depth += (character == "{") - (character == "}")
        if depth < 0:
            return False
    return depth == 0
