"""How a number is printed: percent with one decimal, `--` where it is missing, nothing where it cannot exist."""

from ablations.estimates import FEWEST_FOR_STARS, Estimate

MISSING = "--"


def percent(share: float | None) -> str:
    """Print a fraction as percent with one decimal: 0.6124 is `61.2`."""
    return MISSING if share is None else f"{100 * share + 0.0:.1f}"


def points(difference: float | None) -> str:
    """Print a difference of fractions in percentage points, always signed: -0.012 is `-1.2`."""
    text = MISSING if difference is None else f"{100 * difference:+.1f}"
    return "+0.0" if text == "-0.0" else text


def with_interval(estimate: Estimate, signed: bool = False) -> str:
    """Print `61.2 ± 1.3` (percent; half the 95 % interval), or the bare value where there is no interval."""
    value = points(estimate.value) if signed else percent(estimate.value)
    return value if estimate.half_width is None else f"{value} ± {percent(estimate.half_width)}"


def bracketed(estimate: Estimate) -> str:
    """Print `+5.0 points [+1.2, +8.8]`, as a sentence holds it."""
    value = f"{points(estimate.value)} points"
    return value if estimate.low is None else f"{value} [{points(estimate.low)}, {points(estimate.high)}]"


def p_value(p: float | None, seeds: int) -> str:
    """Print p with three decimals, and stars (* below 0.05, ** below 0.01) only from five seeds on."""
    if p is None:
        return MISSING
    stars = "" if seeds < FEWEST_FOR_STARS else "**" if p < 0.01 else "*" if p < 0.05 else ""
    return ("<0.001" if p < 0.001 else f"{p:.3f}") + stars


def whole(value: float | None) -> str:
    """Print a count without decimals."""
    return MISSING if value is None else f"{value:.0f}"


def minutes(value: float | None) -> str:
    """Print minutes with one decimal, and without one from ten on."""
    return MISSING if value is None else f"{value:.1f}" if value < 10 else f"{value:.0f}"
