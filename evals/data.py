"""Question-and-answer files: JSON lines with `question` and `answer`, as GSM8K's own files are."""

import json
from dataclasses import dataclass
from pathlib import Path


class DataError(ValueError):
    """A data file is missing or malformed; the message names the file, the line and the fix."""


@dataclass(frozen=True)
class Item:
    """One problem. `gold` is the answer as the file gives it; the verifier reads the final number out of it."""

    id: str
    question: str
    gold: str


def load(path: Path, limit: int | None = None) -> list[Item]:
    """Reads a file; every line must be an object with non-empty texts `question` and `answer`.

    Raises:
        DataError: the file cannot be read, is empty, or a line is malformed (its number is named).
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read as UTF-8 text ({error}); give a JSON-lines file") from error
    items = [_item(path, number, line) for number, line in enumerate(lines, start=1) if line.strip()]
    if not items:
        raise DataError(f'{path}: holds no problems; give lines like {{"question": "...", "answer": "... #### 18"}}')
    return items[:limit]


def _item(path: Path, number: int, line: str) -> Item:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise DataError(f"{path}:{number}: not JSON ({error.msg} at column {error.colno}); mend or drop it") from error
    if not isinstance(row, dict):
        raise DataError(f"{path}:{number}: not an object with `question` and `answer`; mend or drop the line")
    for field in ("question", "answer"):
        if not isinstance(row.get(field), str) or not row[field].strip():
            raise DataError(f"{path}:{number}: no text under `{field}`; mend or drop the line")
    return Item(id=str(row.get("id", f"{path.stem}-{number}")), question=row["question"], gold=row["answer"])
