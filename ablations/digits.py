"""How a number is printed: no digit that its error does not support, `--` where it is missing, never 0 for it.

The error is half of a 95 % interval. It keeps two significant digits and the number as many decimals as the error
(BIPM, Guide to the Expression of Uncertainty in Measurement, 7.2.6), but percentages never more than one decimal.
"""

from ablations.estimates import FEWEST_FOR_STARS, Estimate

MISSING = "--"


def decimals(error: float | None, most: int = 1) -> int:
    """Return the decimals of a number: 0.52 has 1 (at most `most`), 7.8 has 1, 58 has 0, 317 has -1; `most` without."""
    if not error:
        return most
    exponent = int(f"{error:.1e}".partition("e")[2])
    return min(most, 1 - exponent)


def rounded(value: float, places: int, sign: str = "") -> str:
    """Print `value` with that many decimals, to tens where they are -1; no minus zero."""
    return f"{round(value, places) + 0.0:{sign}.{max(places, 0)}f}"


def percent(share: float | None, error: float | None = None) -> str:
    """Print a fraction as percent: 0.6124 is `61.2`, or `61` with an error of 0.2."""
    return MISSING if share is None else rounded(100 * share, decimals(error and 100 * error))


def points(difference: float | None, error: float | None = None) -> str:
    """Print a difference of fractions in percentage points, always signed: -0.012 is `-1.2`."""
    return MISSING if difference is None else rounded(100 * difference, decimals(error and 100 * error), "+")


def with_interval(estimate: Estimate, signed: bool = False) -> str:
    """Print `61.2 ± 1.3` or `28 ± 58` (percent; half the 95 % interval), or the bare value without an interval."""
    half = estimate.half_width
    value = (points if signed else percent)(estimate.value, half)
    return value if half is None else f"{value} ± {percent(half, half)}"


def bracketed(estimate: Estimate) -> str:
    """Print `+5.0 points [+1.2, +8.8]`, as a sentence holds it.

    An interval without 0 is not rounded to one with it: `[-32, -0.3]`.
    """
    error = estimate.half_width
    value, low, high = (points(each, error) for each in (estimate.value, estimate.low, estimate.high))
    if estimate.excludes_zero:
        low, high = (
            points(bound) if float(text) == 0 else text for text, bound in ((low, estimate.low), (high, estimate.high))
        )
    return f"{value} points" if estimate.low is None else f"{value} points [{low}, {high}]"


def p_value(p: float | None, seeds: int) -> str:
    """Print p with three decimals, and stars (* below 0.05, ** below 0.01) only from five seeds on."""
    if p is None:
        return MISSING
    stars = "" if seeds < FEWEST_FOR_STARS else "**" if p < 0.01 else "*" if p < 0.05 else ""
    return ("<0.001" if p < 0.001 else f"{p:.3f}") + stars


def whole(value: float | None, error: float | None = None) -> str:
    """Print a count without decimals: 78374 with an error of 1200 is `78400`."""
    return MISSING if value is None else rounded(value, decimals(error, 0))


def minutes(value: float | None, error: float | None = None) -> str:
    """Print minutes with one decimal at most, and without one from ten on."""
    return MISSING if value is None else rounded(value, decimals(error, 1 if value < 10 else 0))
