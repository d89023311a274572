"""How far a running cell is, from the ends of its records: they are read again only when they have grown."""

import json
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

from ablations.cells import CellRun
from harness import status
from harness.config import RunConfig
from harness.training import TrainRun

Row = Mapping[str, Any]
TAIL_BYTES = 32_768
# Speeds are those of the last steps: a mean over more of them lags, one step alone jumps.
RECENT_STEPS = 10


@dataclass(frozen=True)
class Reading:
    """What the records of a cell say now.

    Attributes:
        metrics: the last training step; empty before the first.
        point: the newest evaluation on the dev split; empty before the first.
        tokens_per_second: completion tokens sampled per second of the last steps, updates included.
        step_seconds: mean of the last steps.
    """

    metrics: Row = field(default_factory=dict)
    point: Row = field(default_factory=dict)
    tokens_per_second: float | None = None
    step_seconds: float | None = None

    @property
    def components(self) -> dict[str, float | None]:
        """Mean of every component of the reward in the last step; None where none of its scores is known."""
        return {
            name.removeprefix("rewards/"): number(value)
            for name, value in self.metrics.items()
            if name.startswith("rewards/")
        }


class Progress:
    """Reads cells and estimates what is left of them; keeps what it read of each file until the file changes."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.clock = clock
        self.kept: dict[Path, tuple[tuple[int, int] | None, list[Row]]] = {}

    def of(self, cell: CellRun) -> Reading:
        metrics, points = self.rows(cell.folder / "metrics.jsonl"), self.rows(cell.folder / "curve.jsonl")
        seconds = {row.get("step"): number(row.get("seconds")) for row in self.rows(cell.folder / "timing.jsonl")}
        recent = [(row, took) for row in metrics[-RECENT_STEPS:] if (took := seconds.get(row.get("step")))]
        return Reading(
            metrics=metrics[-1] if metrics else {},
            point=points[-1] if points else {},
            tokens_per_second=_speed(recent, _batch(cell)),
            step_seconds=fmean(took for _, took in recent) if recent else None,
        )

    def rows(self, path: Path) -> list[Row]:
        """The last whole lines of a file, no more than `TAIL_BYTES`; none where there is no file."""
        mark, rows = self.kept.get(path, (None, []))
        try:
            found = path.stat()
            if mark != (found.st_mtime_ns, found.st_size):
                rows = list(_objects(_tail(path, found.st_size)))
                self.kept[path] = (found.st_mtime_ns, found.st_size), rows
        except OSError:  # not there yet, or a file system that is away for a moment: no reason to end the run
            pass
        return rows

    def seconds_left(self, cell: CellRun, whole: float | None) -> float | None:
        """Seconds until a running cell is done; `whole` is what a cell takes. None while nothing is known.

        Its steps at their recent speed, or what other cells took without what this one has taken, whichever is longer:
        the steps do not know of the evaluations, the others not of a slower reward.
        """
        steps = self.of(cell).step_seconds
        known = [] if steps is None else [steps * (cell.config.steps - int(cell.status.get("step") or 0))]
        if whole is not None:
            known.append(whole - self.seconds_spent(cell))
        return max(0.0, *known) if known else None

    def seconds_spent(self, cell: CellRun) -> float:
        """What a running cell said last, and how long ago that was: one that loads or measures says little."""
        said = number(cell.status.get("seconds")) or 0.0
        try:
            return said + max(0.0, self.clock() - (cell.folder / status.FILE).stat().st_mtime)
        except OSError:  # as in `rows`
            return said

    def study_seconds_left(self, cells: Sequence[CellRun]) -> float | None:
        """Seconds until the study is done, with as many cells at a time as now; None while nothing is known."""
        whole = whole_seconds(cells)
        left = [self.seconds_left(cell, whole) for cell in cells if cell.state == "running"]
        known = [seconds for seconds in left if seconds is not None]
        waiting = sum(cell.state == "pending" for cell in cells)
        if not known or (waiting and whole is None):
            return None
        return max(*known, (sum(known) + waiting * (whole or 0.0)) / len(left))


def whole_seconds(cells: Iterable[CellRun]) -> float | None:
    """The mean time of the finished cells; None before one is."""
    spent = [seconds for cell in cells if cell.state == "done" and (seconds := number(cell.status.get("seconds")))]
    return fmean(spent) if spent else None


def number(value: object) -> float | None:
    """A finite number, else None: what is not known is never shown as a number."""
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def _speed(recent: Sequence[tuple[Row, float]], batch: int) -> float | None:
    lengths = [(length, took) for row, took in recent if (length := number(row.get("length"))) is not None]
    return batch * sum(length for length, _ in lengths) / sum(took for _, took in lengths) if lengths else None


def _batch(cell: CellRun) -> int:
    """Completions (or sequences) in one step; what takes no steps has none."""
    config = cell.config
    if isinstance(config, RunConfig):
        return config.train.prompts_per_step * config.train.group_size
    return config.optimizer.batch_size if isinstance(config, TrainRun) else 0


def _tail(path: Path, size: int) -> bytes:
    """Whole lines from the end of a file: neither one that begins before the tail nor one that is being written."""
    with path.open("rb") as file:
        file.seek(max(0, size - TAIL_BYTES))
        data = file.read()
    begin = 0 if size <= TAIL_BYTES else data.find(b"\n") + 1
    return data[begin : data.rfind(b"\n") + 1]


def _objects(lines: bytes) -> Iterable[Row]:
    for line in lines.splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            # The report names a malformed record, with its line; the view of a run must not end the run.
            continue
        if isinstance(row, dict):
            yield row
