"""Single files of a study: JSON, JSON lines and TOML in, whole files out."""

import json
import os
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

Row = Mapping[str, Any]
# Python's writer spells a missing float NaN or Infinity; neither may reach a mean.
DECODER = json.JSONDecoder(parse_constant=lambda _: None)


class RecordError(ValueError):
    """A record on disk cannot be read. The text names the file, and for JSON lines the line."""


def json_lines(path: Path) -> Iterator[tuple[int, Row]]:
    """Yield `(line number, object)` of a JSON-lines file; nothing when it is absent.

    A last line that does not parse and has no newline was torn by a crash and is dropped. Any other malformed line
    raises `RecordError`.
    """
    if not path.is_file():
        return
    lines = path.read_bytes().split(b"\n")
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = DECODER.decode(line.decode())
        except ValueError as error:
            if number == len(lines):
                return
            raise RecordError(f"{path}:{number}: not JSON ({error})") from error
        if not isinstance(row, dict):
            raise RecordError(f"{path}:{number}: expected an object, found {type(row).__name__}")
        yield number, row


def json_object(path: Path) -> dict[str, Any]:
    """Return the object of a JSON file, or raise `RecordError` naming it."""
    try:
        value = json.loads(path.read_bytes())
    except ValueError as error:
        raise RecordError(f"{path}: not JSON ({error})") from error
    if not isinstance(value, dict):
        raise RecordError(f"{path}: expected an object, found {type(value).__name__}")
    return value


def toml_table(path: Path) -> dict[str, Any]:
    """Return the table of a TOML file, or raise `RecordError` naming it."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise RecordError(f"{path}: not TOML ({error})") from error


def write(path: Path, data: bytes) -> Path:
    """Replace a file atomically: a temporary file beside it, flushed to disk, then renamed over it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes the file private; a report is to be read by others.
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return path
