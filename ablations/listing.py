"""The studies on disk: what each asked for, how far it is, its best row. Reads no completions."""

import csv
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from ablations.files import RecordError, json_object, toml_table
from ablations.records import with_axes

if TYPE_CHECKING:
    from rich.table import Table

# A pipe has no width; rich would take it for a terminal of 80 columns and fold the names.
PIPE_WIDTH = 200
COLUMNS = ("accuracy", "accuracy_low", "accuracy_high")
STATES = {"done": "done", "running": "running", "failed": "failed", "interrupted": "interrupted", "pending": "waiting"}


@dataclass(frozen=True)
class Best:
    """The row of `table.csv` with the highest accuracy, a fraction; the interval is None where there is none."""

    name: str
    accuracy: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class StudyLine:
    """A study in a list. `problem` says why a folder cannot be read; the other fields are then empty.

    Attributes:
        states: cells of the manifest by state. One that was killed says `running` until its study is run again, and
            counts as interrupted here.
        running: whether a process holds the study's lock; None where that cannot be seen.
        active: when a cell last said anything, UTC in ISO 8601.
    """

    name: str
    rewards: tuple[str, ...] = ()
    objectives: tuple[str, ...] = ()
    seeds: tuple[int, ...] = ()
    models: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()
    variants: tuple[str, ...] = ()
    code: str = ""
    cells: int = 0
    states: dict[str, int] = field(default_factory=dict)
    running: bool | None = False
    active: str | None = None
    best: Best | None = None
    problem: str | None = None


def studies(results: Path) -> list[StudyLine]:
    """The studies in a folder, by name: whatever holds a plan, a manifest or cells; other results are passed over."""
    folders = sorted(path for path in results.iterdir() if path.is_dir()) if results.is_dir() else []
    return [
        line(folder)
        for folder in folders
        if any((folder / name).exists() for name in ("plan.toml", "manifest.json", "cells"))
    ]


def line(folder: Path) -> StudyLine:
    """One study; what cannot be read is said in `problem` instead of raised."""
    try:
        return _line(folder)
    except (ValueError, csv.Error, OSError) as error:
        return StudyLine(folder.name, problem=" ".join(str(error).split()))


def _line(folder: Path) -> StudyLine:
    if not (folder / "plan.toml").is_file():
        raise RecordError("no plan.toml: not a study, or one whose plan was removed")
    plan = with_axes(toml_table(folder / "plan.toml"))
    asked: dict[str, Any] = {}
    for name in ("rewards", "objectives", "seeds", "models", "datasets", "variants"):
        if not isinstance(plan.get(name), list):
            raise RecordError(f"{folder / 'plan.toml'}: {name} is no list")
        asked[name] = tuple(plan[name])
    cells = list(_cells(folder))
    running = _held(folder)
    states = Counter(_state(cell, running) for cell in cells)
    return StudyLine(
        folder.name,
        **asked,
        code=str(plan.get("code", "")),
        cells=len(cells),
        states={state: states[state] for state in STATES if states[state]},
        running=running,
        active=_active(cells),
        best=_best(folder / "table.csv"),
    )


def _cells(folder: Path) -> Iterator[Path]:
    path = folder / "manifest.json"
    listed = json_object(path).get("cells", []) if path.is_file() else []
    if not isinstance(listed, list):
        raise RecordError(f"{path}: cells is no list")
    for number, entry in enumerate(listed):
        if not isinstance(entry, dict) or "id" not in entry:
            raise RecordError(f"{path}: cell {number} lacks id")
        yield folder / "cells" / str(entry["id"])


def _state(cell: Path, running: bool | None) -> str:
    path = cell / "status.json"
    state = json_object(path).get("state", "pending") if path.is_file() else "pending"
    if state == "running" and running is False:
        return "interrupted"
    return state if state in STATES else "pending"


def _held(folder: Path) -> bool | None:
    """Whether somebody runs the study. Its owner's note stays behind a crash, so the lock itself is tried then."""
    if not (folder / ".lock-owner").is_file():
        return False
    try:
        with FileLock(folder / ".lock").acquire(timeout=0):
            return False
    except Timeout:
        return True
    except OSError:  # the folder is read-only
        return None


def _active(cells: Sequence[Path]) -> str | None:
    times = [path.stat().st_mtime for cell in cells if (path := cell / "status.json").is_file()]
    return datetime.fromtimestamp(max(times), UTC).isoformat(timespec="seconds") if times else None


def _best(path: Path) -> Best | None:
    """None before there is a table, and of a table without a finished row."""
    if not path.is_file():
        return None
    found = []
    with path.open(encoding="utf-8", newline="") as file:
        for number, row in enumerate(csv.DictReader(file), start=2):
            try:
                numbers = [float(row[name]) if row[name] else None for name in COLUMNS]
            except (KeyError, TypeError, ValueError) as error:
                raise RecordError(f"{path}:{number}: not a row of a study's table") from error
            if row["reward"] != "base" and numbers[0] is not None:
                name = " / ".join(row[part] for part in ("reward", "objective", "variant") if row.get(part))
                found.append(Best(name, numbers[0], numbers[1], numbers[2]))
    return max(found, key=lambda best: best.accuracy, default=None)


def show(results: Path, as_json: bool) -> None:
    """Prints the studies in a folder, as a table or as JSON."""
    found = studies(results)
    if as_json:
        print(json.dumps([asdict(study) for study in found], indent=1))
    elif not found:
        print(f"no studies in {results}; begin one: harness ablate --rewards sparse,format_answer")
    else:
        from rich.console import Console

        console = Console()
        if not console.is_terminal:
            console = Console(width=PIPE_WIDTH)
        console.print(_table([study for study in found if not study.problem]))
        for study in found:
            if study.problem:
                console.print(f"{study.name}: {study.problem}", style="red", markup=False, highlight=False)


def _table(found: Sequence[StudyLine]) -> "Table":
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for heading in ("study", "rewards", "objectives", "seeds", "model", "data", "cells", "best row", "last sign (UTC)"):
        table.add_column(heading, overflow="fold", justify="right" if heading == "seeds" else "left")
    for study in found:
        row = (
            study.name,
            _several(study.rewards),
            _several(study.objectives),
            str(len(study.seeds)),
            _several(study.models),
            _several(study.datasets),
            _progress(study),
            _told(study.best),
            (study.active or "")[:16].replace("T", " "),
        )
        table.add_row(*map(Text, row))
    return table


def _progress(study: StudyLine) -> str:
    """`4 done, 1 failed, 5 waiting; being run`."""
    cells = ", ".join(f"{count} {STATES[state]}" for state, count in study.states.items()) or "none yet"
    return f"{cells}; being run" if study.running else cells


def _several(names: Sequence[Any]) -> str:
    """Two by name, more by their number."""
    return ", ".join(map(str, names)) if len(names) < 3 else f"{names[0]} and {len(names) - 1} more"


def _told(best: Best | None) -> str:
    if best is None:
        return ""
    interval = "" if best.low is None or best.high is None else f" ({100 * best.low:.1f} to {100 * best.high:.1f})"
    return f"{100 * best.accuracy:.1f}%{interval} {best.name}"
