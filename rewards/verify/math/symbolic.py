"""Symbolic equality by math-verify with sympy behind it. Imported by worker processes only.

Expressions are built from our own syntax tree: no text of a model reaches a parser of sympy's.
"""

from __future__ import annotations

import time
from functools import reduce
from operator import add, mul
from typing import Any

import sympy
from math_verify.grader import sympy_symbolic_eq

from rewards.verify.math.tree import Apply, Name, Node, Num, load

__all__ = ["equal"]

CONSTANTS = {"pi": sympy.pi, "e": sympy.E, "i": sympy.I, "inf": sympy.oo}
FUNCTIONS = {
    **{name: getattr(sympy, name) for name in "sin cos tan cot sec csc sinh cosh tanh floor".split()},
    **{"arcsin": sympy.asin, "arccos": sympy.acos, "arctan": sympy.atan, "ln": sympy.log, "abs": sympy.Abs},
    **{"ceil": sympy.ceiling, "!": sympy.factorial, "binom": sympy.binomial, "log": sympy.log, "^": sympy.Pow},
    **{"neg": lambda x: -x, "/": lambda x, y: x / y, "frac": lambda x, y: x / y, "mixed": add, "*": mul},
    **{"deg": lambda x: x * sympy.pi / 180, "%": lambda x: x / 100},
}


def equal(a: Any, b: Any) -> tuple[bool | None, float]:
    """Return whether two dumped trees are equal (`None`: neither proved nor refuted) and the seconds that it took."""
    started = time.monotonic()
    return _equal(_built(load(a)), _built(load(b))), time.monotonic() - started


def _equal(left: Any, right: Any) -> bool | None:
    """Compare two sympy expressions with positive variables: the probe has seen to negative ones.

    math-verify's symbolic test first; what it does not prove, sympy's `equals` may prove (by minimal polynomials) or
    refute (numerically, with its own error bounds).
    """
    if sympy_symbolic_eq(left, right):
        return True
    verdict = (left - right).equals(0)
    return None if verdict is None else bool(verdict)


def _built(node: Node) -> Any:
    if isinstance(node, Num):
        return sympy.Rational(node.value.numerator, node.value.denominator)
    if isinstance(node, Name):
        return CONSTANTS.get(node.name) or sympy.Symbol(node.name, positive=True)
    return _applied(node)


def _applied(node: Apply) -> Any:
    parts = [_built(argument) for argument in node.args]
    if node.op == "+":
        return reduce(add, parts)
    if node.op == "root":
        # The real root of a negative number, where school takes it: the cube root of -8 is -2.
        negative = parts[0].is_negative and parts[1].is_odd
        return -sympy.root(-parts[0], parts[1]) if negative else sympy.root(parts[0], parts[1])
    return FUNCTIONS[node.op](*parts)
