"""Which completions a page shows: at most `limit`, even over cells, then steps, in whole groups of a prompt."""

import itertools
import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from ablations.files import Row
from ablations.records import Study

T = TypeVar("T")

# Of a cell's completions half are from training; the base is the same for many cells.
WEIGHTS = {"training": 8, "test": 4, "test, greedy": 2, "base": 1, "base, greedy": 1}
SPLITS = tuple(WEIGHTS)
ITEMS = dict(zip(SPLITS[1:], ("items", "items_greedy", "items_base", "items_base_greedy"), strict=True))

ANSWER = b', "completion": '

LONGEST = 8_000
"""Characters of one text that a page shows."""

TEXT = 100_000_000
"""Bytes of records that a page holds before compression, so that long completions make fewer of them."""


@dataclass(frozen=True)
class Source:
    """The files of one split of one cell; `cell` is its place in the study.

    `count` is how many lines there are, supposing as many in each file as in the first, as of training steps there
    are; `group` how many of them in a row answer one prompt, and `width` their bytes, by the first as well.
    """

    cell: int
    split: str
    paths: tuple[Path, ...]
    group: int
    count: int
    width: int

    def groups(self, share: int) -> Iterator[list[Row]]:
        """Yield groups of about `share` completions together, from steps and places as even as that allows."""
        wanted = share // self.group or min(share, 1)
        files = spread(self.paths, wanted)
        for place, path in enumerate(files):
            count = wanted * (place + 1) // len(files) - wanted * place // len(files)
            for group in spread(grouped(lines(path)), count):
                yield rows(group)


def sources(study: Study) -> list[Source]:
    """Return every split of every cell that left completions."""
    found = []
    for place, cell in enumerate(study.cells):
        home = study.folder / "cells" / (cell.id or "-")
        files = {"training": sorted((home / "completions").glob("step_*.jsonl.gz"))}
        files |= {split: [home / f"{name}.jsonl"] for split, name in ITEMS.items()}
        found += [_source(place, split, tuple(paths)) for split, paths in files.items() if paths and paths[0].is_file()]
    return [source for source in found if source.count]


def _source(cell: int, split: str, paths: tuple[Path, ...]) -> Source:
    found = lines(paths[0])
    first = next(iter(grouped(found)), [b""])
    return Source(cell, split, paths, len(first), len(found) * len(paths), min(len(first[0]), LONGEST))


def shares(sources: Sequence[Source], limit: int) -> list[int]:
    """Return how many completions each source gives: by weight, what one cannot use going to the others.

    Where there is room for all, each may give as many as there is room for: its `count` may be too low.
    """
    total = sum(source.count for source in sources)
    width = sum(source.count * source.width for source in sources) / total if total else 1
    left = min(limit, int(TEXT / max(width, 1)))
    if total <= left:
        return [left] * len(sources)
    given = [0] * len(sources)
    # The one that needs least for its weight comes first, so that nothing it leaves is lost to those behind it.
    order = sorted(range(len(sources)), key=lambda i: (sources[i].count / WEIGHTS[sources[i].split], i))
    weights = sum(WEIGHTS[source.split] for source in sources)
    for i in order:
        weight = WEIGHTS[sources[i].split]
        given[i] = min(sources[i].count, left * weight // weights)
        left, weights = left - given[i], weights - weight
    return given


def spread(values: Sequence[T], count: int) -> list[T]:
    """Return `count` of the values, evenly spaced, the first and the last among them; of one, the last."""
    if count >= len(values):
        return list(values)
    if count < 2:
        return list(values[-1:]) if count else []
    return [values[place * (len(values) - 1) // (count - 1)] for place in range(count)]


def lines(path: Path) -> list[bytes]:
    """Return the lines of a file, gzipped or not; of one that a crash tore, those before the tear."""
    data = path.read_bytes()
    if path.suffix == ".gz":
        try:
            data = zlib.decompressobj(wbits=31).decompress(data)
        except zlib.error:
            return []
    return [line for line in data.split(b"\n") if line.strip()]


def grouped(found: Sequence[bytes]) -> list[list[bytes]]:
    """Return lines in groups of one prompt. All records say what was asked before what was answered."""
    return [list(same) for _, same in itertools.groupby(found, key=lambda line: line.partition(ANSWER)[0])]


def rows(found: Sequence[bytes]) -> list[Row]:
    """Return the records of lines, without those that are none."""
    return [row for row in map(_row, found) if row is not None]


def _row(line: bytes) -> dict[str, Any] | None:
    try:
        # Python's writer spells a missing float NaN or Infinity.
        row = json.loads(line, parse_constant=lambda _: None)
    except ValueError:
        return None
    return row if isinstance(row, dict) and "completion" in row else None


def prompt_of(row: Row) -> str:
    """Return the question of an item, or the prompt of a training completion, each message under its role."""
    prompt = row.get("question", row.get("prompt", ""))
    if isinstance(prompt, str):
        return prompt
    messages = [(str(message.get("role", "")), str(message.get("content", ""))) for message in prompt]
    if len(messages) == 1:
        return messages[0][1]
    return "\n\n".join(f"[{role}]\n{content}" for role, content in messages)
