"""Cut a solution into steps: for scorers that judge whatever stands there, and for values at prefixes."""

from __future__ import annotations

import itertools
import re

__all__ = ["segments"]

# A line, or a statement that ends in an equation: the tiny default writes its chain on one line.
BOUNDARY = re.compile(r"\n+|(?<=[0-9%>])[ \t]*[,;.](?=\s|$)[ \t]*|</think>\s*")


def segments(text: str) -> list[tuple[int, int]]:
    """Return the steps of `text` as [start, end) in characters: together they are the whole text."""
    ends = [match.end() for match in BOUNDARY.finditer(text)]
    cuts = [0, *ends, *([len(text)] if not ends or ends[-1] < len(text) else [])]
    return [(start, end) for start, end in itertools.pairwise(cuts) if end > start]
