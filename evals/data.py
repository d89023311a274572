"""Question-and-answer files: JSON lines with `question` and `answer`.

GSM8K's own files, GSM-Plus (arXiv 2402.19255: a `perturbation_type`, and items that have no answer), GSM-Symbolic
(arXiv 2410.05229: fifty of every template `id`, told apart by `instance`), and any file like them.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from harness.config import DataConfig
from rewards.verify.gold import gold_number

# GSM-Plus: what its `answer` holds where the problem was made unanswerable.
NO_ANSWER = "None"

_SHOWN = 5


class DataError(ValueError):
    """A data file is missing or malformed; the message names the file, the lines and the fix."""


@dataclass(frozen=True)
class Item:
    """One problem. `gold` is the answer as the file gives it; the verifier reads the final number out of it.

    `kind` is GSM-Plus's perturbation type, None elsewhere.
    """

    id: str
    question: str
    gold: str
    kind: str | None = None


@dataclass(frozen=True)
class Dataset:
    """A split, and all that its file holds beside the `items` to measure on.

    Attributes:
        split: the file's stem.
        sha256: of the file's bytes, in hex.
        items: the problems that have an answer, in the file's order.
        unanswered: GSM-Plus's problems that were made unanswerable: no completion of theirs can be graded.
        unreadable: ids of the items whose gold is not one number: their completions will not be scorable.
        malformed: a line of text for each malformed line that was passed over; empty unless that was asked for.
    """

    split: str
    sha256: str
    items: tuple[Item, ...]
    unanswered: tuple[Item, ...]
    unreadable: tuple[str, ...]
    malformed: tuple[str, ...]

    def notes(self) -> list[str]:
        """What people must know beside the number of items; empty where there is nothing to tell."""
        found = []
        if self.unanswered:
            found.append(f"{len(self.unanswered)} problems have no answer by design and are left out")
        if self.unreadable:
            ids = ", ".join(self.unreadable[:_SHOWN]) + (", ..." if len(self.unreadable) > _SHOWN else "")
            found.append(f"{len(self.unreadable)} golds are not one number and cannot be scored: {ids}")
        if self.malformed:
            found.append(f"{len(self.malformed)} malformed lines were passed over:")
            found += _some(self.malformed)
        return found


def read(path: Path, skip_malformed: bool = False) -> Dataset:
    """Reads a file to measure on.

    Args:
        skip_malformed: go on past malformed lines, which are then in `Dataset.malformed`, instead of refusing.

    Raises:
        DataError: the file cannot be read or holds no problems; a line is malformed or repeats an id (up to five are
            named, all are counted); or no gold at all is a number, for then every accuracy would be void.
    """
    items, malformed = _parsed(path, skip_malformed)
    unanswered = tuple(item for item in items if item.kind is not None and item.gold.strip() == NO_ANSWER)
    left_out = {item.id for item in unanswered}
    answered = tuple(item for item in items if item.id not in left_out)
    unreadable = tuple(item.id for item in answered if gold_number(item.gold) is None)
    if len(unreadable) == len(answered):
        raise DataError(
            f"{path}: no gold is one number, so nothing can be scored (the first is {items[0].gold[-40:]!r}); "
            "give answers like '18' or '... #### 18'"
        )
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return Dataset(path.stem, digest, answered, unanswered, unreadable, malformed)


def load(path: Path, limit: int | None = None) -> list[Item]:
    """All problems of a file, as they stand; every line must be an object with texts `question` and `answer`.

    Raises:
        DataError: the file cannot be read, is empty, or lines are malformed (their numbers are named).
    """
    return list(_parsed(path)[0][:limit])


def training(data: DataConfig) -> list[Item]:
    """The problems that are trained on: all of the training file but those held out. Raises `DataError`."""
    items = load(Path(data.train))
    return items[: len(items) - data.held_out]


def _parsed(path: Path, skip_malformed: bool = False) -> tuple[tuple[Item, ...], tuple[str, ...]]:
    """The items, and what is wrong with the other lines."""
    found: dict[str, Item] = {}
    malformed: list[str] = []
    for number, line in _lines(path):
        try:
            item = _item(path, number, line)
        except DataError as error:
            malformed.append(str(error))
            continue
        if item.id in found:
            malformed.append(f"{path}:{number}: id {item.id} stands already further up; give every line its own")
            continue
        found[item.id] = item
    if malformed and not skip_malformed:
        raise DataError("\n".join(_some(malformed)))
    if not found:
        raise DataError(f'{path}: holds no problems; give lines like {{"question": "...", "answer": "... #### 18"}}')
    return tuple(found.values()), tuple(malformed)


def _some(lines: tuple[str, ...] | list[str]) -> list[str]:
    more = len(lines) - _SHOWN
    return [*lines[:_SHOWN], *([f"... and {more} more malformed lines"] if more > 0 else [])]


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines that are not blank, with their numbers."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read as UTF-8 text ({error}); give a JSON-lines file") from error
    # Not splitlines: JSON texts may hold U+2028, which is no end of a line here.
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield number, line


def _item(path: Path, number: int, line: str) -> Item:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise DataError(f"{path}:{number}: not JSON ({error.msg} at column {error.colno}); mend or drop it") from error
    except RecursionError as error:
        raise DataError(f"{path}:{number}: nested too deeply; mend or drop it") from error
    if not isinstance(row, dict):
        raise DataError(f"{path}:{number}: not an object with `question` and `answer`; mend or drop the line")
    for field in ("question", "answer"):
        if not isinstance(row.get(field), str) or not row[field].strip():
            raise DataError(f"{path}:{number}: no text under `{field}`; mend or drop the line")
    kind = row.get("perturbation_type", row.get("perturbation type"))
    return Item(_id(path, number, row), row["question"], row["answer"], None if kind is None else str(kind))


def _id(path: Path, number: int, row: dict[str, Any]) -> str:
    if "id" not in row:
        return f"{path.stem}-{number}"
    # GSM-Symbolic: one id for all instances of a problem.
    return f"{row['id']}-{row['instance']}" if "instance" in row else str(row["id"])


def drawn(items: Sequence[Item], count: int, seed: int) -> list[Item]:
    """Return `count` of the items, drawn by the seed, in their order; 0 takes all."""
    if not 0 < count < len(items):
        return list(items)
    return [items[place] for place in sorted(Random(seed).sample(range(len(items)), count))]
