"""Evaluate two expressions at fixed generic points to 60 digits: a clear difference proves that they differ.

Every value is computed twice, at 60 and at 90 digits; where the two disagree (cancellation, an argument too large for
its function) the point says nothing. Agreement everywhere proves nothing either: it asks for the symbolic route.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import (
    MAX_EMAX,
    MIN_EMIN,
    Context,
    Decimal,
    DecimalException,
    DivisionByZero,
    InvalidOperation,
    Overflow,
    localcontext,
)
from fractions import Fraction
from functools import lru_cache
from math import factorial
from typing import Literal

from rewards.verify.math.forms import rational
from rewards.verify.math.normal import form
from rewards.verify.math.tree import Apply, Name, Node, Num, names, walk

__all__ = ["Outcome", "compare", "decimal_value", "proportional"]

Outcome = Literal["different", "agree", "unknown"]

DIGITS = (60, 90)
# Relative; far above the rounding errors of 60 digits, far below any difference that is meant.
CLOSE = Decimal("1e-40")
TINY = Decimal("1e-50")

# Irrational-looking values, so that no expression is by chance equal there; the second half is negative in part.
POINTS = 6
SEEDS = ("1.3717421", "0.6180573", "2.2360441", "3.1622911", "0.4142617", "1.7320839", "2.7091231", "0.8660519")
STRETCH = ("1", "1.6487", "0.2718", "-1.1913", "-0.3779", "-2.4413")


class Undefined(ArithmeticError):
    """The expression has no real (or, without variables, complex) value here."""


@dataclass(frozen=True)
class _Value:
    re: Decimal
    im: Decimal = Decimal(0)

    @property
    def size(self) -> Decimal:
        return max(abs(self.re), abs(self.im))


def compare(a: Node, b: Node) -> Outcome:
    """Compare two expressions numerically; where only one of them has a value at all, they differ."""
    with localcontext(_context(DIGITS[1])):
        outcomes: list[str] = [_differ(*pair) for pair in _samples(a, b)]
    if "different" in outcomes:
        return "different"
    if outcomes.count("agree") >= (2 if names(a) | names(b) else 1):
        return "agree"
    return "unknown" if "unknown" in outcomes else "different"


def proportional(a: Node, b: Node) -> Decimal | None:
    """Return c where a = c * b at every point (c is never 0), else `None`."""
    with localcontext(_context(DIGITS[1])):
        return _common_ratio(_samples(a, b))


def _common_ratio(samples: list[tuple[_Value | str, _Value | str]]) -> Decimal | None:
    ratios = []
    for left, right in samples:
        if not isinstance(left, _Value) or not isinstance(right, _Value) or left.im or right.im:
            continue
        if min(left.size, right.size) < TINY:
            return None
        ratios.append(left.re / right.re)
    if len(ratios) < 3 or any(abs(one - ratios[0]) > CLOSE * abs(ratios[0]) for one in ratios):
        return None
    return ratios[0]


def _context(digits: int) -> Context:
    return Context(prec=digits, Emax=MAX_EMAX, Emin=MIN_EMIN, traps=[InvalidOperation, DivisionByZero, Overflow])


def _samples(a: Node, b: Node) -> list[tuple[_Value | str, _Value | str]]:
    variables = sorted(names(a) | names(b))
    points = [_point(variables, index) for index in range(POINTS if variables else 1)]
    return [(_settled(a, point), _settled(b, point)) for point in points]


def _point(variables: list[str], index: int) -> dict[str, str]:
    stretch = Decimal(STRETCH[index])
    found = {}
    for place, name in enumerate(variables):
        seed = Decimal(SEEDS[(place + index) % len(SEEDS)]) + place // len(SEEDS)
        # With several variables their signs differ from point to point.
        negative = stretch < 0 and (place + index) % 3 != 1
        found[name] = str((-1 if negative else 1) * abs(seed * stretch))
    return found


def _settled(node: Node, point: Mapping[str, str]) -> _Value | str:
    """Return the value if 60 and 90 digits agree on it, `huge` beyond all exponents, else `unknown`."""
    rough = _evaluate(node, point, DIGITS[0])
    if isinstance(rough, str):
        return rough
    fine = _evaluate(node, point, DIGITS[1])
    if isinstance(fine, str):
        return fine
    error = max(abs(rough.re - fine.re), abs(rough.im - fine.im))
    return fine if error <= CLOSE * fine.size or fine.size == error == 0 else "unknown"


def _evaluate(node: Node, point: Mapping[str, str], digits: int) -> _Value | str:
    with localcontext(_context(digits)):
        try:
            value = _Evaluator(point, digits).value(node)
            return value if value.re.is_finite() and value.im.is_finite() else "unknown"
        except Overflow:
            return "huge"
        except (Undefined, DecimalException, RecursionError, ValueError):
            return "unknown"


def _differ(left: _Value | str, right: _Value | str) -> Outcome | Literal["apart"]:
    if isinstance(left, str) or isinstance(right, str):
        # What is beyond all exponents is no ordinary number; what is undefined here may be defined elsewhere.
        if "huge" in (left, right) and (isinstance(left, _Value) or isinstance(right, _Value)):
            return "different"
        return "unknown" if left == right else "apart"
    error = max(abs(left.re - right.re), abs(left.im - right.im))
    return "agree" if error <= CLOSE * max(left.size, right.size) else "different"


class _Evaluator:
    def __init__(self, point: Mapping[str, str], digits: int) -> None:
        self.point, self.digits, self.complex = point, digits, not point

    def value(self, node: Node) -> _Value:
        if isinstance(node, Num):
            return _Value(Decimal(node.value.numerator) / Decimal(node.value.denominator))
        if isinstance(node, Apply):
            parts = [self.value(argument) for argument in node.args]
            if node.op == "^" and parts[0].re < 0 and (degree := _odd_root(node.args[1])) is not None:
                parts = [self._root(parts[0], _Value(Decimal(degree.denominator))), _Value(Decimal(degree.numerator))]
            return self._apply(node.op, parts)
        return self._name(node)

    def _name(self, node: Name) -> _Value:
        if node.name == "i":
            return _Value(Decimal(0), Decimal(1))
        if node.name == "pi":
            return _Value(_pi(self.digits))
        if node.name == "e":
            return _Value(Decimal(1).exp())
        if node.name == "inf":
            raise Undefined("infinity")
        return _Value(Decimal(self.point[node.name]))

    def _apply(self, op: str, parts: list[_Value]) -> _Value:
        if op in ("+", "mixed"):
            return _Value(sum((p.re for p in parts), Decimal(0)), sum((p.im for p in parts), Decimal(0)))
        if op == "*":
            return _times(*parts)
        if op in ("/", "frac"):
            return _times(parts[0], _inverse(parts[1]))
        if op == "neg":
            return _Value(-parts[0].re, -parts[0].im)
        if op == "^":
            return self._power(*parts)
        if op == "root":
            return self._root(*parts)
        if op == "abs":
            return _Value(_modulus(parts[0]))
        if any(part.im for part in parts):
            raise Undefined("a function of a complex number")
        return _Value(self._real(op, [part.re for part in parts]))

    def _real(self, op: str, parts: list[Decimal]) -> Decimal:
        x = parts[0]
        pi = _pi(self.digits)
        if op == "deg":
            return x * pi / 180
        if op == "%":
            return x / 100
        if op == "ln":
            return _ln(x)
        if op == "log":
            return _ln(x) / _ln(parts[1])
        if op in ("floor", "ceil"):
            return x.to_integral_value("ROUND_FLOOR" if op == "floor" else "ROUND_CEILING")
        if op == "!":
            return _factorial(x, pi)
        if op == "binom":
            return _factorial(x, pi) / (_factorial(parts[1], pi) * _factorial(x - parts[1], pi))
        return REAL[op](x, pi)

    def _power(self, base: _Value, exponent: _Value) -> _Value:
        if exponent.im == 0 and exponent.re == exponent.re.to_integral_value():
            return _integer_power(base, exponent.re)
        if base.im == 0 and base.re > 0:
            log = base.re.ln()
            turn = exponent.im * log
            length = (exponent.re * log).exp()
            if not exponent.im:
                return _Value(length)
            pi = _pi(self.digits)
            return _Value(length * _cos(turn, pi), length * _sin(turn, pi))
        if base.im == 0 and exponent.re == Decimal("0.5"):
            return self._root(base, _Value(Decimal(2)))
        raise Undefined("a power of a number that is not positive")

    def _root(self, radicand: _Value, degree: _Value) -> _Value:
        if radicand.im or degree.im:
            raise Undefined("a root of a complex number")
        x, n = radicand.re, degree.re
        if x >= 0:
            return _Value(x.sqrt() if n == 2 else x ** (1 / n) if x else x)
        if n % 2 == 1:
            return _Value(-((-x) ** (1 / n)))
        if n == 2 and self.complex:
            return _Value(Decimal(0), (-x).sqrt())
        raise Undefined("an even root of a negative number")


def _odd_root(exponent: Node) -> Fraction | None:
    """Return an exponent p/q with an odd q above 1: there negative numbers have real powers, as (-8)^{1/3}."""
    try:
        value = rational(form(exponent))
    except ValueError:
        return None
    return value if value is not None and value.denominator > 1 and value.denominator % 2 else None


def _times(a: _Value, b: _Value) -> _Value:
    if not a.im and not b.im:
        return _Value(a.re * b.re)
    return _Value(a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re)


def _inverse(a: _Value) -> _Value:
    if not a.im:
        return _Value(1 / a.re)
    norm = a.re * a.re + a.im * a.im
    return _Value(a.re / norm, -a.im / norm)


def _modulus(a: _Value) -> Decimal:
    return abs(a.re) if not a.im else (a.re * a.re + a.im * a.im).sqrt()


def _integer_power(base: _Value, exponent: Decimal) -> _Value:
    if not base.im:
        return _Value(base.re**exponent)
    if abs(exponent) > 10_000:
        raise Undefined("a large power of a complex number")
    result, steps = _Value(Decimal(1)), abs(int(exponent))
    while steps:
        if steps & 1:
            result = _times(result, base)
        base, steps = _times(base, base), steps >> 1
    return result if exponent >= 0 else _inverse(result)


def _ln(x: Decimal) -> Decimal:
    if x <= 0:
        raise Undefined("a logarithm of a number that is not positive")
    return x.ln()


def _factorial(n: Decimal, pi: Decimal) -> Decimal:
    if n < 0 or n != n.to_integral_value():
        raise Undefined("a factorial of no natural number")
    if n <= 2_000:
        return Decimal(factorial(int(n)))
    # Stirling's series; its error is below 1e-50 here.
    bernoulli = ((1, 12), (-1, 360), (1, 1260), (-1, 1680), (1, 1188), (-691, 360360), (1, 156), (-3617, 122400))
    tail = sum((Decimal(a) / (b * n ** (2 * k + 1)) for k, (a, b) in enumerate(bernoulli)), Decimal(0))
    return ((n + Decimal("0.5")) * n.ln() - n + (2 * pi).ln() / 2 + tail).exp()


@lru_cache(maxsize=4)
def _pi(digits: int) -> Decimal:
    with localcontext(Context(prec=digits + 10)):
        return 16 * _arctan_inverse(5) - 4 * _arctan_inverse(239)


def _arctan_inverse(n: int) -> Decimal:
    """Return arctan(1/n) by its series, to the precision of the context."""
    power = total = 1 / Decimal(n)
    step, sign = 1, 1
    while True:
        power /= n * n
        step, sign = step + 2, -sign
        new = total + sign * power / step
        if new == total:
            return total
        total = new


def _sin(x: Decimal, pi: Decimal) -> Decimal:
    if abs(x) > 10**12:
        raise Undefined("an angle too large")
    x = x.remainder_near(2 * pi)
    total = term = x
    step = 1
    while abs(term) > Decimal(10) ** -120:
        step += 2
        term *= -x * x / (step * (step - 1))
        total += term
    return total


def _cos(x: Decimal, pi: Decimal) -> Decimal:
    return _sin(x + pi / 2, pi)


def _arctan(x: Decimal, pi: Decimal) -> Decimal:
    if abs(x) > 1:
        return (pi if x > 0 else -pi) / 2 - _arctan(1 / x, pi)
    # Two halvings of the angle make the series converge quickly.
    for _ in range(2):
        x = x / (1 + (1 + x * x).sqrt())
    power = total = x
    step, sign = 1, 1
    while abs(power) > Decimal(10) ** -120:
        power *= x * x
        step, sign = step + 2, -sign
        total += sign * power / step
    return 4 * total


def _arcsin(x: Decimal, pi: Decimal) -> Decimal:
    if abs(x) > 1:
        raise Undefined("an arcsine of more than 1")
    return pi / 2 * x if abs(x) == 1 else _arctan(x / (1 - x * x).sqrt(), pi)


REAL: dict[str, Callable[[Decimal, Decimal], Decimal]] = {
    "sin": _sin,
    "cos": _cos,
    "tan": lambda x, pi: _sin(x, pi) / _cos(x, pi),
    "cot": lambda x, pi: _cos(x, pi) / _sin(x, pi),
    "sec": lambda x, pi: 1 / _cos(x, pi),
    "csc": lambda x, pi: 1 / _sin(x, pi),
    "arctan": _arctan,
    "arcsin": _arcsin,
    "arccos": lambda x, pi: pi / 2 - _arcsin(x, pi),
    "sinh": lambda x, pi: (x.exp() - (-x).exp()) / 2,
    "cosh": lambda x, pi: (x.exp() + (-x).exp()) / 2,
    "tanh": lambda x, pi: (x.exp() - (-x).exp()) / (x.exp() + (-x).exp()),
}


def decimal_value(node: Node) -> Decimal | None:
    """Return the real value of an expression without variables, else `None`."""
    if names(node) or any(part == Name("inf") for part in walk(node)):
        return None
    with localcontext(_context(DIGITS[1])):
        value = _settled(node, {})
    return value.re if isinstance(value, _Value) and not value.im else None
