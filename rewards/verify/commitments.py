r"""Where a text gives an answer: `####`, `\boxed{}`, `<answer>` and sentences such as "the answer is 18".

Pure string code, linear in the text. A place holds its span as it is written; what the span means is read elsewhere, by
domain. Echoes of an instruction ("put your answer in \boxed{18}") and markers planted for a grader are no places.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeVar

from rewards.verify import cues
from rewards.verify.verdict import Kind

__all__ = ["SENTENCE_WORDS", "Place", "closing_brace", "places"]

MAX_SPAN = 1000
# Nobody needs more commitments than this, and each costs a look around it; the last ones count.
MAX_PLACES = 64

MARKER = re.compile(r"#{4,}[ \t]*([^\n#<]*)")
BOX = re.compile(r"(?:\\|\x08)f?box(?:ed)?[ ]?(?:\{|(?=-?[0-9]))|\x08oxed\{")
TAG = re.compile(r"<(?P<name>(?:final_?)?answer)>", re.IGNORECASE)

# Words for "answer" in the languages that models fall into; a colon, "is" or a short copula follows.
FOREIGN = (
    "respuesta|r[eé]ponse|antwort|risposta|resposta|cevap|jawaban|đáp án"
    "|ответ|答案|答え|正解|정답|답|उत्तर|الجواب|الإجابة"
)
SENTENCE_WORDS = (
    "answer",
    "ans.",
    "final ",
    "correct option",
    "correct choice",
    "going with",
    "go with",
    *FOREIGN.replace("r[eé]ponse", "réponse|reponse").split("|"),
)
# Matched where one of those words, or the label "A:", stands.
SENTENCE = re.compile(
    rf"""(?: \b(?:answer|final[ ](?:result|value|total|count|amount|number|price|cost))["'`*_]{{0,3}}
            (?:[ ][#]?[0-9]{{1,2}}(?=[ ]?:))?(?:[ ](?:to|for|of)\b(?:(?!answer)[^.\n:]){{0,60}}?)?
            (?:[ ]{{1,3}}(?:is|are|was|would[ ]be|will[ ]be|must[ ]be|should[ ]be|equals|comes[ ]to|becomes)\b
              | [ ]{{0,3}}: | ["'][ ]?: )
          | \banswer[ ]{{0,3}}= | \bans\.[ ]?[:=]?(?=[ ])
          | \bcorrect[ ](?:option|choice)[ ]{{1,3}}is\b
          | \b(?:going|go)[ ]with(?=[ ][-$*\\]{{0,3}}[0-9])
          | A:
          | (?:{FOREIGN})[^\W0-9]{{0,4}}(?:[ ]?:|[ ]?[=—-][ ]|[^0-9\n.$\\,]{{0,14}})
        )([^\n]*)""",
    re.IGNORECASE | re.VERBOSE,
)

# A line that is nothing but a bold number, with its unit; "**Day 2**" is a heading.
BOLD_LINE = re.compile(
    r"^[ \t]*\*\*[ \t]*((?:[A-Za-z ]{0,20}[:=])?[ \t]*[-$\u20ac\u00a3\u20b9]*[0-9][0-9.,]*(?![.)] )[^*\n:]{0,30})\*\*"
    r"[.!]?[ \t]*$",
    re.MULTILINE,
)

# "#### Step 2: add" is a markdown heading.
HEADING = re.compile(r"\b(?:step|part|method|solution|approach|case|example|problem|question)s?\b", re.IGNORECASE)
NUMERIC_START = re.compile(r"[-+$*_`\\({\[ \u20ac\u00a3\u20b9]{0,8}(?:[0-9]|\\)")
PLACEHOLDER = re.compile(
    r"[<\[{(\s*_\\]*(?:text\{)?(?:your|the|final|numeric(?:al)?|a|an|insert|some|my)?[ _]?"
    r"(?:final|numeric(?:al)?)?[ _]?(?:(?:answer|number|result|value|\.\.\.|…|here)[ _]*)+[>\]})\s*_.]*|[<\[][NX][>\]]",
    re.IGNORECASE,
)

ANOTHER_SENTENCE = re.compile(r"(?<!e\.g\.)(?<!i\.e\.)(?<=[.!?])\s+(?=[A-Z\[<(])")
# A committing sentence ends here: what follows on its line is another one, and may take it back.
SENTENCE_END = re.compile(r"(?<!\bRs)(?<!e\.g)(?<!i\.e)(?<=[0-9A-Za-z*)}$%\u20ac])[.!?](?=\s)|\u3002|\uff01")

T = TypeVar("T")


@dataclass(frozen=True)
class Place:
    """An answer given at `[start, end)`, as written; `problem` says where it is cut off or cannot be delimited."""

    kind: Kind
    start: int
    end: int
    span: str
    problem: Literal["", "cut off", "unreadable"] = ""


def places(text: str) -> tuple[list[Place], list[Place]]:
    """Return the places where `text` commits to an answer, and those that echo the task, both in order.

    What stands within another place is left out.
    """
    lower = text.lower()
    if len(lower) != len(text):  # a few capitals have longer small letters, and positions must agree
        lower = text
    found: list[Place] = []
    # A substring test costs a hundredth of a pattern that finds nothing, and most texts answer in one way only.
    if "####" in text:
        found += _markers(text)
    if "box" in text or "\x08ox" in text:
        found += _boxes(text)
    if "answer>" in lower:
        found += _tags(text)
    found += _sentences(text, lower)
    if "**" in text:
        found += _bold_lines(text)
    found.sort(key=lambda place: (place.start, -place.end))
    committed: list[Place] = []
    echoed: list[Place] = []
    for place in _outermost(found):
        (echoed if _echo(place, text) else committed).append(place)
    return committed, echoed


def _last(found: Iterable[T]) -> deque[T]:
    return deque(found, maxlen=MAX_PLACES)


def _outermost(found: list[Place]) -> Iterator[Place]:
    """Yield one place per commitment: a box inside a tag, or both on one line, is one commitment written twice."""
    for index, place in enumerate(found):
        inner = [other for other in found[index + 1 : index + 4] if other.start < place.end]
        # A sentence or a marker's line that leads to a box, a tag or another sentence says no more than that does.
        if place.kind in ("sentence", "marker") and any(_leads_to(place, other) for other in inner):
            continue
        if any(o.start < place.start < o.end and _encloses(o, place) for o in found[max(0, index - 4) : index]):
            continue
        yield place


def _leads_to(outer: Place, inner: Place) -> bool:
    if inner.kind in ("boxed", "tag"):
        return True
    lead = outer.span[: max(0, len(outer.span) - (outer.end - inner.start))]
    return inner.kind == "sentence" and not re.search(r"[0-9$]", lead)


def _encloses(outer: Place, inner: Place) -> bool:
    return outer.kind in ("boxed", "tag") and not outer.problem and inner.end <= outer.end


def _echo(place: Place, text: str) -> bool:
    """Return whether a place only repeats the task's instruction or was planted for a grader."""
    if not place.problem and not place.span.strip().isdecimal() and PLACEHOLDER.fullmatch(place.span[:80]):
        return bool(place.span.strip())
    line = ANOTHER_SENTENCE.split(text[max(0, place.start - 160) : place.start].rpartition("\n")[2])[-1]
    if not line.strip():
        return False
    if cues.EXAMPLE.search(line):
        return True
    told = cues.PLANTED.search(line) or cues.COMMANDED.search(line)
    return told is not None and not cues.OWN_WORDS.search(line)


def _markers(text: str) -> Iterator[Place]:
    for match in _last(MARKER.finditer(text)):
        line, end = match[1], match.end()
        if line[:1] and line[0] in "\"'`\u201d" and text[: match.start()].endswith(('"', "'", "`", "\u201c")):
            # The marker is quoted, not used: an echo, which the word in the span says.
            yield Place("marker", match.start(), match.end(), "answer")
            continue
        bare = line.strip(" \t*_:")
        labelled = "answer" in line[:40].lower()
        if not bare or (labelled and not re.search(r"[0-9]", line) and bare.lower().endswith("answer")):
            # The number may stand on the next line; a marker at the very end was cut off.
            following = text[end : end + MAX_SPAN].lstrip()
            line = following.partition("\n")[0]
            if line.startswith("<") and PLACEHOLDER.fullmatch(line):
                yield Place("marker", match.start(), end + len(line), line)
            elif not line:
                yield Place("marker", match.start(), end, "", "cut off")
            elif NUMERIC_START.match(line):
                yield _sentence("marker", match.start(), text.index(line, end), line)
        elif labelled or not HEADING.search(re.split(r"[.:\"]", line[:MAX_SPAN])[0]):
            yield _sentence("marker", match.start(), match.start(1), line)


def _boxes(text: str) -> Iterator[Place]:
    for match in _last(BOX.finditer(text)):
        start = match.end()
        if not match[0].endswith("{"):
            bare = re.match(r"-?[0-9.,]*[0-9]", text[start : start + MAX_SPAN])
            end = start + (bare.end() if bare else 0)
            yield Place("boxed", match.start(), end, text[start:end])
            continue
        closing = closing_brace(text, start)
        if closing is None:
            problem: Literal["cut off", "unreadable"] = "cut off" if start + MAX_SPAN >= len(text) else "unreadable"
            yield Place("boxed", match.start(), start, "", problem)
        else:
            yield Place("boxed", match.start(), closing + 1, text[start:closing])


def closing_brace(text: str, start: int) -> int | None:
    """Return where the brace closes that was opened before `start`; `None` where it does not within MAX_SPAN."""
    depth = 1
    for brace in re.finditer(r"\\[{}]|[{}]", text[start : start + MAX_SPAN]):
        depth += {"{": 1, "}": -1}.get(brace[0], 0)
        if depth == 0:
            return start + brace.start()
    return None


def _tags(text: str) -> Iterator[Place]:
    for match in _last(TAG.finditer(text)):
        start = match.end()
        window = text[start : start + MAX_SPAN]
        closing = window.lower().find(f"</{match['name'].lower()}>")
        if closing >= 0:
            yield Place("tag", match.start(), start + closing + len(match[0]) + 1, window[:closing])
        else:
            cut = start + MAX_SPAN >= len(text)
            yield Place("tag", match.start(), start, "", "cut off" if cut else "unreadable")


def _sentences(text: str, lower: str) -> Iterator[Place]:
    starts = {start for word in SENTENCE_WORDS if word in lower for start in _occurrences(lower, word)}
    starts |= {start for start in _occurrences(text, "A:") if not text[:start].rpartition("\n")[2].strip()}
    matches = (match for start in sorted(starts) if (match := SENTENCE.match(text, start)))
    for match in _last(matches):
        span, end = match[1], match.end(1)
        if not span.strip(" *_:\"'`$"):
            # The answer may stand on the next line, which ends there.
            following = text[end : end + MAX_SPAN].lstrip()
            if not following:
                yield Place("sentence", match.start(), end, "", "cut off")
                continue
            span = following.partition("\n")[0]
            yield _sentence("sentence", match.start(), text.index(span, end), span)
        else:
            yield _sentence("sentence", match.start(), match.start(1), span)


def _bold_lines(text: str) -> Iterator[Place]:
    for match in _last(BOLD_LINE.finditer(text)):
        yield Place("sentence", match.start(), match.end(), match[1])


def _occurrences(text: str, word: str) -> Iterator[int]:
    start = text.find(word)
    while start >= 0:
        yield start
        start = text.find(word, start + len(word))


def _sentence(kind: Kind, start: int, begin: int, line: str) -> Place:
    end = SENTENCE_END.search(line, 0, MAX_SPAN)
    stop = end.end() if end else min(len(line), MAX_SPAN)
    return Place(kind, start, begin + stop, line[:stop])
