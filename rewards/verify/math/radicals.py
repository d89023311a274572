"""Radicals and powers in normal form: roots of rationals, of monomials and of polynomials, variable exponents."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache

from rewards.verify.math.cost import TooLarge, check_bits, power_bits
from rewards.verify.math.forms import (
    Form,
    Opaque,
    constant,
    integer_power,
    inverse,
    product,
    rational,
    single,
    total,
)
from rewards.verify.math.polynomial import ONE, PI, UNIT, E, Generator, I, Poly, content, reduced, scale

__all__ = ["cosine", "factors", "power", "rational_power"]


@lru_cache(maxsize=2048)
def factors(number: int) -> tuple[tuple[int, int], ...]:
    """Return the prime factors of a positive integer; a large remainder without small factors stays whole."""
    found = []
    divisor = 2
    while divisor * divisor <= number and divisor < 3_000:
        power = 0
        while number % divisor == 0:
            number //= divisor
            power += 1
        if power:
            found.append((divisor, power))
        divisor += 1 if divisor == 2 else 2
    if number > 1:
        if number > 9_000_000:
            raise Opaque("the radicand has no small factors")
        found.append((number, 1))
    return tuple(found)


def rational_power(value: Fraction, exponent: Fraction) -> Form:
    """Return value ** exponent in the reals; i appears only under square roots."""
    if value == 0:
        if exponent <= 0:
            raise Opaque("a power of zero")
        return constant(0)
    if value < 0:
        if exponent.denominator == 2:
            return product(single(I, exponent.numerator % 4), rational_power(-value, exponent))
        if exponent.denominator % 2 == 0:
            raise Opaque("an even root of a negative number")
        return product(constant((-1) ** (exponent.numerator % 2)), rational_power(-value, exponent))
    result = constant(1)
    signed = [(p, k) for p, k in factors(value.numerator)] + [(p, -k) for p, k in factors(value.denominator)]
    for prime, power in signed:
        check_bits(power_bits(Fraction(prime), int(power * exponent)))
        factor, left, _ = reduced({("p", prime): power * exponent})
        result = product(result, Form({left: factor}, UNIT))
    return result


def root(poly: Poly, exponent: Fraction) -> Form:
    """Return poly ** exponent for 0 < exponent < 1 or any proper fraction, in the real domain."""
    if len(poly) == 1:
        [(monomial, value)] = poly.items()
        result = rational_power(value, exponent)
        for generator, power in monomial:
            result = product(result, _generator_power(generator, power, exponent))
        return result
    if not poly:
        return constant(0)
    factor = content(poly)
    primitive = scale(poly, 1 / factor)
    whole = exponent.numerator // exponent.denominator
    generator = ("poly", frozenset(primitive.items()))
    root = single(generator, exponent - whole)
    if whole:
        root = product(root, integer_power(Form(primitive, UNIT), whole))
    return product(rational_power(factor, exponent), root)


def _generator_power(generator: Generator, power: Fraction, exponent: Fraction) -> Form:
    if generator[0] == "i":
        raise Opaque("a root of a complex number")
    raised = power * exponent
    if generator[0] == "poly":
        raise Opaque("a root of a root")
    if generator[0] == "p":
        return rational_power(Fraction(generator[1]), raised)
    positive = generator[0] in ("pi", "e", "exp", "abs")
    # The square root of x^2 is |x|, and of x^4 it is x^2.
    even = power.denominator == 1 and power.numerator % 2 == 0
    if not positive and even and exponent.denominator % 2 == 0 and not (raised.denominator == 1 and raised % 2 == 0):
        generator = ("abs", generator)
    return single(generator, raised)


def power(base: Form, exponent: Form) -> Form:
    """Return base ** exponent. Raises `Opaque` and `TooLarge`."""
    fixed = rational(exponent)
    if fixed is None:
        return _variable_power(base, exponent)
    if fixed.denominator == 1:
        try:
            return integer_power(base, fixed.numerator)
        except TooLarge:
            return _huge(base, fixed.numerator)
    if abs(fixed) > 1_000:
        raise TooLarge("the exponent is too large")
    return product(root(base.top, fixed), inverse(root(base.bottom, fixed)))


def _huge(base: Form, exponent: int) -> Form:
    """Return a power that is never computed, by the primes of its base: 4^{50000} is 2^{100000}."""
    value = rational(base)
    if not value:
        raise TooLarge("the power is too large")
    result = constant((-1) ** (exponent % 2) if value < 0 else 1)
    for prime, times in factors(abs(value.numerator)):
        result = product(result, single(("huge", prime), times * exponent))
    for prime, times in factors(value.denominator):
        result = product(result, single(("huge", prime), -times * exponent))
    return result


def _variable_power(base: Form, exponent: Form) -> Form:
    """Split base^(a+b) into base^a base^b, so that 2^{x+1} is 2*2^x and 4^x is 2^{2x}."""
    if exponent.bottom != UNIT or base.bottom != UNIT or len(base.top) != 1:
        raise Opaque("a power with a variable exponent")
    [(monomial, value)] = base.top.items()
    if value <= 0 or (monomial and (value != 1 or len(monomial) > 1)):
        raise Opaque("a power with a variable exponent")
    pieces: list[tuple[Generator, Fraction]] = list(monomial)
    pieces += [(("p", p), Fraction(k)) for p, k in factors(value.numerator)]
    pieces += [(("p", p), Fraction(-k)) for p, k in factors(value.denominator)]
    result = constant(1)
    for term, coefficient in exponent.top.items():
        if any(generator == I for generator, _ in term):
            return _rotation(base, exponent)
        for generator, times in pieces:
            if term == ONE:
                whole = constant(generator[1]) if generator[0] == "p" else single(generator)
                piece = power(whole, constant(coefficient * times))
            else:
                piece = single(("exp", generator, term), coefficient * times)
            result = product(result, piece)
    return result


def _rotation(base: Form, exponent: Form) -> Form:
    """Return e^{i q pi} = cos(q pi) + i sin(q pi) for rational q."""
    turns = exponent.top.get(frozenset([(PI, Fraction(1)), (I, Fraction(1))]))
    if base.key != single(E).key or turns is None or len(exponent.top) != 1:
        raise Opaque("a complex power")
    return total(cosine(turns), product(single(I), cosine(turns - Fraction(1, 2))))


def cosine(turn: Fraction) -> Form:
    """Return cos(turn * pi) where it is a radical that everybody knows: multiples of pi/6, pi/4, pi/5 and pi/12."""
    turn = abs(turn) % 2
    turn = 2 - turn if turn > 1 else turn
    if turn > Fraction(1, 2):
        return product(constant(-1), cosine(1 - turn))
    two, three, five, six = (rational_power(Fraction(n), Fraction(1, 2)) for n in (2, 3, 5, 6))
    known: dict[Fraction, Callable[[], Form]] = {
        Fraction(0): lambda: constant(1),
        Fraction(1, 2): lambda: constant(0),
        Fraction(1, 3): lambda: constant(Fraction(1, 2)),
        Fraction(1, 4): lambda: product(constant(Fraction(1, 2)), two),
        Fraction(1, 6): lambda: product(constant(Fraction(1, 2)), three),
        Fraction(1, 5): lambda: product(constant(Fraction(1, 4)), total(five, constant(1))),
        Fraction(2, 5): lambda: product(constant(Fraction(1, 4)), total(five, constant(-1))),
        Fraction(1, 12): lambda: product(constant(Fraction(1, 4)), total(six, two)),
        Fraction(5, 12): lambda: product(constant(Fraction(1, 4)), total(six, product(constant(-1), two))),
    }
    if turn not in known:
        raise Opaque("a cosine without a short radical")
    return known[turn]()
