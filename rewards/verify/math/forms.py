r"""Exact normal forms: quotients of polynomials in variables, constants, radicals and opaque parts.

Generators are variables, pi, e, i, primes under fractional exponents (so that \sqrt{12} is 2*3^{1/2}), roots of
polynomials, powers with a variable exponent, and functions of normal forms. Two expressions with one form are equal.
The converse holds as long as only variables, i, radicals of rationals and one of pi and e occur: real radicals of
distinct monomials in primes are linearly independent over the rationals (Besicovitch 1940), and each of pi and e is
transcendental.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import reduce
from math import comb
from typing import Any

from rewards.verify.math.cost import check_bits, check_terms, power_bits
from rewards.verify.math.polynomial import ONE, PI, UNIT, E, Generator, Poly, add, multiply, reduced

__all__ = [
    "Form",
    "Opaque",
    "bounded",
    "certain",
    "constant",
    "integer_power",
    "inverse",
    "product",
    "quotient",
    "ratio",
    "rational",
    "same",
    "single",
    "total",
]


class Opaque(ValueError):
    """The expression has no normal form here (it is undefined, infinite or outside the known functions)."""


@dataclass(frozen=True)
class Form:
    """`top` / `bottom`; the bottom is 1 wherever it was a single term."""

    top: Poly
    bottom: Poly

    @property
    def key(self) -> tuple[frozenset[Any], frozenset[Any]]:
        return frozenset(self.top.items()), frozenset(self.bottom.items())


def constant(value: Fraction | int) -> Form:
    """Return the form of a rational number."""
    return Form({ONE: Fraction(value)} if value else {}, UNIT)


def single(generator: Generator, exponent: Fraction | int = 1) -> Form:
    """Return the form of one generator under an exponent."""
    return Form({frozenset([(generator, Fraction(exponent))]): Fraction(1)}, UNIT)


def bounded(value: Form) -> Form:
    """Return the form itself. Raises `TooLarge` where its coefficients have outgrown all answers."""
    for poly in (value.top, value.bottom):
        for coefficient in poly.values():
            check_bits(max(coefficient.numerator.bit_length(), coefficient.denominator.bit_length()))
    return value


def rational(value: Form) -> Fraction | None:
    """Return the value of a form that is a rational number, else `None`."""
    if value.bottom != UNIT or any(monomial != ONE for monomial in value.top):
        return None
    return value.top.get(ONE, Fraction(0))


def same(a: Form, b: Form) -> bool:
    """Return whether two forms are one, by cross-multiplication."""
    if a.bottom == b.bottom:
        return a.top == b.top
    return multiply(a.top, b.bottom) == multiply(b.top, a.bottom)


def certain(*forms: Form) -> bool:
    """Whether different forms prove different values: see the module's docstring."""
    found = {generator for one in forms for poly in (one.top, one.bottom) for m in poly for generator, _ in m}
    return all(generator[0] in ("s", "p", "i", "pi", "e") for generator in found) and not {PI, E} <= found


def ratio(a: Form, b: Form) -> Fraction | None:
    """Return the rational c with top(a) = c * top(b), `None` where there is none."""
    if not a.top or a.top.keys() != b.top.keys():
        return None
    monomial = next(iter(a.top))
    factor = a.top[monomial] / b.top[monomial]
    return factor if all(value == factor * b.top[m] for m, value in a.top.items()) else None


def product(a: Form, b: Form) -> Form:
    """Return a * b."""
    return quotient(multiply(a.top, b.top), multiply(a.bottom, b.bottom))


def quotient(top: Poly, bottom: Poly) -> Form:
    """Return the form of top / bottom; a single term below is moved to the top."""
    if not bottom:
        raise Opaque("a division by zero")
    if not top:
        return Form({}, UNIT)
    if len(bottom) > 1:
        return Form(top, bottom)
    [(monomial, value)] = bottom.items()
    inverse, below = [], UNIT
    for generator, exponent in monomial:
        # A root of a polynomial never gets a negative exponent: it would have two spellings.
        if generator[0] == "poly":
            inverse.append((generator, 1 - exponent))
            below = multiply(below, dict(generator[1]))
        elif generator[0] == "f":
            below = multiply(below, {frozenset([(generator, exponent)]): Fraction(1)})
        else:
            inverse.append((generator, -exponent))
    factor, left, _ = reduced(dict(inverse))
    return Form(multiply(top, {left: factor / value}), below)


def total(a: Form, b: Form) -> Form:
    """Return a + b."""
    if a.bottom == b.bottom:
        return quotient(add(a.top, b.top), a.bottom)
    top = add(multiply(a.top, b.bottom), multiply(b.top, a.bottom))
    return quotient(top, multiply(a.bottom, b.bottom))


def inverse(a: Form) -> Form:
    """Return 1 / a. Raises `Opaque` for zero."""
    return quotient(a.bottom, a.top)


def integer_power(a: Form, exponent: int) -> Form:
    """Return a ** exponent. Raises `TooLarge` before anything large is computed."""
    if exponent < 0:
        return integer_power(inverse(a), -exponent)
    if len(a.top) <= 1 and a.bottom == UNIT:
        return _term_power(a, exponent)
    size = max(len(a.top), len(a.bottom))
    check_terms(comb(exponent + size - 1, exponent) if exponent < 10_000 else exponent)
    for value in (*a.top.values(), *a.bottom.values()):
        check_bits(power_bits(value, exponent))
    result, square = constant(1), a
    while exponent:
        if exponent & 1:
            result = product(result, square)
        exponent >>= 1
        if exponent:
            square = product(square, square)
    return result


def _term_power(a: Form, exponent: int) -> Form:
    if not a.top:
        if exponent == 0:
            raise Opaque("0 to the power of 0")
        return a
    [(monomial, value)] = a.top.items()
    check_bits(power_bits(value, exponent))
    if not monomial:
        return constant(value**exponent)
    for generator, power in monomial:
        if generator[0] == "p":
            check_bits(power_bits(Fraction(generator[1]), int(power * exponent)))
    if any(generator[0] in ("poly", "f") for generator, _ in monomial):
        check_terms(exponent * exponent)
        return reduce(product, [a] * exponent, constant(1))
    factor, left, _ = reduced({generator: power * exponent for generator, power in monomial})
    return Form({left: value**exponent * factor}, UNIT)
