"""Runs a study's cells, a few at a time; one that fails is recorded and the rest go on.

How a cell goes is read from its `status.json`, where it runs is up to the executor (`ablations.executors`).
"""

import contextlib
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ablations.cells import CellRun as CellRun
from ablations.cells import read_status
from ablations.executors import End, Executor, NotStarted
from ablations.lock import StudyBusy as StudyBusy
from ablations.lock import held as held
from ablations.needs import Needs
from ablations.watchdog import Watchdog
from harness import status
from harness.config import RunConfig
from harness.training import TrainRun

POLL_SECONDS = 0.25
GRACE_SECONDS = 30.0
KILL_SECONDS = 5.0
HANG_MINUTES = 30.0
LOSSES = 3


Watch = Callable[[Sequence[CellRun]], None]
Explain = Callable[[CellRun], None]


def unexplained(cell: CellRun) -> None:
    """Leaves the record of a failed cell as it is."""


def load(
    folders: Sequence[Path], retry_failed: bool, read: Callable[[Path], RunConfig | TrainRun] = RunConfig.read
) -> list[CellRun]:
    """The cells as they stand on disk. What neither finished nor failed will run; failed ones only where asked for.

    Nobody runs them while the study's lock is held here: one that says it is running was killed, and goes on.
    """
    cells = [CellRun(folder, read(folder / "config.toml"), read_status(folder)) for folder in folders]
    for cell in cells:
        if cell.state != "done" and not (cell.state == "failed" and not retry_failed):
            cell.status = {"state": "pending"}
    return cells


def run(
    cells: Sequence[CellRun],
    executor: Executor,
    watch: Watch,
    hang_minutes: float = HANG_MINUTES,
    explain: Explain = unexplained,
) -> None:
    """Runs all pending cells and the stages they need; `watch` is called several times a second.

    `explain` may put more into the record of a cell that has failed than its process knew.

    A cell whose status has not changed for `hang_minutes` is killed. One that is lost with its node is started again,
    at most three times without getting further. On Ctrl-C (or any other exception) the running cells are told to stop,
    recorded as interrupted, and it is raised on; a second Ctrl-C kills them.
    """
    schedule = _Schedule(cells, executor, hang_minutes * 60, explain)
    try:
        while schedule.queue or schedule.running:
            schedule.start()
            time.sleep(POLL_SECONDS)
            schedule.poll()
            watch(cells)
    except BaseException:
        schedule.stop()
        raise
    finally:
        schedule.needs.release_all()


class _Schedule:
    """What waits and what runs."""

    def __init__(self, cells: Sequence[CellRun], executor: Executor, hang_seconds: float, explain: Explain) -> None:
        pending = [cell for cell in cells if cell.state == "pending"]
        self.needs = Needs(pending, _refresh)
        self.queue = [*self.needs.pending(), *pending]
        self.running: list[CellRun] = []
        self.executor = executor
        self.explain = explain
        self.watchdog = Watchdog(hang_seconds)

    def start(self) -> None:
        """Starts what may, and takes out of the queue what cannot any more or is done elsewhere."""
        for cell in list(self.queue):
            if (failed := self.needs.failed(cell)) is not None:
                self.queue.remove(cell)
                cause = failed.status.get("error") or {}
                text = f"{failed.config.label} in {failed.folder}: {cause.get('type')}: {cause.get('message')}"
                self._fail(cell, "StageFailed", text)
            elif len(self.running) < self.executor.slots and self.needs.ready(cell):
                self.queue.remove(cell)
                if cell.state == "pending":
                    self._begin(cell)

    def _begin(self, cell: CellRun) -> None:
        """All that an earlier attempt left stays but its status: the cell goes on from there."""
        config = cell.folder / "config.toml"
        try:
            cell.folder.mkdir(parents=True, exist_ok=True)
            if not config.is_file():
                cell.config.write(config)
            status.set_aside(cell.folder)
            cell.job = self.executor.start(cell.folder, cell.config.module)
        except (OSError, NotStarted) as error:
            self._fail(cell, type(error).__name__, str(error))
            return
        self.watchdog.begin(cell.folder)
        self.running.append(cell)
        _refresh(cell)

    def poll(self) -> None:
        for cell in list(self.running):
            assert cell.job is not None
            try:
                end = cell.job.poll()
            except (OSError, NotStarted) as error:
                self.running.remove(cell)
                self._fail(cell, type(error).__name__, str(error))
                continue
            _refresh(cell)
            if end is not None:
                self.running.remove(cell)
                self._over(cell, end)
            elif self.watchdog.hangs(cell.folder):
                cell.job.kill()

    def _over(self, cell: CellRun, end: End) -> None:
        if cell.state == "done":
            self.needs.release(cell)
        elif cell.folder in self.watchdog.hung:
            self._fail(cell, "Hung", f"no sign of life for {self.watchdog.seconds / 60:g} minutes; it was killed")
        elif end.lost:
            self._lost(cell, end.lost)
        elif cell.state == "failed":
            self.explain(cell)
            _refresh(cell)
            self.needs.release(cell)
        else:
            self._fail(cell, "ProcessDied", "it ended before it could say why")

    def _lost(self, cell: CellRun, why: str) -> None:
        step = int(cell.status.get("step") or 0)
        cell.losses = 1 if step > cell.reached else cell.losses + 1
        cell.reached = max(step, cell.reached)
        if cell.losses > LOSSES:
            self._fail(cell, "NodeLost", f"lost {cell.losses} times at step {step}; the last time: {why}")
            return
        cell.status = {"state": "pending"}
        self.queue.insert(0, cell)

    def _fail(self, cell: CellRun, kind: str, message: str) -> None:
        error = status.describe(cell.folder, kind, message, cell.status.get("step"))
        # Another study may be making a stage whose lock is not held here: its records are not touched.
        _record(cell, "failed", error, on_disk=self.needs.mine(cell))
        self.needs.release(cell)

    def stop(self) -> None:
        """Asks all to save and stop, and kills those that have not within their grace or at another Ctrl-C."""
        if self.running:
            labels = "; ".join(cell.config.label for cell in self.running[:3])
            more = f" and {len(self.running) - 3} more" if len(self.running) > 3 else ""
            print(f"stopping {labels}{more}: a second Ctrl-C does not wait for them to save", file=sys.stderr)
        for cell in self.running:
            assert cell.job is not None
            cell.job.interrupt()
        with contextlib.suppress(KeyboardInterrupt):
            self._wait(GRACE_SECONDS)
        for cell in self.running:
            assert cell.job is not None
            cell.job.kill()
        self._wait(KILL_SECONDS)
        for cell in self.running:
            _stopped(cell)

    def _wait(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while self.running and time.monotonic() < deadline:
            time.sleep(0.05)
            for cell in list(self.running):
                assert cell.job is not None
                with contextlib.suppress(OSError, NotStarted):
                    if cell.job.poll() is None:
                        continue
                self.running.remove(cell)
                _stopped(cell)


def _refresh(cell: CellRun) -> None:
    cell.status = read_status(cell.folder)


def _stopped(cell: CellRun) -> None:
    _refresh(cell)
    if cell.state != "done":
        _record(cell, "interrupted", None)


def _record(cell: CellRun, state: status.State, error: dict[str, Any] | None, on_disk: bool = True) -> None:
    """Where the disk is full the study still knows, and the next command finds the cell not run."""
    cell.status = {**cell.status, "state": state, "error": error}
    if on_disk:
        with contextlib.suppress(OSError):
            cell.folder.mkdir(parents=True, exist_ok=True)
            status.replace(cell.folder / status.FILE, cell.status)
