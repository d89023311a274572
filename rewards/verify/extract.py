r"""Find THE final answer of a completion, or say why there is none. Pure string code, linear in the text.

1. Only visible text counts: nothing inside thinking, nothing after an end-of-turn token, nothing after the model has
   gone on to ask itself a new question.
2. Commitments are `####`, `\boxed{}` and `<answer>`; a sentence ("the answer is 18") stands in for them, or follows
   them; the last number in prose stands in for both.
3. A later commitment replaces an earlier one where the text between moves on ("wait", "so the final", three words of
   prose). Different answers side by side, or joined by "or", are ambiguous: nobody is paid for listing.
4. A last commitment that was cut off is no answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

from rewards.completion import split_think
from rewards.verify.numbers import Number, find, normalise, plain
from rewards.verify.verdict import Kind

__all__ = ["Extraction", "extract"]

# An answer stands at the end; reading more than this would only cost time.
MAX_TEXT = 100_000
MAX_SPAN = 300

NEW_TURN = re.compile(r"\n[ \t]*(?:\*\*)?(?:Question|Q|User|Problem|Human)(?:\*\*)?:")

MARKER = re.compile(r"#{4,}[ \t]*([^\n#<]*)")
BOX = re.compile(r"\\f?box(?:ed)?[ ]?(?:\{|(?=-?[0-9]))")
TAG = re.compile(r"<answer>", re.IGNORECASE)
SENTENCE = re.compile(
    r"(?:\banswer[*_]{0,2}(?:[ ](?:to|for|of)\b[^.\n:]{0,60}?)?(?:[ ]{1,3}is\b|[ ]{0,3}[:=])|^[ \t]{0,3}A:)([^\n]*)",
    re.IGNORECASE | re.MULTILINE,
)

# "#### Step 2: add" is a markdown heading.
HEADING = re.compile(r"\b(?:step|part|method|solution|approach|case|example|problem|question)s?\b", re.IGNORECASE)
NEGATION = re.compile(r"\b(?:not|never|neither|cannot)\b|n't\b", re.IGNORECASE)
# What follows the number and explains it; numbers in there are no rival answers.
TAIL = re.compile(
    r"[(;]|[.!?](?=\s|$)|\b(?:because|since|as|which|per|for|in|every|after|each|out of|by)\b", re.IGNORECASE
)
SENTENCE_END = re.compile(r"[0-9A-Za-z*)}$][.!?](?=\s)")
UNDONE = re.compile(r"[0-9^+\u00d7\u00f7\u221a|<>\u00b1\\\u00b7]|/(?![A-Za-z])")

MOVES_ON = re.compile(
    r"\b(?:wait|actually|correct(?:ion|ing|ed)?|re-?check\w*|mistake|error|wrong|sorry|instead|rather|oops|hmm"
    r"|should be|final\w*|therefore|thus|so|hence|step|then|next|now)\b",
    re.IGNORECASE,
)
RIVALS = re.compile(r"\b(?:or|either|alternatively|maybe|perhaps|possibly|could|might)\b", re.IGNORECASE)
RIVAL_BEFORE = re.compile(r"[0-9%][ ]?(?:,|-|/|,? or|,? and|to)[ ]?\$?\Z")


@dataclass(frozen=True)
class Commitment:
    """A place where the text gives an answer: `number`, or `problem` saying why it cannot be read."""

    kind: Kind
    start: int
    end: int
    number: Number | None
    problem: Literal["", "several", "unreadable", "negated", "cut off"] = ""


@dataclass(frozen=True)
class Extraction:
    """The final answer (`status` found) or the reason that there is none."""

    status: Literal["found", "no_answer", "ambiguous"]
    reason: str
    number: Number | None = None
    kind: Kind | None = None


def extract(text: str) -> Extraction:
    """Return the final answer of a completion's text. Never raises."""
    visible = split_think(text)[1]
    if visible is None:
        return Extraction("no_answer", "the thinking was never closed")
    visible = normalise(visible[-MAX_TEXT:])
    given = _commitments(visible)
    found = _first_turn([commitment for commitment in given if commitment.problem != "negated"], visible)
    if given and not found:
        return Extraction("no_answer", "every answer that is given is also denied")
    return _settle(found, visible) if found else _prose(visible)


def _commitments(text: str) -> list[Commitment]:
    """Return the explicit commitments in order and the sentences after them; sentences alone where none is explicit."""
    explicit = sorted([*_markers(text), *_boxes(text), *_tags(text)], key=lambda c: c.start)
    last = max((c.end for c in explicit), default=0)
    return explicit + [sentence for sentence in _sentences(text) if sentence.start >= last]


def _first_turn(found: list[Commitment], text: str) -> list[Commitment]:
    for turn in NEW_TURN.finditer(text):
        if earlier := [c for c in found if c.end <= turn.start()]:
            return earlier
    return found


def _settle(found: list[Commitment], text: str) -> Extraction:
    """Walk back from the last commitment until the text has moved on; all answers on the way must agree."""
    last = found[-1]
    if last.problem == "several":
        return Extraction("ambiguous", "the last commitment holds several numbers", kind=last.kind)
    if last.number is None:
        return Extraction("no_answer", f"the last commitment is {last.problem or 'unreadable'}", kind=last.kind)
    for earlier, later in reversed(list(pairwise(found))):
        # A box inside a tag, or both on one line, is one commitment written twice.
        if later.start >= earlier.end and _moves_on(text[earlier.end : later.start]):
            break
        if earlier.problem == "several" or (earlier.number is not None and earlier.number != last.number):
            return Extraction("ambiguous", "different answers are committed side by side", kind=last.kind)
    return Extraction("found", f"committed by {last.kind}", last.number, last.kind)


def _moves_on(between: str) -> bool:
    if RIVALS.search(between):
        return False
    return MOVES_ON.search(between) is not None or len(re.findall(r"[^\W\d_]{2,}", between)) >= 3


def _prose(text: str) -> Extraction:
    tail = plain(text[-2000:])
    found = find(tail)
    if not found or found[-1].number is None:
        return Extraction("no_answer", "no number was found" if not found else "the last number is unreadable")
    if RIVAL_BEFORE.search(tail[max(0, found[-1].start - 12) : found[-1].start]):
        return Extraction("ambiguous", "the last number is one of several", kind="prose")
    return Extraction("found", "the last number in prose", found[-1].number, "prose")


def _markers(text: str) -> Iterator[Commitment]:
    for match in MARKER.finditer(text):
        line, end = match[1], match.end()
        if not line.strip():
            # The number may stand on the next line; a marker at the very end was cut off.
            line = text[end : end + MAX_SPAN].lstrip().partition("\n")[0]
            if not line:
                yield Commitment("marker", match.start(), end, None, "cut off")
            elif re.match(r"[-+$*\\({ ]*[0-9]", line):
                yield _read("marker", match.start(), end + MAX_SPAN, line)
        elif not HEADING.search(line[:MAX_SPAN].partition(":")[0]) or "answer" in line[:30].lower():
            yield _read("marker", match.start(), match.start(1) + _sentence_end(line), line)


def _boxes(text: str) -> Iterator[Commitment]:
    for match in BOX.finditer(text):
        start = match.end()
        if not match[0].endswith("{"):
            bare = re.match(r"-?[0-9.,]*[0-9]", text[start : start + MAX_SPAN])
            yield _boxed(text, match.start(), start, start + (bare.end() if bare else 0))
            continue
        closing = _closing_brace(text, start)
        if closing is None:
            problem: Literal["cut off", "unreadable"] = "cut off" if start + MAX_SPAN >= len(text) else "unreadable"
            yield Commitment("boxed", match.start(), start, None, problem)
        else:
            yield _boxed(text, match.start(), start, closing)


def _boxed(text: str, opening: int, start: int, end: int) -> Commitment:
    box = _read("boxed", opening, end + 1, text[start:end])
    refused = re.search(r"\b(?:not|never|n't)[ $*\\([]{0,6}\Z", text[max(0, opening - 16) : opening])
    return replace(box, number=None, problem="negated") if refused else box


def _closing_brace(text: str, start: int) -> int | None:
    depth = 1
    for index in range(start, min(len(text), start + MAX_SPAN)):
        depth += {"{": 1, "}": -1}.get(text[index], 0)
        if depth == 0:
            return index
    return None


def _tags(text: str) -> Iterator[Commitment]:
    for match in TAG.finditer(text):
        start = match.end()
        window = text[start : start + MAX_SPAN]
        closing = window.lower().find("</answer>")
        if closing >= 0:
            yield _read("tag", match.start(), start + closing, window[:closing])
        else:
            cut = start + MAX_SPAN >= len(text)
            yield Commitment("tag", match.start(), start, None, "cut off" if cut else "unreadable")


def _sentences(text: str) -> Iterator[Commitment]:
    for match in SENTENCE.finditer(text):
        span = match[1]
        if not span.strip(" *_") and match.end() == len(text):
            yield Commitment("sentence", match.start(), match.end(), None, "cut off")
            continue
        sentence = _read("sentence", match.start(), match.start(1) + _sentence_end(span), span)
        # "The answer is as follows:" commits to nothing.
        if sentence.problem != "unreadable":
            yield sentence


def _sentence_end(line: str) -> int:
    """Return where the sentence that commits ends: what follows on its line may take it back."""
    end = SENTENCE_END.search(line[:MAX_SPAN])
    return end.end() if end else len(line)


def _read(kind: Kind, start: int, end: int, span: str) -> Commitment:
    """Read the one number of a committed span; several different ones, or an operation left undone, are a problem."""
    span = re.sub(r"####|</?answer>", " ", plain(span[:MAX_SPAN]))
    found = find(span)
    if not found:
        return Commitment(kind, start, end, None, "unreadable")
    if NEGATION.search(span[: found[0].start]):
        return Commitment(kind, start, end, None, "negated")
    tail = TAIL.search(span, found[0].end)
    stop = tail.start() if tail else len(span)
    found = [place for place in found if place.end <= stop]
    values = {place.number for place in found}
    if len(values) > 1 or (None in values and "," in span[:stop]):
        return Commitment(kind, start, end, None, "several")
    rest = span[: found[0].start] + " ".join(span[a.end : b.start] for a, b in pairwise(found))
    number = None if UNDONE.search(rest + " " + span[found[-1].end : stop]) else found[0].number
    return Commitment(kind, start, end, number, "" if number else "unreadable")
