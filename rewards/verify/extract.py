r"""Find THE final answer of a completion, or say why there is none. Pure string code, linear in the text.

1. Only visible text counts: nothing inside thinking, nothing after an end-of-turn token, nothing after the model has
   gone on to ask itself a new question.
2. Commitments are `####`, `\boxed{}`, `<answer>` and a sentence ("the answer is 18"); only where there is none does the
   number that the prose concludes with stand in for them.
3. A later commitment replaces an earlier one where the text between moves on ("wait", "so the final", three words of
   prose). Different answers side by side, or joined by "or", are ambiguous: nobody is paid for listing.
4. An answer that is denied or taken back is none, and so is a last commitment that was cut off.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from rewards.completion import split_think
from rewards.verify import cues, formula, prose, reading
from rewards.verify.commitments import SENTENCE_WORDS, Place, places
from rewards.verify.numbers import find, normalise, number, plain
from rewards.verify.reading import Reading, Value
from rewards.verify.verdict import Kind

__all__ = ["FORMULA", "NUMBER", "Extraction", "Reader", "extract"]

# An answer stands at the end; reading more than this would only cost time.
MAX_TEXT = 100_000

PLAINEST = re.compile(rf"(?:(?P<marker>####)|A:)(?P<number>{reading.SIMPLE.pattern})")

# The prompt, dumped before the reply with its roles as bare words.
DUMP = re.compile(r"\A\s*(?:system|user)\n.{0,9999}\nassistant(?:\n|\Z)", re.DOTALL)
# A comment is not shown to a reader, what is struck out no longer stands, and GSM8K's annotations repeat the number.
HIDDEN = re.compile(
    r"<\|im_start\|>(?:system|user)\b.{0,9999}?(?=<\|im_|\Z)|<!--.{0,2000}?-->|~~[^~\n]{1,200}~~"
    r"|<<[^<>\n]{0,200}>>(?=-?[0-9.])|</?(?:b|i|u|strong|em|p|br|span|code|mark)(?: \w+=[^<>\n]{1,80})? ?/?>",
    re.DOTALL,
)
# What a text must not hold to be settled at a glance: whatever could commit, or open a new turn.
GLANCE_SIGNS = ("####", "A:", "Q", "\x08ox")
GLANCE_WORDS = (
    *("box", *filter(str.isascii, SENTENCE_WORDS)),
    *dict.fromkeys(word.lower() for word in cues.TURN_WORDS if word != "Q"),
)
REPLY = re.compile(r"\b(?:answer|solution|response|A)\b[*]{0,2}:", re.IGNORECASE)
FINAL = re.compile(r"\b(?:the |my )?final[ *]*\Z", re.IGNORECASE)
WORD = re.compile(r"[^\W\d_]{2,}")
# So many different answers without a word of correction are a list, whatever stands between them.
ENUMERATED = 4


@dataclass(frozen=True)
class Reader:
    """What differs between the domains: how a place and how prose are read, and when two values are written alike."""

    read: Callable[[Place], Reading]
    conclude: Callable[[str], Reading]
    key: Callable[[Value | None], object]


def _number_at(place: Place) -> Reading:
    # A tag holds whatever its author likes: a number, or a paragraph that ends on one.
    long = place.kind == "tag" and len(place.span.split()) > 8
    return prose.conclude(place.span) if long else reading.read(place)


NUMBER = Reader(_number_at, prose.conclude, lambda value: value)
FORMULA = Reader(formula.read, formula.conclude, formula.key)


@dataclass(frozen=True)
class Extraction:
    """The final answer (`status` found) or the reason that there is none.

    `rivals` are the different answers that stand side by side with it: more than one number is ambiguous, but formulas
    may be the parts of one list, or the same value written twice, and only the gold tells.
    """

    status: Literal["found", "no_answer", "ambiguous"]
    reason: str
    value: Value | None = None
    kind: Kind | None = None
    rivals: tuple[Value, ...] = ()


@dataclass(frozen=True)
class Commitment:
    """A place and what it says."""

    place: Place
    said: Reading


def extract(text: str, reader: Reader = NUMBER) -> Extraction:
    """Return the final answer of a completion's text. Never raises."""
    if reader is NUMBER and (plainest := _glance(text)) is not None:
        return plainest
    visible = split_think(text)[1]
    if visible is None:
        return Extraction("no_answer", "the thinking was never closed")
    visible = normalise(visible[-MAX_TEXT:])
    if "assistant" in visible:
        visible = DUMP.sub("", visible)
    if "<" in visible or "~~" in visible:
        visible = HIDDEN.sub(" ", visible)
    if " than " in visible:
        visible = cues.NOTHING_ELSE.sub("is", visible)
    visible = _first_turn(visible, reader)
    given, echoed = _commitments(visible, reader)
    if not given:
        return _prose(visible[echoed[-1].end :] if echoed else visible, reader)
    standing = [one for one in given if one.said.problem != "denied"]
    return _settle(standing, visible, reader) if standing else _after_denial(given, visible, reader)


def _mentions(text: str, words: tuple[str, ...]) -> bool:
    # A loop, for `any` over a generator takes three times as long and every text comes by here.
    for word in words:  # noqa: SIM110
        if word in text:
            return True
    return False


def _glance(text: str) -> Extraction | None:
    """Return the answer of the plainest completion: a last line `#### 18` or `A: 18`, above it nothing to look at.

    Most rollouts of a trained policy are of this kind; they are settled ten times faster, and as `extract` would.
    """
    above, newline, line = text.rstrip().rpartition("\n")
    match = PLAINEST.fullmatch(line)
    if match is None or (above and not newline) or above.count("<") != 2 * above.count("<<"):
        return None
    if _mentions(above, GLANCE_SIGNS) or _mentions(above.lower(), GLANCE_WORDS):
        return None
    if not above.isascii() and _mentions(normalise(above).lower(), SENTENCE_WORDS + GLANCE_SIGNS):
        return None
    kind: Kind = "marker" if match["marker"] else "sentence"
    return Extraction("found", f"committed by {kind}", number(match["number"]), kind)


def _first_turn(text: str, reader: Reader) -> str:
    """Cut `text` where the model, having answered, goes on to a new question or plays somebody else."""
    if not _mentions(text, cues.TURN_WORDS):
        return text
    for turn in cues.NEW_TURN.finditer(text):
        answered = text[: turn.start()]
        if not answered.strip():
            # It begins by reciting the examples of its prompt: their answers are not the one asked for.
            return text
        if _commitments(answered, reader)[0] or reader.conclude(answered).value is not None:
            return answered
    return text


def _commitments(text: str, reader: Reader) -> tuple[list[Commitment], list[Place]]:
    committed, echoed = places(text)
    explicit = max((place.start for place in committed if place.kind != "sentence"), default=-1)
    made = [Commitment(place, _said(place, text, reader)) for place in committed]
    # A model that was stopped while it said its answer once more has said it.
    if len(made) > 1 and made[-1].place.kind == "sentence" and made[-1].said.problem == "cut off":
        made.pop()
    return [one for one in made if not _vague(one, text, explicit)], echoed


def _said(place: Place, text: str, reader: Reader) -> Reading:
    if place.problem:
        return Reading(None, place.problem, True)
    before, after = text[max(0, place.start - 48) : place.start], text[place.end : place.end + 48]
    if cues.DISBELIEVED.search(before):
        return Reading(None, "denied", True)
    if place.kind != "sentence":
        denied = cues.DENIED_BEFORE.search(before) or (after and cues.DENIED_AFTER.match(after))
    else:
        denied = cues.FOREIGN_DENIAL.search(text[place.start : place.start + 40].partition("\n")[0])
    return Reading(None, "denied", True) if denied else reader.read(place)


def _vague(one: Commitment, text: str, explicit: int) -> bool:
    """Return whether a place commits to nothing: "the answer is as follows:", a heading, a label before reasoning."""
    place, said = one.place, one.said
    rest = text[place.end :]
    if place.kind == "marker":
        return said.problem == "unreadable" and bool(rest.strip())
    if place.kind != "sentence" or said.problem == "cut off":
        return False
    followed = re.search(r"[0-9]", rest) is not None
    if said.problem == "unreadable":
        # "The answer is 60t" is no number, but an answer all the same.
        return followed or (len(place.span.split()) > 4 and re.search(r"[0-9]", place.span) is None)
    label = ":" in text[place.start : place.start + 40] and followed
    return not said.clean and (label or place.start < explicit)


def _settle(given: list[Commitment], text: str, reader: Reader) -> Extraction:
    last = given[-1]
    kind, value = last.place.kind, last.said.value
    if last.said.problem == "several":
        return Extraction("ambiguous", "the last commitment holds several numbers", kind=kind)
    if value is None or last.said.problem:
        return Extraction("no_answer", f"the last commitment is {last.said.problem or 'unreadable'}", kind=kind)
    if (replaced := _replaced(last, text, reader)) is not None:
        return replaced
    beside = [one.said for one in _beside(given, text, reader)]
    rivals = tuple(dict.fromkeys(said.value for said in beside if said.value is not None))
    if any(said.problem == "several" for said in beside) or (rivals and reader is NUMBER):
        return Extraction("ambiguous", "different answers are committed side by side", kind=kind)
    return Extraction("found", f"committed by {kind}", value, kind, rivals)


def _beside(given: list[Commitment], text: str, reader: Reader) -> list[Commitment]:
    """Walk back from the last commitment until the text has moved on; return those on the way that differ from it."""
    final = reader.key(given[-1].said.value)
    different: list[Commitment] = []
    doubtful: list[Commitment] = []
    for earlier, later in reversed(list(pairwise(given))):
        said, between = earlier.said, _between(earlier.place, later.place, text)
        same = said.problem != "several" and (said.value is None or reader.key(said.value) == final)
        moved = cues.MOVES_ON.search(between) is not None and not (cues.RIVALS.search(between) and not same)
        if moved:
            break
        if not same and (cues.RIVALS.search(between) or len(WORD.findall(between)) < 3):
            different.append(earlier)
        elif not same:
            doubtful.append(earlier)
            if len(doubtful) >= ENUMERATED - 1:
                return different + doubtful
    return different


def _between(earlier: Place, later: Place, text: str) -> str:
    """Return what stands between two places; "final" moves on from an answer, but not from another final one."""
    between = text[earlier.end : later.start]
    if text[max(0, earlier.start - 8) : earlier.start].lower().rstrip().endswith("final"):
        return FINAL.sub("", between)
    return between


def _replaced(last: Commitment, text: str, reader: Reader) -> Extraction | None:
    """Return what stands where the text behind the last commitment takes it back, `None` where it lets it stand."""
    after = text[last.place.end : last.place.end + prose.MAX_PROSE]
    if not after or after.isspace():
        return None
    back = next((match for match in cues.TAKEN_BACK.finditer(after) if _concerns(match, after, last.said.value)), None)
    doubt = back or cues.DOUBT.search(after)
    if doubt is None:
        return None
    rest = after[doubt.end() :]
    said = reader.conclude(rest)
    if cues.CONFIRMED.search(rest):
        return None
    if reader.key(said.value) == reader.key(last.said.value):
        # What comes back to the answer leaves it, unless it ends in doubt.
        lost = back and (cues.UNSURE.search(rest) or cues.GIVES_UP.search(rest))
        return Extraction("no_answer", "the answer was taken back", kind=last.place.kind) if lost else None
    if said.value is not None:
        return Extraction("found", "the answer was corrected afterwards", said.value, "prose")
    return Extraction("no_answer", "the answer was taken back", kind=last.place.kind) if back else None


def _concerns(retraction: re.Match[str], after: str, value: Value | None) -> bool:
    """Return whether a retraction is of this value: "17 is wrong" and "I wrote 17, a mistake" say nothing about 18."""
    if retraction["value"] is not None:
        return _value_of(retraction["value"]) == _value_of(value)
    sentence = prose.SENTENCES.split(after[: retraction.start()])[-1]
    named = [found.number for found in find(plain(sentence))]
    return not named or _value_of(value) in named


def _value_of(value: Value | None) -> object:
    found = find(plain(value)) if isinstance(value, str) else []
    return found[0].number if len(found) == 1 else value


def _after_denial(given: list[Commitment], text: str, reader: Reader) -> Extraction:
    denied: set[object] = {found.number for one in given for found in find(plain(one.place.span))[:1]}
    denied |= {reader.key(one.place.span.strip()) for one in given}
    last = given[-1].place
    # "I first thought the answer was 950, so it is 1450": the revision may stand in the denied sentence.
    said = reader.conclude(text[last.end :]) if text[last.end :].strip() else reader.read(last)
    if said.value is not None and reader.key(said.value) not in denied:
        return Extraction("found", "the answer that follows the denied one", said.value, "prose")
    return Extraction("no_answer", "every answer that is given is also denied")


def _prose(text: str, reader: Reader) -> Extraction:
    # A recited problem ends in numbers too.
    if cues.NEW_TURN.match(text) and not REPLY.search(text):
        return Extraction("no_answer", "the text only recites a question")
    said = reader.conclude(text)
    if said.value is not None:
        return Extraction("found", "the last number in prose", said.value, "prose")
    if said.problem == "several":
        return Extraction("ambiguous", "the last number is one of several", kind="prose")
    reasons = {"denied": "the last number is denied", "cut off": "the text is cut off"}
    return Extraction("no_answer", reasons.get(said.problem, "no number was found"))
