"""Cells of studies as `harness compare` takes them: `STUDY:ID`, or their folder."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ablations.files import json_object, toml_table
from evals.items import ItemsError
from harness.nearest import hint

SHOWN = 20


def located(source: str, results: Path) -> Path:
    """The path that a source means: itself, or the folder of a study's cell; the start of an id is enough.

    Raises:
        ItemsError: no such study, no such cell, or several; the message says which there are.
        RecordError: the config of a cell cannot be read.
    """
    study, colon, begin = source.rpartition(":")
    if not colon or "/" in begin or Path(source).exists():
        return Path(source)
    home = results / study
    if not (home / "plan.toml").is_file():
        others = sorted(path.parent.name for path in results.glob("*/plan.toml"))
        known = f"{hint(study, others)}studies there: {', '.join(others)}" if others else "there is none"
        raise ItemsError(f"{source}: no study {study} in {results}; {known}")
    cells = {path.name: path for path in sorted(home.glob("cells/*")) if (path / "config.toml").is_file()}
    found = [name for name in cells if name.startswith(begin)]
    if len(found) != 1:
        listed = "".join(f"\n{study}:{name}  {_label(cells[name])}" for name in (found or list(cells))[:SHOWN])
        raise ItemsError(f"{source}: {len(found)} cells have an id that begins so; give one of:{listed}")
    return cells[found[0]]


def named(path: Path) -> str:
    """What an evaluation is called: of a cell `process:559b5b4d5a23 (sparse / grpo / seed 0, tiny on tiny)`.

    Raises:
        ItemsError: the cell has no graded completions yet.
        RecordError: its config or status cannot be read.
    """
    folder = path if path.is_dir() else path.parent
    if folder.resolve().parent.name != "cells" or not (folder / "config.toml").is_file():
        return str(path)
    if path.is_dir() and not (path / "items.jsonl").is_file():
        file = path / "status.json"
        state = json_object(file).get("state", "pending") if file.is_file() else "pending"
        raise ItemsError(f"{path}: {_label(path)} is {state} and has no graded completions of its result yet")
    study = folder.resolve().parents[1].name
    part = "" if path.is_dir() or path.name == "items.jsonl" else f" {path.stem}"
    return f"{study}:{folder.resolve().name}{part} ({_label(folder)})"


def _label(cell: Path) -> str:
    config = toml_table(cell / "config.toml")
    return " / ".join(_parts(config)) + f", {_name(config, 'model')} on {_name(config, 'data')}"


def _parts(config: dict[str, Any]) -> Iterator[str]:
    for key in ("reward", "objective", "variant"):
        if config.get(key):
            yield str(config[key])
    yield f"seed {config.get('seed')}"


def _name(config: dict[str, Any], table: str) -> str:
    found = config.get(table)
    return str(found.get("name", "?")) if isinstance(found, dict) else "?"
