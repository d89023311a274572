r"""Grade a GSM8K completion three ways: lm-eval's two filters, bit for bit, and our verifier.

The filters are those of lm-eval 0.4.13's task `gsm8k` (version 3.0). `strict-match` takes the *first* `#### number`,
`flexible-extract` the *last* number-like string; both then compare *strings* after dropping commas, dollar signs,
everything up to `#### `, and one final period. So 18.00 is not 18 for lm-eval, while it is for the verifier; the three
are reported side by side because each is comparable with other people's numbers of its kind.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from rewards import outcome
from rewards.completion import Completion, text_of
from rewards.verify import Verdict, verify

__all__ = ["Grades", "flexible_extract", "grade", "has_format", "strict_match"]

STRICT = re.compile(r"#### (\-?[0-9\.\,]+)")
FLEXIBLE = re.compile(r"(-?[$0-9.,]{2,})|(-?[0-9]+)")
INVALID = "[invalid]"

# In lm-eval's order: removing `$` first lets `#### ` match behind it.
IGNORED = [re.compile(pattern) for pattern in (",", r"\$", r"(?s).*#### ", r"\.$")]


@dataclass(frozen=True)
class Grades:
    """One completion's grades: lm-eval's `strict` and `flexible` exact match, and the verifier's `verdict`."""

    strict: bool
    flexible: bool
    verdict: Verdict


def grade(completion: Completion, gold: str) -> Grades:
    """Grade a completion against GSM8K's `answer` field (or a bare number). Never raises on any completion.

    The lm-eval grades see the text as given, thinking included, for that is what lm-eval sees.
    """
    text = text_of(completion)
    return Grades(
        strict=strict_match(text, gold),
        flexible=flexible_extract(text, gold),
        verdict=verify(completion, gold),
    )


def strict_match(text: str, gold: str) -> bool:
    """Return lm-eval's exact match under its filter `strict-match`."""
    return _exact(_first(STRICT, text), gold)


def flexible_extract(text: str, gold: str) -> bool:
    """Return lm-eval's exact match under its filter `flexible-extract`."""
    return _exact(_last(FLEXIBLE, text), gold)


def has_format(completion: Completion) -> bool:
    """Return whether the completion has the shape that the `format` reward pays for."""
    return outcome.has_format(text_of(completion))


def _first(pattern: re.Pattern[str], text: str) -> str:
    match = pattern.search(text)
    return match[1].strip() if match else INVALID


def _last(pattern: re.Pattern[str], text: str) -> str:
    # With several groups lm-eval takes the first that is not empty.
    groups: tuple[str, ...] = ()
    for match in pattern.finditer(text):
        groups = match.groups("")
    return next((group for group in groups if group), INVALID).strip()


def _exact(answer: str, gold: str) -> bool:
    return _stripped(answer) == _stripped(gold)


def _stripped(text: str) -> str:
    for pattern in IGNORED:
        text = pattern.sub("", text)
    return text.lower()
