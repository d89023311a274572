"""What a page shows of a cell: how it stands, its curves, its config, its alarms and the end of its log."""

import dataclasses
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from ablations.alarms import alarms
from ablations.files import json_object
from ablations.page.pack import number, shorten
from ablations.records import Cell, Study

POINTS = 400
LOG_LINES = 200
LOG_CHARACTERS = 40_000
LINE_CHARACTERS = 2_000

PANELS: dict[str, dict[str, str]] = {
    "Length (tokens)": {"all": "length", "right": "length_right", "wrong": "length_wrong"},
    "Entropy": {"entropy": "entropy"},
    "KL to the reference": {"KL": "kl"},
    "Dead groups and truncated (share)": {"dead groups": "dead_groups", "truncated": "truncated"},
    "Process score": {"all": "process/score", "right": "process/score_right", "wrong": "process/score_wrong"},
}

Points = Iterable[tuple[int, Any]]


def overview(study: Study) -> list[dict[str, Any]]:
    """Return one line for each cell, in the order of the study; `row` counts into the rows of the table."""
    places = {arm: place for place, arm in enumerate(study.arms)}
    return [
        {
            "id": cell.id,
            "label": study.label(cell),
            "row": places[cell.arm],
            "seed": cell.seed,
            "state": cell.state,
            "step": cell.step,
            "steps": cell.steps,
            "seconds": number(cell.seconds),
            "accuracy": number(cell.items.score.accuracy),
            "alarms": len(alarms(cell.metrics)),
        }
        for cell in study.cells
    ]


def details(study: Study, cell: Cell) -> dict[str, Any]:
    """Return the page of a cell; `panels` are its curves."""
    home = study.folder / "cells" / cell.id
    status = json_object(home / "status.json") if (home / "status.json").is_file() else {}
    return {
        "panels": panels(cell),
        "config": _text(home / "config.toml"),
        "status": json.dumps(status, indent=1),
        "error": cell.error,
        "alarms": [dataclasses.asdict(alarm) for alarm in alarms(cell.metrics)],
        "log": log_tail(_text(home / "log.txt")),
    }


def panels(cell: Cell) -> list[dict[str, Any]]:
    """Return `{"title", "lines": [{"name", "steps", "values", "every"}]}` of all that the cell recorded."""
    names = dict.fromkeys(key for row in cell.metrics for key in row if key.startswith("rewards/"))
    parts = {"total": "reward"} | {name.removeprefix("rewards/"): name for name in names}
    shown = {title: {name: _training(cell, key) for name, key in keys.items()} for title, keys in PANELS.items()}
    accuracy = {
        "training": _training(cell, "accuracy"),
        "dev": [(point.step, point.accuracy) for point in cell.curve],
        "dev, format": [(point.step, point.format) for point in cell.curve],
    }
    first = {
        "Reward and its components": {name: _training(cell, key) for name, key in parts.items()},
        "Accuracy (verifier)": accuracy,
    }
    drawn = ({"title": title, "lines": _lines(curves)} for title, curves in (first | shown).items())
    return [panel for panel in drawn if panel["lines"]]


def _training(cell: Cell, key: str) -> Points:
    return [(int(row["step"]), row.get(key)) for row in cell.metrics]


def _lines(curves: dict[str, Points]) -> list[dict[str, Any]]:
    known = {
        name: [(step, value) for step, value in points if number(value) is not None] for name, points in curves.items()
    }
    return [{"name": name, **thinned(points)} for name, points in known.items() if points]


def thinned(points: Sequence[tuple[int, float]]) -> dict[str, Any]:
    """Return `steps` and `values` of at most `POINTS` points, each the mean of `every` points in a row."""
    every = -(-len(points) // POINTS)
    parts = [points[start : start + every] for start in range(0, len(points), every)]
    return {
        "steps": [round(fmean(step for step, _ in part), 1) for part in parts],
        "values": [number(fmean(value for _, value in part)) for part in parts],
        "every": every,
    }


def log_tail(text: str) -> str:
    """Return the last lines of a log; of a line that was drawn over, as progress bars are, what it last said."""
    lines = [line.rstrip().rpartition("\r")[2] for line in text.rstrip().split("\n")][-LOG_LINES:]
    return "\n".join(shorten(line, LINE_CHARACTERS) for line in lines)[-LOG_CHARACTERS:]


def _text(path: Path) -> str:
    """Return the end of a text file, and nothing where there is none."""
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 10 * LOG_CHARACTERS))
        return file.read().decode("utf-8", errors="replace")
