"""Read the gold answer: GSM8K's whole `answer` field, the `A: 18` form, or a bare number."""

from __future__ import annotations

import re
from functools import lru_cache

from rewards.verify.numbers import Number, find, normalise, number, plain
from rewards.verify.reading import SIMPLE

__all__ = ["gold_number"]

# The last marked line of a worked solution; what stands before it is reasoning.
MARKED = re.compile(r"(?:####|^A:)([^\n]*)\Z", re.MULTILINE)

DRESS = re.compile(r"[\s$\u20ac\u00a3\u00a5\u20b9.]*")


def gold_number(gold: object) -> Number | None:
    """Return the gold's number, `None` where there is no single one.

    A worked solution counts only by its last line, `#### 18` or `A: 18`; any other text must be the number itself,
    for reading a number out of prose is how wrong golds were paid elsewhere (huggingface/open-r1#628).
    """
    if isinstance(gold, bool) or not isinstance(gold, str | int | float):
        return None
    if isinstance(gold, int) and gold.bit_length() > 900:
        return None
    return _read(str(gold))


@lru_cache(maxsize=4096)
def _read(gold: str) -> Number | None:
    text = normalise(gold).strip()
    last = text.rsplit("\n", 1)[-1]
    marked = MARKED.search(last)
    text = marked[1] if marked else text
    if SIMPLE.fullmatch(text):
        return number(text)
    text = plain(text)
    if len(text) > 1000:
        return None
    found = find(text)
    if len(found) != 1:
        return None
    outside = text[: found[0].start] + text[found[0].end :]
    return found[0].number if DRESS.fullmatch(outside) else None
