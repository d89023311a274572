"""Read the one number that a span commits to, or the one that prose concludes with.

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
from rewards.verify.commitments import PLANTED, Place
from rewards.verify.numbers import Found, Number, find, number, plain
from rewards.verify.words import phrases

__all__ = ["Problem", "Reading", "Value", "conclude", "read"]

MAX_SPAN = 300
MAX_PROSE = 2000

Value = Number | str
Problem = Literal["", "several", "unreadable", "denied", "cut off"]

# What most answers look like: nothing in it needs a second look.
SIMPLE = re.compile(r"[ ]{0,9}\$?-?(?:[0-9]{1,18}|[0-9]{1,3}(?:,[0-9]{3}){1,6})(?:\.[0-9]{1,9})?\.?\s{0,9}")

DENIED_BEFORE = re.compile(
    r"(?:\b(?:not|never|neither|nor|cannot be|rather than|instead of|and no longer|anything but|far from|other than)|n't(?: be)?)"
    r"(?: (?:be|to be|equal(?: to)?|exactly|just|simply))?[\s\"'($]{0,4}\Z",
    re.IGNORECASE,
)
DENIAL = re.compile(r"\b(?:not|never|neither|cannot)\b|n't\b", re.IGNORECASE)
BOUND = re.compile(
    r"(?:\b(?:at least|at most|more than|less than|fewer than|greater than|bigger than|smaller than|no more than|over|under|above"
    r"|below)|[<>\u2264\u2265]=?)[\s$]*\Z",
    re.IGNORECASE,
)
DENIED_AFTER = re.compile(
    r"\A[\s\"')$]{0,4}(?:[A-Za-z]+ ){0,2}(?:(?:is|was|would be|seems|looks) (?:wrong|incorrect|false|impossible|too (?:high|low|big"
    r"|small|large|much))|(?:isn't|is not|wasn't|was not|can't be|cannot be) (?:right|correct|possible|(?:yet )?(?:the|our|my)"
    r" (?:\w+ )?(?:answer|total|result|solution|value|number))|,? which is not )",
    re.IGNORECASE,
)
# What follows the number and explains it; numbers in there are no rival answers.
TAIL = re.compile(
    r"[(;]|,\s*[\"']\w+[\"']\s*:|[.!?](?=\s|$)|\b(?:because|since|as|which|per|for|in|every|after|each|out of|by|on|at|from|with|when|if|while)\b",
    re.IGNORECASE,
)
UNDONE = re.compile(r"[0-9^*+\u00d7\u00f7\u221a|<>\u00b1\\\u00b7_]|(?<![A-Za-z])/(?![ ]*[A-Za-z-])|/(?=[(])")
UNIT_POWER = re.compile(r"(?<=[A-Za-z]) ?\^ ?[23](?![0-9])|(?<=[A-Za-z])[\u00b2\u00b3]")
# "60x" is a formula, `print(18)` and `18; DROP` are programs.
FORMULA = re.compile(r"[0-9] ?[xyzn](?![A-Za-z=0-9])(?! ?=)|[A-Za-z_]\(|__|\blambda\b|; ?(?:--|[A-Z]{4,}\b|import\b)")
SAMPLE = re.compile(r"\bwhatever\b|(?:\be\.g\.|\bfor (?:example|instance)|\bsuch as|\bsay),? ?\$?[0-9]", re.IGNORECASE)
DOLLARS_AND_CENTS = re.compile(r"\b([0-9]+) dollars?,? and ([0-9]{1,2}) cents?\b", re.IGNORECASE)

ROUNDED = re.compile(
    r"\u2248|\\approx|~=|\b(?:round(?:s|ed|ing)?(?: (?:up|down|off))?(?: (?:to|gives|is|it))*|rounding)\b"
)
RIVALS = re.compile(r"\b(?:or|either|between|alternatively|might|may|could|maybe|perhaps|possibly)\b", re.IGNORECASE)

# A number behind one of these says when, where or of what, not how many.
ADJUNCT = re.compile(
    r"\b(?:(?:in|for|after|every|per|on|out of|with|by|at|during|over|within|from|than|all|these|those|each|before|until)"
    r"(?: the| a| an| only| just| about)?|of (?:the|these|those|all|his|her|their|its)) ?[$\u20ac\u00a3]?\Z",
    re.IGNORECASE,
)
POLITE = re.compile(
    r"\b(?:let me know|feel free|happy to|glad to|would you like|do you (?:want|need|have)|anything else|hope (?:this|that|it)"
    r"|need (?:any )?(?:more|further|help)|more examples|please (?:ask|let|rate|provide)|thank(?:s| you)|good luck|have a "
    r"(?:nice|great|good)|if you have|any (?:other|more|further) questions?|step-by-step (?:solution|explanation)s? (?:above|below))\b",
    re.IGNORECASE,
)
CHECKS = re.compile(
    r"(?:^|(?<=[.!?\n]))[\s*#]*(?:let(?:'s| us| me) |to |we can |i(?:'ll| will) |quick |double[- ]|sanity )*"
    r"(?:check|verif|confirm|double-check|sanity)[^\n]*",
    re.IGNORECASE,
)
SENTENCES = re.compile(r"(?<=[.!?\u3002])(?<!\bRs\.)(?<!e\.g\.)(?<!i\.e\.)[*_]*\s+|\n+")
QUESTION = re.compile(
    r"\b(?:how|what|which|when|where|who|find|calculate|determine)\b[^.!\n]*\?[\s\"'*]*\Z", re.IGNORECASE
)
UNFINISHED = re.compile(
    r"(?:[-+*/=\u00d7\u00f7({\[<\u2248,:]|(?<![0-9])\$|\\[a-z]+|\b(?:is|the|a|of|equals|makes|has|to|and|times|plus|minus|by|with|for|we|then))\s*\Z",
    re.IGNORECASE,
)
# Sentences that talk about something else than the answer.
REFUSAL = re.compile(
    r"\b(?:can(?:'t|not|no)|unable to|(?:do|does|did) ?n(?:'t|ot) (?:know|have|say|give|tell)|not (?:given|provided|enough|specified|stated)|missing"
    r"|insufficient|impossible to|no idea|as an ai|sorry,? (?:but|i))\b|https?://|\bget back to you\b|\bversion [0-9]|\b(?:rate|scale) (?:this|it|of|from)\b|"
    r"\b[0-9]{1,2} (?:january|february|march|april|may|june|july|august|september|october|november|december)\b",
    re.IGNORECASE,
)
GIVES_UP = re.compile(
    r"\b(?:can(?:'t|not| not)|could(?:n't| not)|unable to|do(?:n't| not)) (?:determine|find|solve|work|figure|answer|know|compute|calculate"
    r"|tell|give)\b",
    re.IGNORECASE,
)
HYPOTHETICAL = re.compile(r"\bif\b.*(?:\bwould\b|'d\b|\bcould\b)", re.IGNORECASE)
# What follows the last number and says that it is not the end: a plan, or a doubt.
UNSETTLED = re.compile(
    r"\b(?:next|let's|let us|(?:need|have|has) to|must|still|not yet|before we|until|unknown|what about|what remains|it remains"
    r"|(?:that|this|it)(?:'s| is| was) (?:wrong|incorrect|false|far from|not|an error|a mistake)|hold on|any of (?:these|them)|could (?:each |all |both )?be (?:right|correct)|get back to you)\b",
    re.IGNORECASE,
)
ITEM = re.compile(r"^[ \t]*(?:\*\*)?\(?[0-9]{1,2}[.)](?:\*\*)?(?:[ \t]+|$)", re.MULTILINE)
# A numbered list that breaks off behind its next number.
BROKEN_LIST = re.compile(r"(?:^|\n)[ \t]*[0-9]{1,2}[.)][^\n]*\n[ \t]*[0-9]{1,2}[.)]?\s*\Z")
BRACKETS = re.compile(r"\([^()]{0,120}\)")
OPTIONS = re.compile(r"\(?\b[A-E]\)[^A-Z\n]{1,40}\(?\b[A-E]\)")


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
    # A tag holds whatever its author likes: a number, or a paragraph that ends on one.
    if place.kind == "tag" and len(place.span.split()) > 8:
        return conclude(place.span)
    span = re.sub(r"#{4,}|</?(?:final_?)?answer>", " ", plain(_rounded(place.span[:MAX_SPAN])))
    span = DOLLARS_AND_CENTS.sub(lambda m: f"{m[1]}.{m[2]:0>2}", UNIT_POWER.sub("", span))
    if FORMULA.search(span) or SAMPLE.search(span):
        return Reading(None, "unreadable")
    found = _numbers(span)
    if not found:
        return Reading(None, "unreadable")
    standing = [place for place in found if not _denied(span, place)]
    if not standing or (len(standing) == len(found) and DENIAL.search(span[: found[0].start])):
        return Reading(None, "denied")
    asked = re.match(r"[ ]?\?", span[standing[0].end :])
    if asked or BOUND.search(span[: standing[0].start]):
        return Reading(None, "several")
    if (computed := _computed(span, standing)) is not None:
        return computed
    return _single(span, standing, len(standing) < len(found))


def _single(span: str, found: list[Found], denials: bool) -> Reading:
    tail = TAIL.search(span, found[0].end)
    stop = tail.start() if tail else len(span)
    if RIVALS.search(span[found[0].end : found[-1].start]):
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


def _numbers(span: str) -> list[Found]:
    """Return the numbers of a span; words count only where there are no digits."""
    found = find(span)
    if found or any(character.isdigit() for character in span):
        return found
    return [Found(p.start, p.end, None if p.value is None else Number(p.value)) for p in phrases(span)]


def _denied(span: str, place: Found) -> bool:
    before = span[max(0, place.start - 24) : place.start]
    return DENIED_BEFORE.search(before) is not None or DENIED_AFTER.match(span[place.end : place.end + 48]) is not None


def _rounded(span: str) -> str:
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


def conclude(text: str) -> Reading:
    """Return the number that prose ends on: of the last sentence that has one, polite words and checks left aside.

    Prose is no commitment, so whatever puts it in doubt wins: a plan that is not carried out, a doubt, somebody else's
    words, a text that breaks off.
    """
    tail = text[-MAX_PROSE:]
    checks = CHECKS.search(tail)
    if checks and find(plain(tail[: checks.start()])):
        tail = tail[: checks.start()]
    # "5." at the start of a line counts the lines, unless the line is nothing else and the only one.
    listed = ITEM.sub("", tail)
    sentences = [one for one in SENTENCES.split(listed if find(listed) else tail) if one and one.strip()]
    while sentences and (POLITE.search(sentences[-1]) or not re.search(r"\w", sentences[-1])):
        sentences.pop()
    if not sentences or QUESTION.search(sentences[-1]) or PLANTED.search(tail):
        return Reading(None, "unreadable")
    if _unfinished(sentences[-1]) or BROKEN_LIST.search(tail):
        return Reading(None, "cut off")
    for sentence in reversed(sentences):
        if GIVES_UP.search(sentence):
            return Reading(None, "unreadable")
        if sentence.rstrip(" *_\"'").endswith("?") or HYPOTHETICAL.search(sentence):
            continue
        if (reading := _concluding(sentence)) is not None:
            return reading
        if UNSETTLED.search(sentence):
            return Reading(None, "unreadable")
    return Reading(None, "unreadable")


def _unfinished(sentence: str) -> bool:
    """Return whether the text breaks off in this sentence: on an operator, or in words that lead nowhere."""
    end = sentence.rstrip().removesuffix("**").rstrip()
    if UNFINISHED.search(end):
        return True
    if re.search(r"[^\w\s]\Z", end):
        return False
    last = _numbers(plain(end))
    return len((plain(end)[last[-1].end :] if last else end).split()) > (12 if last else 2)


def _concluding(sentence: str) -> Reading | None:
    bold = re.findall(r"\*\*([^*\n]{1,80})\*\*", sentence)
    stated = _rounded(bold[-1] if bold and len(_numbers(plain(bold[-1]))) == 1 else sentence)
    sentence = plain(stated)
    if not _numbers(sentence):
        return None
    if OPTIONS.search(sentence):
        return Reading(None, "several")
    # What stands in brackets explains.
    outside = BRACKETS.sub(" ", sentence)
    sentence = outside if find(outside) else sentence
    found = _numbers(sentence)
    if not found:
        return None
    if REFUSAL.search(sentence):
        return Reading(None, "unreadable")
    _, equals, last = sentence.rpartition("=")
    if equals and (after := _numbers(last)):
        head = len(sentence) - len(last)
        found = [Found(place.start + head, place.end + head, place.number) for place in after]
    standing = [place for place in found if not _denied(sentence, place)]
    if not standing:
        return Reading(None, "denied")
    main = [p for p in standing if not ADJUNCT.search(sentence[max(0, p.start - 16) : p.start])] or standing
    if _listed(sentence, main) or BOUND.search(sentence[: main[-1].start]):
        return Reading(None, "several")
    return Reading(main[-1].number, "" if main[-1].number else "unreadable")


LISTED = re.compile(r"\A[%\s$]{0,3}(?:,|-|/|,? or|,? and|to|,? maybe|,? perhaps)[\s$]{0,3}\Z", re.IGNORECASE)


def _listed(sentence: str, found: list[Found]) -> bool:
    """Return whether the last number stands in a list or a range: `17 or 18`, `17-18`, `16, 17, 18`."""
    if len({place.number for place in found}) < 2:
        return False
    if LISTED.match(sentence[found[-2].end : found[-1].start]):
        return True
    return RIVALS.search(sentence[found[-2].end : found[-1].start]) is not None
