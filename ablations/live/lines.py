"""The live view where there is no terminal: a line for every change of state, and now and then how the cells do."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ablations.cells import CellRun
from ablations.live import words
from ablations.live.names import stages
from ablations.live.progress import Progress, number

if TYPE_CHECKING:
    from rich.console import Console

EVERY_SECONDS = 15.0


class Lines:
    """A line whenever a cell changes its state or phase; every 15 s one for every running cell, and the summary."""

    def __init__(self, console: "Console", progress: Progress, clock: Callable[[], float] = time.monotonic) -> None:
        self.console = console
        self.progress = progress
        self.clock = clock
        self.said: dict[Path, str] | None = None
        self.started = self.last = clock()

    def __call__(self, cells: Sequence[CellRun]) -> None:
        tick = self.clock() - self.last >= EVERY_SECONDS
        everyone = [*stages(cells), *cells]
        if self.said is None:
            # What an earlier run finished is no news.
            self.said = {cell.folder: "done" for cell in cells if cell.state == "done"}
        for cell in everyone:
            state = _state(cell)
            changed = self.said.get(cell.folder, "pending") != state
            if changed or (tick and state == "train"):
                self.said[cell.folder] = state
                self._say(f"{cell.config.label}: {self._told(cell, state)}")
        if tick:
            self.last = self.clock()
            self._say(words.summary(cells, self.progress, self.last - self.started))

    def _told(self, cell: CellRun, state: str) -> str:
        if state == "failed":
            return words.reason(cell)
        if state != "train":
            return state
        reading = self.progress.of(cell)
        reward, shown = number(reading.metrics.get("reward")), words.accuracy(reading)
        known = [*([f"reward {reward:.2f}"] if reward is not None else []), *([f"accuracy {shown}"] if shown else [])]
        return ", ".join([f"train, step {words.steps(cell)}", *known])

    def _say(self, text: str) -> None:
        self.console.print(text, highlight=False, soft_wrap=True, markup=False)


def _state(cell: CellRun) -> str:
    """The phase of a running cell, else its state."""
    return str(cell.status.get("phase", "start")) if cell.state == "running" else cell.state
