"""Number words, as models write a final answer out: "eighteen", "one hundred and twenty-five", "half a dozen"."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

__all__ = ["SMALL", "Phrase", "phrases"]

_ONES = "zero one two three four five six seven eight nine ten eleven twelve".split()
_TEENS = "thir four fif six seven eigh nine".split()
_TENS = "twen thir for fif six seven eigh nine".split()

SMALL: dict[str, int] = {
    **{word: n for n, word in enumerate(_ONES)},
    **{f"{stem}teen": n for n, stem in enumerate(_TEENS, start=13)},
    **{f"{stem}ty": 10 * n for n, stem in enumerate(_TENS, start=2)},
}
LARGE = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
PARTS = {"half": 2, "halves": 2, "third": 3, "thirds": 3, "quarter": 4, "quarters": 4, "fifth": 5, "fifths": 5}

_WORD = "|".join(sorted([*SMALL, *LARGE, "hundred", "dozen"], key=len, reverse=True))
PHRASE = re.compile(
    rf"""(?<![\w-])
    (?: (?P<negative>minus|negative)[ ] )?
    (?: half[ ]a[ ](?P<half_dozen>dozen)
      | (?:(?P<parts>one|two|three|four|a)[ -](?P<part>{"|".join(PARTS)}))
      | (?P<whole>(?:a[ ](?=hundred|thousand|million|billion|dozen))?(?:{_WORD})(?:(?:[ ]and[ ]|[ -])(?:{_WORD}))*)
        (?P<point>[ ]point(?:[ ](?:{"|".join(_ONES[:10])}))+)?
        (?P<and_half>[ ]and[ ]a[ ]half)?
    )(?![\w-])""",
    re.VERBOSE | re.IGNORECASE,
)


@dataclass(frozen=True)
class Phrase:
    """A number written in words at `[start, end)`; `value` is `None` where the words make no number ("two five")."""

    start: int
    end: int
    value: Fraction | None


def phrases(text: str) -> Iterator[Phrase]:
    """Yield the number phrases of `text`, in order."""
    for match in PHRASE.finditer(text):
        value = _value(match)
        sign = -1 if match["negative"] else 1
        yield Phrase(match.start(), match.end(), None if value is None else sign * value)


def _value(match: re.Match[str]) -> Fraction | None:
    if match["half_dozen"]:
        return Fraction(6)
    if match["part"]:
        count = 1 if match["parts"].lower() == "a" else SMALL[match["parts"].lower()]
        return Fraction(count, PARTS[match["part"].lower()])
    whole = _whole(re.split(r"[ -]", match["whole"].lower()))
    if whole is None:
        return None
    value = Fraction(whole)
    if match["point"]:
        digits = "".join(str(SMALL[word]) for word in match["point"].lower().split()[1:])
        value += Fraction(int(digits), 10 ** len(digits))
    return value + Fraction(1, 2) if match["and_half"] else value


def _whole(words: list[str]) -> int | None:
    """Read "two hundred and five thousand": groups below a thousand, each closed by a larger scale than the next."""
    total = 0
    group: int | None = None
    last_scale = 10**15
    previous = 100
    for word in words:
        if word in ("and", "a"):
            continue
        if word in SMALL:
            # "twenty five" adds, "five twenty" and "two five" are no number.
            if SMALL[word] >= previous or (previous in range(1, 20)) or (previous < 100 and SMALL[word] >= 10):
                return None
            group, previous = (group or 0) + SMALL[word], max(SMALL[word], 1)
        elif word in ("hundred", "dozen"):
            if group is not None and not 0 < group < 100:
                return None
            group, previous = (1 if group is None else group) * (100 if word == "hundred" else 12), 100
        else:
            if LARGE[word] >= last_scale:
                return None
            total, group, last_scale, previous = (
                total + (1 if group is None else group) * LARGE[word],
                None,
                LARGE[word],
                100,
            )
    return total + (group or 0)
