"""Polynomials over the rationals in generators that may be reduced: primes under a root, i, roots, cosines.

A polynomial maps monomials to coefficients that are not 0; a monomial is a set of (generator, exponent).
"""

from __future__ import annotations

from fractions import Fraction
from functools import reduce
from math import gcd
from typing import Any

from rewards.verify.math.cost import check_bits, check_terms

__all__ = [
    "ONE",
    "PI",
    "UNIT",
    "E",
    "Generator",
    "I",
    "Monomial",
    "Poly",
    "add",
    "content",
    "multiply",
    "reduced",
    "scale",
]

Generator = tuple[Any, ...]
Monomial = frozenset[tuple[Generator, Fraction]]
Poly = dict[Monomial, Fraction]

ONE: Monomial = frozenset()
PI: Generator = ("pi",)
E: Generator = ("e",)
I: Generator = ("i",)  # noqa: E741
UNIT: Poly = {ONE: Fraction(1)}


def add(a: Poly, b: Poly) -> Poly:
    """Return a + b."""
    total = dict(a)
    for monomial, value in b.items():
        value += total.get(monomial, 0)
        if value:
            total[monomial] = value
        else:
            total.pop(monomial, None)
    return total


def scale(a: Poly, factor: Fraction) -> Poly:
    """Return a polynomial times a rational."""
    return {monomial: value * factor for monomial, value in a.items()} if factor else {}


def multiply(a: Poly, b: Poly) -> Poly:
    """Return a * b, reduced. Raises `TooLarge` for too many terms."""
    if a == UNIT:
        return b
    if b == UNIT:
        return a
    check_terms(len(a) * len(b))
    total: Poly = {}
    rest: Poly = {}
    for left, x in a.items():
        for right, y in b.items():
            factor, monomial, whole = _join(left, right)
            value = x * y * factor
            if whole:
                piece = reduce(multiply, whole, {monomial: value})
                rest = add(rest, piece)
                continue
            value += total.get(monomial, 0)
            total[monomial] = value
    total = {monomial: value for monomial, value in total.items() if value}
    return add(total, rest) if rest else total


def _join(left: Monomial, right: Monomial) -> tuple[Fraction, Monomial, list[Poly]]:
    """Multiply monomials: what has become rational goes to the factor, what has become a polynomial to the list."""
    if not left or not right:
        return Fraction(1), left or right, []
    exponents = dict(left)
    for generator, exponent in right:
        exponents[generator] = exponents.get(generator, Fraction(0)) + exponent
    return reduced(exponents)


def reduced(exponents: dict[Generator, Fraction]) -> tuple[Fraction, Monomial, list[Poly]]:
    """Return (rational factor, monomial, polynomial factors) of a product of generators, all of it reduced."""
    factor, whole = Fraction(1), []
    for generator, exponent in list(exponents.items()):
        kind = generator[0]
        if kind == "p" and not 0 <= exponent < 1:
            steps = exponent.numerator // exponent.denominator
            factor *= Fraction(generator[1]) ** steps
            exponents[generator] = exponent - steps
        elif kind == "i":
            quarter = int(exponent) % 4
            factor *= -1 if quarter >= 2 else 1
            exponents[generator] = Fraction(quarter % 2)
        elif kind == "poly" and exponent >= 1:
            whole.append(dict(generator[1]))
            exponents[generator] = exponent - 1
        elif generator[:2] == ("f", "cos") and exponent >= 2 and exponent.denominator == 1:
            sine = ("f", "sin", generator[2])
            whole += [{ONE: Fraction(1), frozenset([(sine, Fraction(2))]): Fraction(-1)}] * int(exponent // 2)
            exponents[generator] = exponent % 2
    return factor, frozenset((g, x) for g, x in exponents.items() if x), whole


def content(poly: Poly) -> Fraction:
    """Return the rational that leaves integer coefficients without a common factor."""
    top = reduce(gcd, (abs(value.numerator) for value in poly.values()))
    bottom = reduce(lambda a, b: a * b // gcd(a, b), (value.denominator for value in poly.values()))
    check_bits(bottom.bit_length())
    return Fraction(top, bottom)
