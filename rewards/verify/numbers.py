r"""Numbers as people and models write them, read exactly.

Understood: signs (also unicode minus), grouping by commas, spaces, apostrophes and the Indian way, decimals (also with
a comma where it can be nothing else), leading and trailing zeros, digits of any script, currency signs, percent, a/b,
mixed numbers, `\frac`, 1.8e3, 1.8 x 10^3, thousand/million/dozen/..., 18k. Values are `fractions.Fraction`, so 18.00 is
18 and 0.1 is one tenth. Every pattern is linear and every size is bounded.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

__all__ = ["Found", "Number", "canonical", "find", "normalise", "number", "plain", "same"]

# Python refuses to read integers beyond 4,300 digits; no answer anywhere near that length is meant.
MAX_DIGITS = 300

_SAME_AS = {
    **dict.fromkeys("\u2212\u2010\u2011\u2012\u2013\ufe63\uff0d", "-"),
    **dict.fromkeys("\u00a0\u2007\u2009\u200a\u202f\u2002\u2003\u3000", " "),
    **dict.fromkeys("\u200b\u2060\ufeff", ""),
    **{"\uff0c": ",", "\uff0e": ".", "\uff05": "%", "\uff03": "#", "\uff04": "$", "\uff1a": ":", "\uff0f": "/"},
    **{"\u066b": ".", "\u066c": ",", "\u2044": "/", "\uff0b": "+", "\uff1d": "="},
    **{"\u00bd": " 1/2", "\u00bc": " 1/4", "\u00be": " 3/4", "\u2153": " 1/3", "\u2154": " 2/3"},
    **{"\u215b": " 1/8", "\u215c": " 3/8", "\u215d": " 5/8", "\u215e": " 7/8", "\u2155": " 1/5"},
    "\u2019": "'",
}

GROUPED = re.compile(r"[0-9]{1,3}(?:,[0-9]{3})+|[0-9]{1,2}(?:,[0-9]{2})+,[0-9]{3}")
# "1.234,56" and "18,5": the comma cannot group, so it is the decimal sign of another country.
DECIMAL_COMMA = re.compile(r"(?P<whole>[0-9]+|[0-9]{1,3}(?:\.[0-9]{3})+),(?P<decimals>[0-9]{1,2})")

RUN = r"[1-9][0-9]{0,2}(?:[ '][0-9]{3})+(?![0-9])(?:\.[0-9]+)?|[0-9]+(?:[.,][0-9]+)*"
SCALES = {
    **{"dozen": 12, "hundred": 100, "thousand": 10**3, "lakh": 10**5, "million": 10**6, "crore": 10**7},
    **{"billion": 10**9, "trillion": 10**12, "k": 10**3, "m": 10**6, "mn": 10**6, "bn": 10**9},
}

NUMBER = re.compile(
    rf"""(?<![A-Za-z0-9_^])(?<![0-9]\.)(?:
        (?P<whole>[0-9]{{1,9}})[ ](?P<top>[0-9]{{1,9}})/(?P<bottom>[0-9]{{1,9}})(?![\w.,/]*[0-9])
      | (?P<run>{RUN}|\.[0-9]+)
        (?:(?:[eE]|[ ]?[x*\u00d7][ ]?10[ ]?\^[ ]?)(?P<exponent>[+-]?[0-9]{{1,9}})(?!\w))?
        (?:[ ]?/[ ]?(?P<under>{RUN}))?
        (?:[ ]?(?P<scale>dozen|hundred|thousand|lakh|million|crore|billion|trillion|k|mn|bn|(?-i:M))\b)?
      )(?P<percent>[ ]?%|[ ]percent\b)?""",
    re.VERBOSE | re.IGNORECASE | re.ASCII,
)

# Looks back from the first digit: a sign may stand before or behind the currency sign.
PREFIX = re.compile(r"(?P<outer>[-+]?)(?P<gap>[ ]?)[$\u20ac\u00a3\u00a5\u20b9]?[ ]?(?P<inner>-?)$")

# "15 minus 12" subtracts.
WORD_SIGN = re.compile(r"(?<![0-9)%] )\b(?:negative|minus) [$\u20ac\u00a3]?\Z", re.IGNORECASE)

LATEX = [
    (re.compile(r"\{,\}|\\[!,;:]"), ""),
    (re.compile(r"\\(?:times|cdot)\s*10\s*\^\s*\{?\s*([+-]?[0-9]{1,2})\s*\}?"), r"x10^\1"),
    (re.compile(r"\\([$%])"), r"\1"),
    (re.compile(r"\^\{?\\circ\}?|\\(?:text)?color\s*\{[A-Za-z]{1,20}\}"), " "),
    (re.compile(r"(?<=[0-9])\s*\\[dt]?frac\s*\{([0-9]{1,9})\}\s*\{([0-9]{1,9})\}"), r" \1/\2"),
    (re.compile(r"\\[dt]?frac\s*\{([0-9]{1,9})\}\s*\{([0-9]{1,9})\}"), r"\1/\2"),
    (re.compile(r"\\[dt]?frac\s*([0-9])\s*([0-9])(?![0-9])"), r"\1/\2"),
    (re.compile(r"\\(?:f?box(?:ed)?|text(?:bf|it|rm)?|math(?:bf|rm|it)|mbox|left|right)(?![A-Za-z])"), " "),
    (re.compile(r"\\(?:approx|q?quad|displaystyle|dollars?|euro|pounds)(?![A-Za-z])|\\[\[\]() ]|[{}`]|~"), " "),
    # Markdown's stars, not the one of 9*2.
    (re.compile(r"\*{2,}|(?<![0-9)])(?<![0-9)] )\*|\*(?![ ]?[0-9(.$])"), " "),
    # Markdown's underscores, not the one of 1_000.
    (re.compile(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])"), " "),
]


@dataclass(frozen=True)
class Number:
    """An exact value. `percent` remembers a written %, whose value is the number before it: 60% is 60."""

    value: Fraction
    percent: bool = False


@dataclass(frozen=True)
class Found:
    """A place in a text that looks like a number; `number` is `None` where it cannot be read as exactly one."""

    start: int
    end: int
    number: Number | None


def normalise(text: str) -> str:
    """Return `text` with ASCII digits, signs, separators and spaces; digits become digits, never exponents."""
    return text if text.isascii() else text.translate(_TABLE)


class _Table(dict[int, str]):
    """The characters that are rewritten, found out as they are met."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        # unicodedata.decimal, not NFKC: NFKC turns the superscript of 1\u2078 into an ordinary 8.
        digit = None if code < 128 else unicodedata.decimal(character, None)
        self[code] = _SAME_AS.get(character, character) if digit is None else str(digit)
        return self[code]


_TABLE = _Table()


def plain(text: str) -> str:
    """Return `text` without the LaTeX and markdown that dresses up a number; unknown commands stay."""
    for pattern, replacement in LATEX:
        text = pattern.sub(replacement, text)
    return text


@lru_cache(maxsize=4096)
def number(simple: str) -> Number:
    """Return the value of text that is one plain number: digits, commas, at most one point, a sign, a dollar."""
    digits = simple.strip().removesuffix(".").replace("$", "").replace(",", "")
    return Number(Fraction(digits) if "." in digits else Fraction(int(digits)))


def find(text: str) -> list[Found]:
    """Return every number in normalised `text`, in order; digits glued to letters (`x2`, `m^2`) are none."""
    return [_found(text, match) for match in NUMBER.finditer(text)]


def _found(text: str, match: re.Match[str]) -> Found:
    start, negative = _sign(text, match.start())
    value = _value(match)
    if value is None:
        return Found(start, match.end(), None)
    return Found(start, match.end(), Number(-value if negative else value, match["percent"] is not None))


def _sign(text: str, start: int) -> tuple[int, bool]:
    """Return where the number begins with its sign and currency, and whether it is negative."""
    if word := WORD_SIGN.search(text[max(0, start - 14) : start]):
        return start - len(word[0]), True
    low = max(0, start - 5)
    prefix = PREFIX.search(text[low:start])
    if prefix is None or not (prefix["outer"] or prefix["inner"]):
        return start, False
    if prefix["outer"]:
        begin = low + prefix.start()
        # "16 - 3" and "eggs - 3": with a blank behind it, the dash stands between two things.
        between = r"[\w)\]%]\s{0,9}\Z" if prefix["gap"] else r"[\w)\]%]\Z"
    else:
        begin = low + prefix.start() + len(prefix["gap"])
        # "16 -3" subtracts, "is -3" does not.
        between = r"(?:[0-9)\]%]\s{0,9}|\w)\Z"
    if re.search(between, text[max(0, begin - 10) : begin]):
        return start, False
    return begin, "-" in (prefix["outer"], prefix["inner"])


def _value(match: re.Match[str]) -> Fraction | None:
    if match["whole"] is not None:
        part = _ratio(Fraction(match["top"]), Fraction(match["bottom"]))
        return None if part is None else Fraction(match["whole"]) + part
    value = _run(match["run"])
    if value is not None and match["exponent"]:
        exponent = int(match["exponent"])
        value = value * Fraction(10) ** exponent if abs(exponent) <= MAX_DIGITS else None
    if value is not None and match["under"] is not None:
        under = _run(match["under"])
        value = None if under is None else _ratio(value, under)
    if value is not None and match["scale"]:
        value *= SCALES[match["scale"].lower()]
    return value


def _ratio(top: Fraction, bottom: Fraction) -> Fraction | None:
    # 36/2 is a sum left undone, not a number: only a ratio that is no integer is a final answer.
    if bottom == 0 or (top / bottom).denominator == 1:
        return None
    return top / bottom


def _run(run: str) -> Fraction | None:
    """Read digits with grouping and at most one decimal point; `1.2.3`, `1,2,3` and `1.000,5` are no number."""
    if len(run) > MAX_DIGITS:
        return None
    if "," in run and (foreign := DECIMAL_COMMA.fullmatch(run)):
        return Fraction(f"{foreign['whole'].replace('.', '')}.{foreign['decimals']}")
    whole, _, decimals = run.replace(" ", "").replace("'", "").partition(".")
    if decimals and not decimals.isdigit():
        return None
    if "," in whole and not GROUPED.fullmatch(whole):
        return None
    return Fraction(f"{whole.replace(',', '') or '0'}.{decimals or '0'}")


def same(answer: Number, gold: Number) -> bool:
    """Return whether two numbers are equal, exactly.

    A percent sign is a unit: 60% = 60 and 1800% is not 18. Only where the gold is a bare share in (0, 1) does 60% also
    mean 0.6; a free factor of 100 is never granted.
    """
    if answer.percent and not gold.percent and 0 < gold.value < 1:
        return answer.value == gold.value * 100
    return answer.value == gold.value


def canonical(number: Number) -> str:
    """Return `18`, `12.5` (where at most 12 decimals are exact) or `1/3`, with `%` if it was written."""
    value = number.value
    if value.denominator == 1:
        text = str(value.numerator)
    elif (scaled := value * 10**12).denominator == 1:
        digits = str(abs(scaled.numerator)).rjust(13, "0")
        text = f"{'-' if value < 0 else ''}{digits[:-12]}.{digits[-12:].rstrip('0')}"
    else:
        text = f"{value.numerator}/{value.denominator}"
    return text + "%" * number.percent
