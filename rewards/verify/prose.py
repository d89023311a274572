"""Read the number that prose concludes with, where no commitment is made."""

from __future__ import annotations

import re

from rewards.verify import cues, reading
from rewards.verify.numbers import Found, find, plain
from rewards.verify.reading import Reading

__all__ = ["MAX_PROSE", "SENTENCES", "conclude", "unfinished"]

MAX_PROSE = 2000

SENTENCES = re.compile(r"(?<=[.!?\u3002])(?<!\bRs\.)(?<!e\.g\.)(?<!i\.e\.)[*_]*\s+|\n+")
ITEM = re.compile(r"^[ \t]*(?:\*\*)?\(?[0-9]{1,2}[.)](?:\*\*)?(?:[ \t]+|$)", re.MULTILINE)
# A numbered list that breaks off behind its next number.
BROKEN_LIST = re.compile(r"(?:^|\n)[ \t]*[0-9]{1,2}[.)][^\n]*\n[ \t]*[0-9]{1,2}[.)]?\s*\Z")
# A column of numbers, one a line.
COLUMN = re.compile(r"(?:(?:^|\n)[ \t]*[-$]{0,2}[0-9][0-9.,]*[ \t]*(?=\n|\Z)){3,}\s*\Z")
HEADING = re.compile(r"[ \t]*#{1,6}[ \t](?![ \t$*-]*[0-9][0-9.,]*[ \t*]*\Z)")
BRACKETS = re.compile(r"\([^()]{0,120}\)")
OPTIONS = re.compile(r"\(?\b[A-E]\)[^A-Z\n]{1,40}\(?\b[A-E]\)")


def conclude(text: str) -> Reading:
    """Return the number that prose ends on: of the last sentence that has one, polite words and checks left aside.

    Prose is no commitment, so whatever puts it in doubt wins: a plan that is not carried out, a doubt, somebody else's
    words, a text that breaks off.
    """
    tail = text[-MAX_PROSE:]
    checks = cues.CHECK.search(tail)
    if checks and find(plain(tail[: checks.start()])):
        tail = tail[: checks.start()]
    # "5." at the start of a line counts the lines, unless the line is nothing else and the only one.
    listed = ITEM.sub("", tail)
    sentences = [one for one in SENTENCES.split(listed if find(listed) else tail) if one and one.strip()]
    while sentences and (cues.POLITE.search(sentences[-1]) or not re.search(r"\w", sentences[-1])):
        sentences.pop()
    if not sentences or cues.QUESTION.search(sentences[-1]) or cues.PLANTED.search(tail):
        return Reading(None, "unreadable")
    if unfinished(sentences[-1]) or BROKEN_LIST.search(tail):
        return Reading(None, "cut off")
    if COLUMN.search(tail):
        return Reading(None, "several")
    sentences = _up_to_the_conclusion(sentences)
    if any(cues.GIVES_UP.search(sentence) for sentence in sentences[-4:]):
        return Reading(None, "unreadable")
    for sentence in reversed(sentences):
        if HEADING.match(sentence):
            return Reading(None, "cut off")
        if sentence.rstrip(" *_\"'").endswith("?") or cues.HYPOTHETICAL.search(sentence):
            continue
        if (said := _concluding(sentence)) is not None:
            return said
        if cues.UNSETTLED.search(sentence) or cues.RESTATED.search(sentence):
            return Reading(None, "unreadable")
    return Reading(None, "unreadable")


def unfinished(sentence: str) -> bool:
    """Return whether the text breaks off in this sentence: on an operator, or in words that lead nowhere."""
    end = sentence.rstrip().removesuffix("**").rstrip()
    if cues.UNFINISHED.search(end):
        return True
    if re.search(r"[^\w\s]\Z", end):
        return False
    last = reading.numbers(plain(end))
    after = plain(end)[last[-1].end :] if last else end
    return len(after.split()) > ((5 if "," in after else 12) if last else 2)


def _up_to_the_conclusion(sentences: list[str]) -> list[str]:
    """Leave out what follows "So she needs **$5** more." and neither computes nor concludes: remarks."""
    for index in range(len(sentences) - 1, max(-1, len(sentences) - 4), -1):
        sentence = sentences[index]
        if "=" in sentence:
            break
        if cues.CONCLUDES.search(sentence):
            return sentences[: index + 1] if "**" in sentence else sentences
    return sentences


def _concluding(sentence: str) -> Reading | None:
    bold = re.findall(r"\*\*([^*\n]{1,80})\*\*", sentence)
    stated = reading.rounded(bold[-1] if bold and len(reading.numbers(plain(bold[-1]))) == 1 else sentence)
    sentence = plain(stated)
    if not reading.numbers(sentence):
        return None
    if OPTIONS.search(sentence):
        return Reading(None, "several")
    # What stands in brackets explains.
    outside = BRACKETS.sub(" ", sentence)
    sentence = outside if find(outside) else sentence
    found = reading.numbers(sentence)
    if not found:
        return None
    restated = cues.RESTATED.search(sentence) and not ("=" in sentence or cues.CONCLUDES.search(sentence))
    if restated or cues.REFUSAL.search(sentence):
        return Reading(None, "unreadable")
    _, equals, last = sentence.rpartition("=")
    if equals and (after := reading.numbers(last)):
        head = len(sentence) - len(last)
        found = [Found(place.start + head, place.end + head, place.number) for place in after]
    standing = [place for place in found if not reading.denied(sentence, place)]
    if not standing:
        return Reading(None, "denied")
    main = [p for p in standing if not cues.ADJUNCT.search(sentence[max(0, p.start - 16) : p.start])] or standing
    if _listed(sentence, main) or cues.BOUND.search(sentence[: main[-1].start]):
        return Reading(None, "several")
    return Reading(main[-1].number, "" if main[-1].number else "unreadable")


LISTED = re.compile(
    r"\A[%\s$]{0,3}(?:\s|,|;|-|/|,? or|,? and|to|,? maybe|,? perhaps|, (?:and )?(?-i:[A-Z])[a-z]+:?)[\s$]{0,3}\Z",
    re.IGNORECASE,
)


def _listed(sentence: str, found: list[Found]) -> bool:
    """Return whether the last number stands in a list or a range: `17 or 18`, `17-18`, `16, 17, 18`."""
    if len({place.number for place in found}) < 2:
        return False
    if LISTED.match(sentence[found[-2].end : found[-1].start]):
        return True
    return cues.RIVALS.search(sentence[found[-2].end : found[-1].start]) is not None
