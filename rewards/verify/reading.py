"""Read the one number that a span commits to.

A span may deny ("not 17 but 18"), round ("17.6, so about 18"), compute ("9 * 2 = 18", which must be true) or list; an
operation that is left undone ("36/2", "18^2") is no number.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Literal

from rewards.equations import equations
from rewards.verify import cues
from rewards.verify.commitments import Place
from rewards.verify.numbers import Found, Number, find, number, plain
from rewards.verify.words import phrases

__all__ = ["SIMPLE", "Problem", "Reading", "Value", "denied", "numbers", "read", "rounded"]

MAX_SPAN = 300

Value = Number | str
Problem = Literal["", "several", "unreadable", "denied", "cut off"]

# What most answers look like: nothing in it needs a second look.
SIMPLE = re.compile(r"[ ]{0,9}\$?-?(?:[0-9]{1,18}|[0-9]{1,3}(?:,[0-9]{3}){1,6})(?:\.[0-9]{1,9})?\.?\s{0,9}")

# What follows the number and explains it; numbers in there are no rival answers.
TAIL = re.compile(
    r"[(;]|,\s*[\"']\w+[\"']\s*:|[.!?](?=\s|$)"
    r"|\b(?:because|since|as|which|per|for|in|every|after|each|out of|by|on|at|from|with|when|if|while)\b",
    re.IGNORECASE,
)
BECAUSE = re.compile(r";|\b(?:because|since|as)\b", re.IGNORECASE)
REVISED = re.compile(
    r"\b(?:but|however|no|wait|actually)\b[^.0-9]{0,80}\b(?:is|it's|be|was|becomes|equals) (?=[-$]{0,2}[0-9])",
    re.IGNORECASE,
)
UNDONE = re.compile(
    r"[0-9^*+\u00d7\u00f7\u221a|<>\u00b1\\\u00b7_]|(?<![A-Za-z])/(?![ ]*[A-Za-z-])|/(?=[(])"
    r"|\b(?:minus|plus|times|divided by|multiplied by)\b"
)
UNIT_POWER = re.compile(r"(?<=[A-Za-z]) ?\^ ?[23](?![0-9])|(?<=[A-Za-z])[\u00b2\u00b3]")
# "60x" is a formula, `print(18)` and `18; DROP` are programs.
FORMULA = re.compile(r"[0-9] ?[xyzn](?![A-Za-z=0-9])(?! ?=)|[A-Za-z_]\(|__|\blambda\b|; ?(?:--|[A-Z]{4,}\b|import\b)")
# An instance, not an answer.
SAMPLE = re.compile(
    r"\bwhatever\b|\blike [0-9]|\byour (?:number|answer|result)\b|[0-9][a-z],? where\b"
    r"|(?:\be\.g\.|\bfor (?:example|instance)|\bsuch as|\bsay),? ?\$?[0-9]",
    re.IGNORECASE,
)
ASIDE = re.compile(r"\((?:and )?not [^()]{0,80}(?:\([^()]{0,80}\))?[^()]{0,20}\)")
DOLLARS_AND_CENTS = re.compile(r"\b([0-9]+) dollars?,? and ([0-9]{1,2}) cents?\b", re.IGNORECASE)

ROUNDED = re.compile(
    r"\u2248|\\approx|~=|\b(?:round(?:s|ed|ing)?(?: (?:up|down|off))?(?: (?:to|gives|is|it))*|rounding)\b"
)


@dataclass(frozen=True)
class Reading:
    """What a span says: a value, or the problem with it. `clean`: hardly anything but the value stands there.

    The value is a number, or in mathematics the formula as it is written.
    """

    value: Value | None
    problem: Problem = ""
    clean: bool = False


def read(place: Place) -> Reading:
    """Return the one number that a committed place holds."""
    if SIMPLE.fullmatch(place.span):
        return Reading(number(place.span), "", True)
    span = re.sub(r"#{4,}|</?(?:final_?)?answer>", " ", plain(rounded(ASIDE.sub("", place.span[:MAX_SPAN]))))
    span = DOLLARS_AND_CENTS.sub(lambda m: f"{m[1]}.{m[2]:0>2}", UNIT_POWER.sub("", span))
    span = _revised(span)
    if FORMULA.search(span) or SAMPLE.search(span):
        return Reading(None, "unreadable")
    found = numbers(span)
    if not found:
        return Reading(None, "unreadable")
    standing = [place for place in found if not denied(span, place)]
    if not standing or (len(standing) == len(found) and cues.DENIAL.search(span[: found[0].start])):
        return Reading(None, "denied")
    rest = span[standing[0].end :]
    if len(standing) == 1 and cues.TAKEN_BACK.search(rest):
        return Reading(None, "denied")
    asked = re.match(r"[ ]?\?", rest)
    if asked or cues.BOUND.search(span[: standing[0].start]):
        return Reading(None, "several")
    if (computed := _computed(span, standing)) is not None:
        return computed
    return _single(span, standing, len(standing) < len(found))


def _revised(span: str) -> str:
    """Return what is left of `950, but the utilities are added, so it is 1450`: the revision."""
    revision = REVISED.search(span)
    if revision is None or not find(span[: revision.start()]) or cues.RIVALS.search(revision[0]):
        return span
    return span[revision.end() :]


def _single(span: str, found: list[Found], denials: bool) -> Reading:
    tail = TAIL.search(span, found[0].end)
    stop = tail.start() if tail else len(span)
    if cues.RIVALS.search(span[found[0].end : found[-1].start]):
        stop = len(span)
    found = [place for place in found if place.end <= stop]
    values = {place.number for place in found}
    if len(values) > 1 or (None in values and "," in span[:stop]):
        return Reading(None, "several")
    before, after = span[: found[0].start], span[found[-1].end : stop]
    between = "".join(span[a.end : b.start] for a, b in pairwise(found))
    undone = UNDONE.search(f"{before} {between} {after}") and not denials
    value = None if undone else found[0].number
    clean = len(before.split()) <= 1 and len(span[found[-1].end :].split()) <= 3
    return Reading(value, "" if value else "unreadable", clean)


def numbers(span: str) -> list[Found]:
    """Return the numbers of a span; words count only where there are no digits."""
    found = find(span)
    if found or any(character.isdigit() for character in span):
        return found
    return [Found(p.start, p.end, None if p.value is None else Number(p.value)) for p in phrases(span)]


def denied(span: str, place: Found) -> bool:
    """Return whether the words around a number deny it."""
    before = span[max(0, place.start - 24) : place.start]
    return (
        cues.DENIED_BEFORE.search(before) is not None
        or cues.DENIED_AFTER.match(span[place.end : place.end + 48]) is not None
    )


def rounded(span: str) -> str:
    """Return what is left of `17.6, rounded to 18` or `17.6 \u2248 18`: 18, if it is the rounding."""
    pieces = ROUNDED.split(span)
    if len(pieces) == 1:
        return span
    exact, rounded = find(plain(pieces[-2])), find(plain(pieces[-1]))
    if exact and rounded and exact[-1].number and rounded[0].number:
        close = abs(exact[-1].number.value - rounded[0].number.value) < _unit(rounded[0].number.value)
        return pieces[-1] if close else span
    return pieces[-1] if not exact else span


def _unit(value: Fraction) -> Fraction:
    """Return the unit of the last digit of a short decimal: 1 for 18, 1/10 for 17.6."""
    for digits in range(4):
        if (value * 10**digits).denominator == 1:
            return Fraction(1, 10**digits)
    return Fraction(0)


def _computed(span: str, found: list[Found]) -> Reading | None:
    """Read `9 * 2 = 18` as 18, `x = 18` being left to others; a false equation is no answer."""
    span = BECAUSE.split(span)[0]
    head, equals, tail = span.rpartition("=")
    if not equals or not (re.search(r"[0-9]", head) and len(found) > 1):
        return None
    made = equations(span)
    # "3/4 of 200 = 150" is beyond the calculator; "17 = 18" is not.
    if len(made) > 1 or (made and not made[0].true) or not (made or re.search(r"[0-9%] [a-z]{2,}", head)):
        return None
    last = [place for place in found if place.start > len(head)]
    if len(last) != 1 or last[0].number is None or UNDONE.search(tail[last[0].end - len(head) - 1 :][:40]):
        return None
    return Reading(last[0].number)
