r"""Whether one extracted answer equals one gold in the MATH domain.

    >>> compare(r"\frac{\sqrt{2}}{2}", r"$\frac{1}{\sqrt{2}}$").status
    'correct'

Text -> `latex` (tokens) -> `parse` (tree) -> `values` (what kind of thing it is) -> `match` (the rules) -> `equality`
(exact `forms`, numeric `probe`, `symbolic` in a worker). Nothing of the text is ever evaluated; every cost is bounded
before it arises.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from rewards.verify.math import notation, words
from rewards.verify.math.equality import Budget, Timeout
from rewards.verify.math.gold import gold_text
from rewards.verify.math.kinds import Many, Value, Words
from rewards.verify.math.latex import MAX_LENGTH, clean, separated, tokens
from rewards.verify.math.match import Matcher, Result
from rewards.verify.math.tree import Unreadable
from rewards.verify.math.values import read

__all__ = ["Comparison", "compare"]

Status = Literal["correct", "wrong", "unreadable", "ambiguous", "unparseable_gold", "timeout", "error"]

SHOWN = 200
WORDED = re.compile(r"[A-Za-z][A-Za-z0-9 ,.'&!?-]*")


@dataclass(frozen=True)
class Comparison:
    """The judgement; `answer` is the cleaned text of the answer, `reason` one line for a person."""

    status: Status
    answer: str | None
    reason: str


def compare(answer: str, gold: object, *, deadline: float = 5.0) -> Comparison:
    """Compare an answer with its gold: a number, LaTeX, or a whole solution whose last box is the answer.

    Never raises; the same from any thread. `deadline` is in seconds of symbolic work.
    """
    try:
        expected = gold_text(gold)
        if expected is None:
            return Comparison("unparseable_gold", None, f"the gold cannot be read: {_shown(repr(gold)[:SHOWN])}")
        if len(answer) > MAX_LENGTH:
            return Comparison("unreadable", _shown(answer), "the answer is too long to be read")
        return _compare(answer, expected, deadline)
    except Timeout:
        return Comparison("timeout", _shown(answer), "the symbolic comparison did not end in time")
    except Exception as error:  # a reward must never stop a training run
        return Comparison("error", None, f"{type(error).__name__}: {_shown(str(error))}")


# A group of completions asks the same question again and again. What raises (a timeout) is not kept.
@lru_cache(maxsize=8192)
def _compare(answer: str, gold: str, deadline: float) -> Comparison:
    expected, given = clean(gold), clean(answer)
    if not given:
        return Comparison("unreadable", None, "the answer is empty")
    shown = _shown(given)
    if _squeezed(given) == _squeezed(expected):
        return Comparison("correct", shown, "identical to the gold")
    for special in (_choice, notation.compare):
        if (result := special(expected, given)) is not None:
            return _verdict(result, shown, expected)
    try:
        target = _gold(gold)
    except Unreadable as error:
        return Comparison("unparseable_gold", shown, f"the gold cannot be read: {error}")
    if isinstance(target, Words) and target.text != "setR":
        return _verdict(_phrased(expected, given), shown, expected)
    if _worded(expected) and _phrased(expected, given) == "correct":
        return _verdict("correct", shown, expected)
    try:
        return _verdict(_judged(target, words.label_free(given), answer, deadline), shown, expected)
    except Unreadable as error:
        return Comparison("unreadable", shown, str(error))


def _judged(gold: Value, given: str, answer: str, deadline: float) -> Result:
    matcher = Matcher(Budget(deadline))
    result = matcher.judge(gold, _read(given))
    if result == "wrong" and isinstance(gold, Many) and (listed := separated(answer)):
        # 60,120 is a grouped number, unless the gold is a list.
        return matcher.judge(gold, _read(listed))
    return result


def _shown(text: str) -> str:
    flat = re.sub(r"\s+", " ", text[: SHOWN + 1])
    return flat if len(flat) <= SHOWN else flat[:SHOWN] + "..."


def _squeezed(text: str) -> str:
    # "1 2" is not 12.
    return re.sub(r"(?<![0-9])\s+|\s+(?![0-9])", "", text)


def _verdict(result: Result, shown: str, gold: str) -> Comparison:
    reasons = {
        "correct": "equal to the gold",
        "wrong": f"not equal to the gold {_shown(gold)}",
        "ambiguous": f"several values, where the gold is one: {_shown(gold)}",
        "unreadable": "a computation left undone",
    }
    return Comparison(result, shown, reasons[result])


def _choice(gold: str, answer: str) -> Result | None:
    letter = words.choice(gold) if re.fullmatch(r"\(?[A-J]\)?", words.bare(gold)) else None
    if letter is None:
        return None
    given = words.choice(answer)
    if given == "?":
        return "ambiguous"
    return "correct" if given == letter else "wrong"


def _worded(text: str) -> bool:
    """Whether a gold is made of words; AB is a product or a segment."""
    plain = words.bare(text)
    return WORDED.fullmatch(plain) is not None and re.search(r"[A-Za-z]{3}", plain) is not None


def _phrased(gold: str, answer: str) -> Result:
    return "correct" if words.phrases(gold) == words.phrases(answer) else "wrong"


@lru_cache(maxsize=4096)
def _gold(gold: str) -> Value:
    text = clean(gold)
    try:
        return read(tokens(text))
    except Unreadable:
        # A text in plain words is a gold too; LaTeX that cannot be read is none.
        if _worded(text):
            return Words(text)
        raise


@lru_cache(maxsize=4096)
def _read(text: str) -> Value:
    return read(tokens(text))
