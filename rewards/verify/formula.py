r"""Read the formula that a span commits to, or the one that prose concludes with: text for `rewards.verify.math`."""

from __future__ import annotations

import re

from rewards.verify import cues, prose
from rewards.verify.commitments import Place, closing_brace
from rewards.verify.numbers import Number, canonical
from rewards.verify.reading import Reading

__all__ = ["conclude", "read"]

MATHS = re.compile(r"\$\$?([^$]{1,1000})\$\$?|\\\((.{1,1000}?)\\\)|\\\[(.{1,1000}?)\\\]", re.DOTALL)
INNER_BOX = re.compile(r"\\f?box(?:ed)?\s*\{")
# The words that lead to a formula or explain it; what stands between them is the answer.
LEAD = re.compile(
    r"\A[\s:*_\"'`]*(?:(?:that|therefore|thus|simply|just|exactly|equal to|given by|clearly"
    r"|the (?:point|ordered pair|pair|set|interval|vector|matrix|number|value|expression|fraction)|of|indeed)\b"
    r"[\s:*_]*)*",
    re.IGNORECASE,
)
TAIL = re.compile(
    r"(?:[.;]\s|,? \b(?:because|since|as|which|where|when|by|hence|i hope)\b).*\Z", re.IGNORECASE | re.DOTALL
)
DRESS = re.compile(r"\\(?:left|right|displaystyle|[,!;: ])|\\text(?:bf|it|rm)?(?=\{)|[\s${}*_`]|\.\Z")
ASSIGNED = re.compile(r"\A\s*\\?[A-Za-z]\w?\s*=")
FORMULA = re.compile(r"[0-9][)\]]*(?:[\u03c0\u221a\u00b0^/*+\\]|pi\b|sqrt)|[\u221a\u03c0(\[][0-9]")
# The problem itself, recited.
TASK = re.compile(
    r"\A[\s*]*(?:(?:Problem|Question|Q)\b[\s*]*:|(?:Find|Compute|Determine|Evaluate|Solve|Simplify|Calculate|Express|What)\b)"
)
JOINED = re.compile(r"\s*(?:,|or|and|,? or|,? and)\s*")
WORD = re.compile(r"[^\W\d_]{2,}")


def read(place: Place) -> Reading:
    """Return the formula of a committed place; `several` is for the comparison to find, which knows the gold's kind."""
    span = place.span
    if place.kind in ("tag", "marker", "sentence"):
        span = _inner_box(span)
    if place.kind in ("marker", "sentence"):
        span = TAIL.sub("", LEAD.sub("", span))
    span = span.strip().strip('*_`"').strip()
    if place.kind == "tag" and len(WORD.findall(span)) > 12:
        return conclude(span)
    if place.kind != "boxed":
        span = span.rstrip('.,*_`" ')
    denied = cues.DENIAL.match(span)
    if not DRESS.sub("", span):
        return Reading(None, "unreadable")
    if denied:
        return Reading(None, "denied")
    # A whole sentence of words with no formula says something about the answer, not what it is.
    words = len(WORD.findall(MATHS.sub(" ", span)))
    return Reading(span, "unreadable" if words > 12 else "", words <= 4)


def key(value: object) -> object:
    """Return what two ways of writing one formula share: commands that only dress it up and spaces are dropped."""
    return DRESS.sub("", value).replace("dfrac", "frac").replace("tfrac", "frac") if isinstance(value, str) else value


def _inner_box(span: str) -> str:
    boxes = list(INNER_BOX.finditer(span))
    if not boxes:
        return span
    start = boxes[-1].end()
    closing = closing_brace(span, start)
    return span if closing is None else span[start:closing]


def conclude(text: str) -> Reading:
    """Return the last formula of the sentence that the prose ends on, else the number that it ends on."""
    tail = text[-prose.MAX_PROSE :].rstrip()
    if cues.GIVES_UP.search(tail[-200:]) or cues.QUESTION.search(tail[-200:]):
        return Reading(None, "unreadable")
    sentences = [one for one in prose.SENTENCES.split(tail) if one.strip() and not cues.POLITE.search(one)]
    if sentences and not sentences[-1].rstrip().endswith("$") and prose.unfinished(sentences[-1]):
        return Reading(None, "cut off")
    telling = next((one for one in reversed(sentences) if MATHS.search(one) or re.search(r"[0-9]", one)), "")
    if found := list(MATHS.finditer(telling)):
        return _formula(telling, found)
    said = prose.conclude(tail)
    if not isinstance(said.value, Number):
        return Reading(None, said.problem)
    # "6\u03c0" and "2^10" hold more than their number.
    written = [word.strip('.,;:!*_`"') for word in telling.split() if re.search(r"[0-9]", word)]
    return Reading(written[-1] if written and FORMULA.search(written[-1]) else canonical(said.value))


def _formula(sentence: str, found: list[re.Match[str]]) -> Reading:
    last = found[-1]
    asked = sentence.rstrip(" *_").endswith("?") or TASK.match(sentence)
    restated = cues.RESTATED.search(sentence) and not cues.CONCLUDES.search(sentence)
    if asked or restated or cues.DENIED_BEFORE.search(sentence[: last.start()]):
        return Reading(None, "unreadable")
    value = next(group for group in last.groups() if group is not None)
    listed = len(found) > 1 and JOINED.fullmatch(sentence[found[-2].end() : last.start()])
    if listed and "=" not in value:
        value = sentence[found[-2].start() : last.end()].replace("$", "")
    # Of "2x + 4 = 10" the right side is the result; "x = 3" is one whole.
    return Reading(value if ASSIGNED.match(value) else value.rpartition("=")[2])
