"""What a computation would cost, estimated before it starts: towers are refused, never computed."""

from __future__ import annotations

from fractions import Fraction
from math import inf, log2

from rewards.verify.math.tree import Apply, Node, Num, walk

__all__ = ["MAX_BITS", "TooLarge", "check_bits", "check_terms", "power_bits", "small"]

# 2,000! has 19,053 bits; no answer needs much more, and reducing a fraction of this size takes two milliseconds.
MAX_BITS = 40_000
MAX_TERMS = 4_000


class TooLarge(ValueError):
    """The result would not fit the bounds."""


def power_bits(base: Fraction, exponent: int) -> float:
    """Return about how many bits base ** exponent has."""
    size = max(abs(base.numerator), base.denominator)
    if size <= 1:
        return 0.0
    return inf if exponent.bit_length() > 60 else abs(exponent) * log2(size)


def check_bits(bits: float) -> None:
    """Raise `TooLarge` for a number of more than `MAX_BITS` bits."""
    if bits > MAX_BITS:
        raise TooLarge("the number is too large to be computed")


def check_terms(terms: int) -> None:
    """Raise `TooLarge` for more than `MAX_TERMS` terms."""
    if terms > MAX_TERMS:
        raise TooLarge("the expression has too many terms")


def small(node: Node) -> bool:
    """Whether an expression is harmless for a computer algebra system: few nodes, small powers and factorials."""
    nodes = list(walk(node))
    return len(nodes) <= 200 and all(_harmless(part) for part in nodes)


def _harmless(node: Node) -> bool:
    if isinstance(node, Num):
        return max(abs(node.value.numerator), node.value.denominator).bit_length() <= 2_000
    if not isinstance(node, Apply) or node.op not in ("^", "!", "binom", "root"):
        return True
    if node.op == "^":
        return magnitude(node.args[1]) <= 60
    return all(magnitude(argument) <= 500 or node.op == "root" for argument in node.args)


def magnitude(node: Node) -> float:
    """Return an upper bound of |node| with every variable at 1; `inf` where it is large."""
    if isinstance(node, Num):
        return float(abs(node.value)) if abs(node.value) < 10**300 else inf
    if not isinstance(node, Apply):
        return 4.0
    parts = [magnitude(argument) for argument in node.args]
    if max(parts) > 10**6:
        return inf
    if node.op in ("+", "mixed"):
        return sum(parts)
    if node.op == "*":
        return parts[0] * parts[1]
    if node.op in ("^", "!", "binom"):
        return inf if max(parts) > 60 else max(parts[0], 1.0) ** max(parts)
    return max(parts)
