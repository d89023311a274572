"""Cut a solution into steps: for scorers that judge whatever stands there, and for values at prefixes."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from itertools import pairwise

from rewards.equations import equations

__all__ = ["LONGEST", "segments"]

# Whoever writes no separator gets steps of this many characters, so that avoiding them does not make one great step.
LONGEST = 400

# Lines, the end of thinking, and sentences: a new one begins with a capital, a number or a bracket.
BOUNDARY = re.compile(
    r"""[ \t]*\n\s* | (?i:</think(?:ing)?>)\s* | (?<=[A-Za-z0-9%$)>*"']{2})[.!?;]+["')*]*[ \t]+(?=[A-Z0-9$(<*.\\])""",
    re.VERBOSE,
)
# Where one equation ends and the next begins: behind the first separator, else behind the first blank.
SEPARATOR = re.compile(r"[,;.:!?]+[ \t]+")
# Not the blank of 1 018, 1 1/2 or 20 %.
BLANK = re.compile(r"(?<![0-9])\s+(?=\S)|\s+(?=[^0-9%\s])")

Places = Sequence[tuple[int, int]]


def segments(text: str) -> list[tuple[int, int]]:
    """Return the steps of `text` as [start, end) in characters: together they are the whole text, and none is blank.

    A step ends with its line, with the end of thinking, with its sentence, or before a second equation; one of more
    than `LONGEST` characters is cut at a blank. An equation or a number is never cut, unless it is longer than that.
    Spaces between two steps begin the later one, as they begin a word's token. A text of blanks is one step, an empty
    one has none.
    """
    places = [(one.start, one.end) for one in equations(text)]
    cuts = [match.end() for match in BOUNDARY.finditer(text) if not _around(places, match.end())]
    starts = [0]
    for cut in sorted({*cuts, *_between(text, places, cuts), len(text)}):
        # What is blank before a boundary belongs to the step before it, and at the beginning to the first.
        if text[starts[-1] : cut].strip():
            starts += [*_pieces(text, places, starts[-1], cut), cut]
    inner = [len(text[:start].rstrip(" \t")) for start in starts[1:-1]]
    return list(pairwise([0, *inner, len(text)])) if text else []


def _between(text: str, places: Places, cuts: Sequence[int]) -> Iterator[int]:
    """Where an equation is parted from the next, if no boundary does it."""
    for (_, end), (start, _) in pairwise(places):
        if bisect_left(cuts, end) == bisect_right(cuts, start):
            found = SEPARATOR.search(text, end, start) or BLANK.search(text, end, start)
            yield found.end() if found else start


def _pieces(text: str, places: Places, start: int, end: int) -> Iterator[int]:
    """Where a step that is too long is cut, each time as late as may be; blanks around it do not count."""
    end = start + len(text[start:end].rstrip())
    start = end - len(text[start:end].lstrip())
    while end - start > LONGEST:
        limit = start + LONGEST
        blanks = [match.end() for match in BLANK.finditer(text, start, limit + 1)]
        free = [at for at in blanks if not _around(places, at)]
        around = _around(places, limit)
        if free:
            start = free[-1]
        elif around and around[0] > start:
            start = around[0]
        else:
            start = end - len(text[limit:end].lstrip())
        yield start


def _around(places: Places, at: int) -> tuple[int, int] | None:
    """The equation that a cut at `at` would divide."""
    place = bisect_right(places, at, key=lambda one: one[0]) - 1
    return places[place] if place >= 0 and places[place][0] < at < places[place][1] else None
