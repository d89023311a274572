"""The progress of an evaluation: a live line on a terminal, a plain one now and then elsewhere."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

# Seconds between two plain lines, as in a log file.
EVERY = 15.0


@contextmanager
def waiting(text: str, console: "Console") -> Iterator[Callable[[int, int], None]]:
    """A spinner on a terminal for what takes a while; what it yields takes how much is done, of how much."""
    from rich.progress import Progress, SpinnerColumn, TextColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False))
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(text, total=None)
        yield lambda done, total: bar.update(task, description=f"{text}: {done:,} of {total:,}")


class Watch:
    """Counts finished rows; speeds are those of this session, the accuracy is that of all rows."""

    def __init__(self, total: int, console: "Console", clock: Callable[[], float] = time.monotonic) -> None:
        from rich.progress import BarColumn, Progress, TextColumn

        self.total = total
        self.console = console
        self.clock = clock
        self.done = self.found = self.tokens = self.judged = self.correct = 0
        self.started = self.told = clock()
        columns = (BarColumn(bar_width=20), TextColumn("{task.description}", markup=False))
        self.bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self.task = self.bar.add_task("loading the engine", total=total)

    def __enter__(self) -> "Watch":
        self.bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.bar.stop()

    def __call__(self, rows: Sequence[dict[str, Any]], found: bool) -> None:
        """Takes the rows of a batch; `found` says that an earlier session made them."""
        judged = [bool(row["correct"]) for row in rows if row["correct"] is not None]
        self.done += len(rows)
        self.judged += len(judged)
        self.correct += sum(judged)
        if found:
            self.found = len(rows)
            # Loading is over only with the first batch; the clock of a session runs from here, so early speeds are low.
            self.started = self.clock()
            if rows:
                self._say(f"{len(rows)}/{self.total} completions are there from before")
            return
        self.tokens += sum(row["tokens"] for row in rows)
        self.bar.update(self.task, completed=self.done, description=self.line())
        if self.clock() - self.told >= EVERY or self.done == self.total:
            self._say(self.line())

    def line(self) -> str:
        """Completions, items/s, tokens/s, running accuracy with Wilson's interval, time left."""
        from evals.statistics import wilson

        seconds = max(self.clock() - self.started, 1e-9)
        rate = (self.done - self.found) / seconds
        parts = [f"{self.done}/{self.total}", f"{rate:.2f} items/s", f"{self.tokens / seconds:.0f} tokens/s"]
        if self.judged:
            low, high = wilson(self.correct, self.judged)
            parts.append(f"accuracy {self.correct / self.judged:.1%} ({low:.1%} to {high:.1%})")
        left = (self.total - self.done) / rate if rate else 0.0
        return ", ".join([*parts, f"{int(left) // 60}:{int(left) % 60:02} left"])

    def _say(self, text: str) -> None:
        self.told = self.clock()
        if not self.console.is_terminal:
            self.console.print(text, soft_wrap=True, highlight=False, markup=False)
