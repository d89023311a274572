"""Normal forms of syntax trees: every operation of the grammar, with the functions whose exact values are known."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from fractions import Fraction
from functools import lru_cache, reduce
from math import comb, factorial

from rewards.verify.math.cost import TooLarge
from rewards.verify.math.forms import Form, Opaque, bounded, constant, inverse, product, rational, single, total
from rewards.verify.math.polynomial import PI, UNIT, E, I
from rewards.verify.math.radicals import cosine, factors, power
from rewards.verify.math.tree import Apply, Name, Node, Num

__all__ = ["form"]


def _turn(angle: Form) -> Fraction | None:
    """Return q where the angle is q*pi, else `None`."""
    if not angle.top:
        return Fraction(0)
    if angle.bottom != UNIT or len(angle.top) != 1:
        return None
    return angle.top.get(frozenset([(PI, Fraction(1))]))


def _trigonometric(name: str, angle: Form) -> Form:
    turns = _turn(angle)
    cos, sin = single(("f", "cos", angle.key)), single(("f", "sin", angle.key))
    if turns is not None:
        with suppress(Opaque):
            cos, sin = cosine(turns), cosine(turns - Fraction(1, 2))
    one = constant(1)
    quotients = {"sin": (sin, one), "cos": (cos, one), "tan": (sin, cos), "cot": (cos, sin)}
    quotients |= {"sec": (one, cos), "csc": (one, sin)}
    top, bottom = quotients[name]
    return product(top, inverse(bottom))


def _logarithm(argument: Form) -> Form:
    """Return ln: of a rational, a sum over its primes; of a power of e or a radical, its exponent times a logarithm."""
    if argument.bottom != UNIT or len(argument.top) != 1:
        return single(("f", "ln", argument.key))
    [(monomial, value)] = argument.top.items()
    if value <= 0 or any(generator[0] not in ("e", "p") for generator, _ in monomial):
        return single(("f", "ln", argument.key))
    pieces = [(p, Fraction(k)) for p, k in factors(value.numerator)]
    pieces += [(p, Fraction(-k)) for p, k in factors(value.denominator)]
    pieces += [(generator[1], exponent) for generator, exponent in monomial if generator[0] == "p"]
    result = constant(dict(monomial).get(E, Fraction(0)))
    for prime, exponent in pieces:
        result = total(result, Form({frozenset([(("ln", prime), Fraction(1))]): exponent}, UNIT))
    return result


def _absolute(argument: Form) -> Form:
    value = rational(argument)
    if value is not None:
        return constant(abs(value))
    if argument.bottom == UNIT and len(argument.top) == 1:
        [(monomial, value)] = argument.top.items()
        result = constant(abs(value))
        for generator, exponent in monomial:
            if generator[0] == "i":
                raise Opaque("the absolute value of a complex number")
            even = exponent.denominator == 1 and exponent % 2 == 0
            positive = generator[0] in ("p", "pi", "e", "exp", "abs") or even
            result = product(result, single(generator if positive else ("abs", generator), exponent))
        return result
    if any(generator == I for monomial in argument.top for generator, _ in monomial):
        raise Opaque("the absolute value of a complex number")
    return single(("f", "abs", argument.key))


def _rounded(name: str, argument: Form) -> Form:
    value = rational(argument)
    if value is None:
        return single(("f", name, argument.key))
    return constant(value.__floor__() if name == "floor" else value.__ceil__())


def _natural(argument: Form, bound: int) -> int:
    value = rational(argument)
    if value is None or value.denominator != 1 or value < 0:
        raise Opaque("not a natural number")
    if value > bound:
        raise TooLarge("the number is too large")
    return value.numerator


def _factorial(n: Form) -> Form:
    """Return n!, for a variable n in terms of the factorial without its constant: (n+2)! = (n+2)(n+1) n!."""
    if rational(n) is not None:
        return constant(factorial(_natural(n, 10_000)))
    shift = n.top.get(frozenset(), Fraction(0))
    if n.bottom != UNIT or shift.denominator != 1 or abs(shift) > 12:
        raise Opaque("a factorial of a fraction")
    base = total(n, constant(-shift))
    value = single(("f", "!", base.key))
    above = [total(base, constant(step)) for step in range(1, int(shift) + 1)]
    below = [inverse(total(base, constant(-step))) for step in range(int(-shift))]
    return reduce(product, above + below, value)


def _choose(n: Form, k: Form) -> Form:
    """Return n choose k; for a variable n the polynomial n(n-1).../k!."""
    if rational(k) is None:
        rest = product(_factorial(k), _factorial(total(n, product(constant(-1), k))))
        return product(_factorial(n), inverse(rest))
    below = _natural(k, 20_000)
    if rational(n) is not None:
        return constant(comb(_natural(n, 20_000), below))
    if below > 12:
        raise TooLarge("a binomial coefficient of high degree")
    steps = [product(total(n, constant(-step)), constant(Fraction(1, step + 1))) for step in range(below)]
    return reduce(product, steps, constant(1))


OPERATIONS: dict[str, Callable[..., Form]] = {
    "+": lambda *terms: reduce(total, terms),
    "mixed": total,
    "*": product,
    "/": lambda top, bottom: product(top, inverse(bottom)),
    "frac": lambda top, bottom: product(top, inverse(bottom)),
    "neg": lambda x: product(constant(-1), x),
    "^": power,
    "root": lambda x, degree: power(x, inverse(degree)),
    "!": _factorial,
    "binom": _choose,
    "deg": lambda x: product(x, product(single(PI), constant(Fraction(1, 180)))),
    "%": lambda x: product(x, constant(Fraction(1, 100))),
    "ln": _logarithm,
    "log": lambda x, base: product(_logarithm(x), inverse(_logarithm(base))),
    "abs": _absolute,
}


def _applied(op: str, parts: list[Form]) -> Form:
    if op in OPERATIONS:
        return OPERATIONS[op](*parts)
    if op in ("floor", "ceil"):
        return _rounded(op, parts[0])
    if op in ("sin", "cos", "tan", "cot", "sec", "csc"):
        return _trigonometric(op, parts[0])
    return single(("f", op, parts[0].key))


@lru_cache(maxsize=4096)
def form(node: Node) -> Form:
    """Return the normal form. Raises `Opaque` where there is none, `TooLarge` where it would not fit."""
    if isinstance(node, Num):
        return constant(node.value)
    if isinstance(node, Apply):
        return bounded(_applied(node.op, [form(argument) for argument in node.args]))
    if isinstance(node, Name) and node.name == "inf":
        raise Opaque("infinity")
    special = {"pi": PI, "e": E, "i": I}
    return single(special.get(node.name, ("s", node.name)))
