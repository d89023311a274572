"""What a person sees while a study runs: a table that updates in a terminal, plain lines elsewhere."""

import contextlib
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ablations.run import CellRun, Watch

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

PLAIN_SECONDS = 15.0


@contextlib.contextmanager
def view(console: "Console") -> Iterator[Watch]:
    """Yields the function that shows the cells' state; call it as often as you like."""
    if not console.is_terminal:
        yield _Plain(console)
        return
    from rich.live import Live

    with Live(console=console, refresh_per_second=4, transient=True) as live:
        started = time.monotonic()
        yield lambda cells: live.update(_table(cells, time.monotonic() - started))


def _table(cells: Sequence[CellRun], seconds: float) -> "Table":
    from rich.table import Table

    done = sum(cell.state == "done" for cell in cells)
    left = _minutes_left(cells)
    ending = "" if left is None else f", about {left:.0f} min left"
    table = Table(title=f"{done} of {len(cells)} cells done, {seconds:.0f} s{ending}", title_justify="left")
    for name in ("cell", "state", "step", "reward", "accuracy", "tokens"):
        table.add_column(name, justify="left" if name in ("cell", "state") else "right")
    for cell in cells:
        row = _last_metrics(cell)
        state = _phase(cell)
        if state in ("base", "test"):
            state = f"{state} {cell.status.get('graded')}/{cell.status.get('to_grade')}"
        step = f"{cell.status.get('step', 0)}/{cell.config.steps}" if cell.state != "pending" else ""
        table.add_row(
            cell.config.label, state, step, _number(row, "reward"), _number(row, "accuracy"), _number(row, "length")
        )
    return table


def _minutes_left(cells: Sequence[CellRun]) -> float | None:
    """The mean time of the finished cells times the share of the others still to do; None before one is finished."""
    spent = [cell.status["seconds"] for cell in cells if cell.state == "done"]
    running = [cell for cell in cells if cell.state == "running"]
    if not spent or not running:
        return None
    waiting = sum(cell.state == "pending" for cell in cells)
    begun = sum(1 - cell.status.get("step", 0) / cell.config.steps for cell in running)
    return float(sum(spent) / len(spent) * (waiting + begun) / len(running) / 60)


def _phase(cell: CellRun) -> str:
    """What a running cell is doing (load, base, train, test), else its state."""
    return str(cell.status.get("phase", "start")) if cell.state == "running" else cell.state


def _last_metrics(cell: CellRun) -> dict[str, Any]:
    """The last whole line of the cell's metrics; empty before the first step."""
    path = cell.folder / "metrics.jsonl"
    if not path.is_file():
        return {}
    lines = path.read_bytes().split(b"\n")
    return dict(json.loads(lines[-2])) if len(lines) > 1 else {}


def _number(row: dict[str, Any], name: str) -> str:
    value = row.get(name)
    return "" if value is None else f"{value:.2f}"


class _Plain:
    """A line whenever a cell changes its state or phase, and a step count every few seconds."""

    def __init__(self, console: "Console") -> None:
        self.console = console
        self.said: dict[Path, str] = {}
        self.last = time.monotonic()

    def __call__(self, cells: Sequence[CellRun]) -> None:
        tick = time.monotonic() - self.last > PLAIN_SECONDS
        if not self.said:
            # What an earlier run finished is no news.
            self.said = {cell.folder: cell.state for cell in cells if cell.process is None}
        for cell in cells:
            phase = _phase(cell)
            training = tick and phase == "train"
            if self.said.get(cell.folder, "pending") != phase or training:
                self.said[cell.folder] = phase
                step = f", step {cell.status.get('step')}/{cell.config.steps}" if phase == "train" else ""
                self.console.print(f"{cell.config.label}: {phase}{step}", highlight=False, soft_wrap=True)
        if tick:
            self.last = time.monotonic()
