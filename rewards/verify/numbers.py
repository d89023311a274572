r"""Numbers as people and models write them, read exactly.

Understood: signs (also unicode minus), western and Indian grouping, decimals, leading and trailing zeros, digits of any
script, currency signs, percent, a/b, mixed numbers, `\frac`, 1.8e3, thousand/million/..., 18k. Values are
`fractions.Fraction`, so 18.00 is 18 and 0.1 is one tenth. Every pattern is linear and every size is bounded.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from fractions import Fraction

__all__ = ["Found", "Number", "canonical", "find", "normalise", "plain", "same"]

# Python refuses to read integers beyond 4,300 digits; no answer anywhere near that length is meant.
MAX_DIGITS = 300

_SAME_AS = {
    **dict.fromkeys("\u2212\u2010\u2011\u2012\u2013\ufe63\uff0d", "-"),
    **dict.fromkeys("\u00a0\u2007\u2009\u200a\u202f\u2002\u2003\u3000", " "),
    **dict.fromkeys("\u200b\u2060\ufeff", ""),
    **{"\uff0c": ",", "\uff0e": ".", "\uff05": "%", "\uff03": "#", "\uff04": "$", "\uff1a": ":", "\uff0f": "/"},
    **{"\u066b": ".", "\u066c": ",", "\u2044": "/", "\uff0b": "+", "\uff1d": "="},
    **{"\u00bd": " 1/2", "\u00bc": " 1/4", "\u00be": " 3/4", "\u2153": " 1/3", "\u2154": " 2/3"},
}

GROUPED = re.compile(r"[0-9]{1,3}(?:,[0-9]{3})+|[0-9]{1,2}(?:,[0-9]{2})+,[0-9]{3}")

RUN = r"[0-9]+(?:[.,][0-9]+)*"
SCALES = {"hundred": 2, "thousand": 3, "k": 3, "million": 6, "billion": 9, "trillion": 12}

NUMBER = re.compile(
    rf"""(?<![\w.^])(?:
        (?P<whole>[0-9]{{1,9}})[ ](?P<top>[0-9]{{1,9}})/(?P<bottom>[0-9]{{1,9}})(?![\w.,/]*[0-9])
      | (?P<run>{RUN}|\.[0-9]+)
        (?:[eE](?P<exponent>[+-]?[0-9]{{1,2}})(?!\w))?
        (?:[ ]?/[ ]?(?P<under>{RUN}))?
        (?:[ ]?(?P<scale>hundred|thousand|million|billion|trillion|k)\b)?
      )(?P<percent>[ ]?%|[ ]percent\b)?""",
    re.VERBOSE | re.IGNORECASE,
)

# Looks back from the first digit: a sign may stand before or behind the currency sign.
PREFIX = re.compile(r"(?P<outer>[-+]?)(?P<gap>[ ]?)[$\u20ac\u00a3\u00a5\u20b9]?[ ]?(?P<inner>-?)$")

LATEX = [
    (re.compile(r"\{,\}|\\[!,;:]"), ""),
    (re.compile(r"\\([$%])"), r"\1"),
    (re.compile(r"\^\{?\\circ\}?"), " "),
    (re.compile(r"(?<=[0-9])\s*\\[dt]?frac\s*\{([0-9]{1,9})\}\s*\{([0-9]{1,9})\}"), r" \1/\2"),
    (re.compile(r"\\[dt]?frac\s*\{([0-9]{1,9})\}\s*\{([0-9]{1,9})\}"), r"\1/\2"),
    (re.compile(r"\\[dt]?frac\s*([0-9])\s*([0-9])(?![0-9])"), r"\1/\2"),
    (re.compile(r"\\(?:f?box(?:ed)?|text(?:bf|it|rm)?|math(?:bf|rm|it)|mbox|left|right)(?![A-Za-z])"), " "),
    (re.compile(r"\\(?:approx|q?quad|displaystyle|dollars?|euro|pounds)(?![A-Za-z])|\\[\[\]() ]|[{}*]|~"), " "),
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
    if text.isascii():
        return text
    return "".join(map(_ascii, text))


def _ascii(character: str) -> str:
    # unicodedata.decimal, not NFKC: NFKC turns the superscript of 1\u2078 into an ordinary 8.
    if character.isascii():
        return character
    digit = unicodedata.decimal(character, None)
    return _SAME_AS.get(character, character) if digit is None else str(digit)


def plain(text: str) -> str:
    """Return `text` without the LaTeX and markdown that dresses up a number; unknown commands stay."""
    for pattern, replacement in LATEX:
        text = pattern.sub(replacement, text)
    return text


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
    low = max(0, start - 5)
    prefix = PREFIX.search(text[low:start])
    if prefix is None or not (prefix["outer"] or prefix["inner"]):
        return start, False
    begin = low + prefix.start()
    before = text[:begin] if prefix["gap"] else text[begin - 1 : begin]
    # After a digit, a word or a closing bracket the dash is a minus between two numbers, or a hyphen.
    if re.search(r"[\w)\]%]\s{0,9}\Z", before[-10:]):
        return start, False
    return begin, "-" in (prefix["outer"], prefix["inner"])


def _value(match: re.Match[str]) -> Fraction | None:
    if match["whole"] is not None:
        part = _ratio(Fraction(match["top"]), Fraction(match["bottom"]))
        return None if part is None else Fraction(match["whole"]) + part
    value = _run(match["run"])
    if value is not None and match["exponent"]:
        value *= Fraction(10) ** int(match["exponent"])
    if value is not None and match["under"] is not None:
        under = _run(match["under"])
        value = None if under is None else _ratio(value, under)
    if value is not None and match["scale"]:
        value *= 10 ** SCALES[match["scale"].lower()]
    return value


def _ratio(top: Fraction, bottom: Fraction) -> Fraction | None:
    # 36/2 is a sum left undone, not a number: only a ratio that is no integer is a final answer.
    if bottom == 0 or (top / bottom).denominator == 1:
        return None
    return top / bottom


def _run(run: str) -> Fraction | None:
    """Read digits with grouping and at most one decimal point; `1.2.3`, `1,2,3` and `1.000,5` are no number."""
    whole, _, decimals = run.partition(".")
    if len(run) > MAX_DIGITS or (decimals and not decimals.isdigit()):
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
        return answer.value in (gold.value, gold.value * 100)
    return answer.value == gold.value


def canonical(number: Number) -> str:
    """Return `18`, `12.5` (where at most 12 decimals are exact) or `1/3`, with `%` if it was written."""
    value = number.value
    scaled = value * 10**12
    if value.denominator == 1:
        text = str(value.numerator)
    elif scaled.denominator == 1:
        digits = str(abs(scaled.numerator)).rjust(13, "0")
        text = f"{'-' if value < 0 else ''}{digits[:-12]}.{digits[-12:].rstrip('0')}"
    else:
        text = f"{value.numerator}/{value.denominator}"
    return text + "%" * number.percent
