r"""Grade a GSM8K completion three ways: lm-eval's two filters, bit for bit, and our verifier.

The filters are those of lm-eval 0.4.13's tasks. For `gsm8k` (version 3.0) `strict-match` takes the *first*
`#### number`; the chain-of-thought tasks look for a sentence instead (`FILTERS`). `flexible-extract` is the *last*
number-like string in all of them. Both then compare *strings* after dropping commas, dollar signs, everything up to
`#### `, and one final period. So 18.00 is not 18 for lm-eval, while it is for the verifier; the three are reported side
by side because each is comparable with other people's numbers of its kind.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from rewards import outcome
from rewards.completion import Completion, text_of
from rewards.verify import Verdict, verify

__all__ = ["FILTERS", "Filters", "Grades", "flexible_extract", "grade", "has_format", "strict_match"]

FLEXIBLE = re.compile(r"(-?[$0-9.,]{2,})|(-?[0-9]+)")
INVALID = "[invalid]"


@dataclass(frozen=True)
class Filters:
    """What tells one lm-eval task's grades from another's.

    `strict` is the pattern of `strict-match`, of which `last` takes the last match instead of the first; `number_only`
    cuts the gold down to what stands behind its last `####` before the comparison.
    """

    strict: re.Pattern[str]
    last: bool = False
    number_only: bool = False


_SENTENCE = re.compile(r"The answer is (\-?[0-9\.\,]+).")

FILTERS = {
    "gsm8k": Filters(re.compile(r"#### (\-?[0-9\.\,]+)")),
    "gsm8k_cot": Filters(_SENTENCE, number_only=True),
    "gsm8k_cot_zeroshot": Filters(_SENTENCE),
    "gsm8k_cot_llama": Filters(
        re.compile(r"The final answer is ((-?[$0-9.,]{2,})|(-?[0-9]+))"), last=True, number_only=True
    ),
}
"""The filters by the name of lm-eval's task."""

# In lm-eval's order: removing `$` first lets `#### ` match behind it.
IGNORED = [re.compile(pattern) for pattern in (",", r"\$", r"(?s).*#### ", r"\.$")]


@dataclass(frozen=True)
class Grades:
    """One completion's grades: lm-eval's `strict` and `flexible` exact match, and the verifier's `verdict`."""

    strict: bool
    flexible: bool
    verdict: Verdict


def grade(completion: Completion, gold: str, filters: str = "gsm8k") -> Grades:
    """Grade a completion against GSM8K's `answer` field (or a bare number). Never raises on any completion.

    The lm-eval grades see the text as given, thinking included, for that is what lm-eval sees.

    Args:
        filters: the lm-eval task whose filters apply, one of `FILTERS`; a style's are `Style.filters`.
    """
    text = text_of(completion)
    return Grades(
        strict=strict_match(text, gold, filters),
        flexible=flexible_extract(text, gold, filters),
        verdict=verify(completion, gold),
    )


def strict_match(text: str, gold: str, filters: str = "gsm8k") -> bool:
    """Return lm-eval's exact match under its filter `strict-match`."""
    chosen = FILTERS[filters]
    found = _last(chosen.strict, text) if chosen.last else _first(chosen.strict, text)
    return _exact(found, gold, chosen)


def flexible_extract(text: str, gold: str, filters: str = "gsm8k") -> bool:
    """Return lm-eval's exact match under its filter `flexible-extract`."""
    return _exact(_last(FLEXIBLE, text), gold, FILTERS[filters])


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


def _exact(answer: str, gold: str, filters: Filters) -> bool:
    target = gold.split("####")[-1].strip() if filters.number_only else gold
    return _stripped(answer) == _stripped(target)


def _stripped(text: str) -> str:
    for pattern in IGNORED:
        text = pattern.sub("", text)
    return text.lower()
