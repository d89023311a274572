"""Whether a number has been worked out, and how exactly it was given."""

from __future__ import annotations

from fractions import Fraction

from rewards.verify.math.equality import exact
from rewards.verify.math.forms import rational
from rewards.verify.math.probe import decimal_value
from rewards.verify.math.tree import Apply, Node, Num, names, walk

__all__ = ["number", "plain", "rounded", "rounds_to", "unfinished"]


def unfinished(node: Node) -> bool:
    """Whether numbers are left to be added, subtracted, multiplied, or divided without a rest: 3+4, 9*2, 36/2."""
    if not isinstance(node, Apply):
        return False
    if node.op in ("neg", "abs", "floor", "ceil"):
        return unfinished(node.args[0])
    if node.op in ("/", "frac"):
        top, bottom = (number(argument) for argument in node.args)
        if top is not None and bottom and all(isinstance(a, Num) for a in node.args):
            return (top / bottom).denominator == 1
        return any(unfinished(argument) for argument in node.args)
    return node.op in ("+", "*") and all(
        isinstance(part, Num) or unfinished(part) or _fraction(part) for part in node.args
    )


def _fraction(node: Node) -> bool:
    return (
        isinstance(node, Apply)
        and node.op in ("/", "frac", "neg")
        and all(isinstance(part, Num) or _fraction(part) for part in node.args)
    )


def plain(node: Node) -> bool:
    """Whether the gold is a plain number or a fraction of two."""
    return isinstance(node, Num) or _fraction(node) or (isinstance(node, Apply) and node.op == "mixed")


def number(node: Node) -> Fraction | None:
    """Return the rational value of an expression, `None` where it has none."""
    found = exact(node)
    return None if found is None else rational(found)


def rounded(node: Node) -> bool:
    """Whether a gold is a rounded decimal: two or more places and digits, and no short fraction (0.25, 2.125, 0.05)."""
    if not isinstance(node, Num) or (node.places or 0) < 2:
        return False
    return node.value.denominator >= 20 and abs(node.value.numerator) >= 10


def rounds_to(answer: Node, gold: Node) -> bool:
    """Whether a value given more exactly than the gold rounds to the gold."""
    assert isinstance(gold, Num) and gold.places is not None
    written = max((part.places or 0 for part in walk(answer) if isinstance(part, Num)), default=0)
    if names(answer) or (isinstance(answer, Num) and answer.places is not None and written <= gold.places):
        return False
    if isinstance(answer, Num) and answer.places is None and answer.value.denominator == 1:
        return False
    half = Fraction(5, 10 ** (gold.places + 1))
    value = decimal_value(answer)
    # copy_abs, for abs rounds to the caller's context, which a tower overflows.
    return value is not None and value.copy_abs() < 10**15 and abs(Fraction(value) - gold.value) <= half
