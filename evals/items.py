"""Graded completions from where they are: an `items.jsonl`, the folder of an evaluation, rows, or a frame."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

__all__ = ["ItemsError", "Row", "evaluations", "rows_of"]

Row = dict[str, Any]


@runtime_checkable
class Frame(Protocol):
    """What a pandas frame offers, and is read by."""

    def astype(self, dtype: Any) -> Any: ...
    def notna(self) -> Any: ...


class ItemsError(ValueError):
    """Graded completions are missing, malformed or cannot be compared; the message names where, and the fix."""


def rows_of(source: str | Path | Sequence[Mapping[str, Any]] | Frame) -> list[Row]:
    """Return the rows of one evaluation.

    Args:
        source: a file of JSON lines, a folder that holds `items.jsonl`, rows, or a frame with a row per completion.

    Raises:
        ItemsError: the file cannot be read, a line is malformed, or it holds several evaluations.
    """
    if isinstance(source, str | Path):
        found = evaluations(Path(source))
        if len(found) > 1:
            raise ItemsError(f"{source}: holds {len(found)} evaluations; give the rows of one, as evaluations() does")
        return next(iter(found.values()))
    if isinstance(source, Frame):
        # A frame has three words for a missing value; rows have None.
        rows: list[Row] = source.astype(object).where(source.notna(), None).to_dict("records")
    else:
        rows = [dict(row) for row in source]
    for number, row in enumerate(rows, start=1):
        if row.get("id") is None:
            raise ItemsError(f"row {number}: has no `id`; every graded completion needs that of its question")
    return rows


def evaluations(path: Path) -> dict[str, list[Row]]:
    """Return the evaluations in a file or folder, by name: one under the name of the path, or several.

    Several stand in a file of OpenAI's `example_model_solutions.jsonl` shape: a line per question with `question`,
    `ground_truth`, and for each model `{"solution": text, "is_correct": bool}`; those labels become `correct`. A torn
    last line, which a killed run leaves behind, is dropped: the comparison will say that its completion is missing.

    Raises:
        ItemsError: the file cannot be read, is empty, or a line is malformed (its number is named).
    """
    file = path / "items.jsonl" if path.is_dir() else path
    found: dict[str, list[Row]] = {}
    for number, row in _lines(file):
        solved = {name: value for name, value in row.items() if isinstance(value, dict) and "is_correct" in value}
        if solved:
            for name, value in solved.items():
                found.setdefault(name, []).append(_solution(f"{file.stem}-{number}", row, value))
        elif row.get("id") is None:
            raise ItemsError(f"{file}:{number}: has no `id`; give the items.jsonl of an evaluation")
        else:
            found.setdefault(str(path), []).append(row)
    if not found:
        raise ItemsError(f"{file}: holds no graded completions; give the items.jsonl of an evaluation")
    return found


def _solution(name: str, row: Row, solved: Row) -> Row:
    return {
        "id": name,
        "question": row.get("question"),
        "gold": row.get("ground_truth"),
        "completion": solved.get("solution"),
        "correct": solved["is_correct"],
        "sample": 0,
    }


def _lines(file: Path) -> Iterator[tuple[int, Row]]:
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ItemsError(f"{file}: not found; give an items.jsonl or the folder of an evaluation") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ItemsError(f"{file}: cannot be read as UTF-8 text ({error}); give JSON lines") from error
    # Not splitlines: a completion may hold a line separator that JSON does not escape.
    lines = text.split("\n")
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            if number == len(lines):
                return
            raise ItemsError(f"{file}:{number}: not JSON ({error.msg}); mend or drop the line") from error
        if not isinstance(row, dict):
            raise ItemsError(f"{file}:{number}: not an object; give the items.jsonl of an evaluation")
        yield number, row
