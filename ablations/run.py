"""Runs a study's cells, each in its own process, a few at a time; one that fails is recorded and the rest go on."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from filelock import FileLock, Timeout

from ablations.files import write
from harness import status
from harness.config import RunConfig
from harness.training import TrainRun

POLL_SECONDS = 0.25
GRACE_SECONDS = 10.0


class StudyBusy(RuntimeError):
    """Another process is running this study."""


@dataclass
class CellRun:
    """A cell while the study runs: its config, its process once started, and what its `status.json` says."""

    folder: Path
    config: RunConfig | TrainRun
    status: dict[str, Any] = field(default_factory=lambda: {"state": "pending"})
    process: subprocess.Popen[bytes] | None = None

    @property
    def state(self) -> str:
        return str(self.status["state"])


Watch = Callable[[Sequence[CellRun]], None]


@contextlib.contextmanager
def held(folder: Path) -> Iterator[None]:
    """Holds the study's lock. Raises `StudyBusy` naming the process that has it."""
    lock, owner = FileLock(folder / ".lock"), folder / ".lock-owner"
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        who = owner.read_text(encoding="utf-8") if owner.is_file() else "another process"
        raise StudyBusy(f"{folder} is being run by {who}; wait for it, or stop it first") from error
    try:
        owner.write_text(f"process {os.getpid()}", encoding="utf-8")
        yield
        owner.unlink(missing_ok=True)
    finally:
        lock.release()


def read_status(folder: Path) -> dict[str, Any]:
    return status.read(folder) or {"state": "pending"}


def load(
    folders: Sequence[Path], retry_failed: bool, read: Callable[[Path], RunConfig | TrainRun] = RunConfig.read
) -> list[CellRun]:
    """The cells as they stand on disk. What neither finished nor failed will run; failed ones only where asked for."""
    cells = [CellRun(folder, read(folder / "config.toml"), read_status(folder)) for folder in folders]
    for cell in cells:
        if cell.state != "done" and not (cell.state == "failed" and not retry_failed):
            cell.status = {"state": "pending"}
    return cells


def run(cells: Sequence[CellRun], jobs: int, environment: Mapping[str, str], watch: Watch) -> None:
    """Runs all pending cells, at most `jobs` at once; `watch` is called several times a second.

    On Ctrl-C (or any other exception) the running cells are told to stop, recorded as interrupted, and it is raised on.
    """
    waiting = [cell for cell in cells if cell.state == "pending"]
    running: list[CellRun] = []
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                cell = waiting.pop(0)
                _start(cell, environment)
                running.append(cell)
            time.sleep(POLL_SECONDS)
            for cell in list(running):
                if _poll(cell):
                    running.remove(cell)
            watch(cells)
    except BaseException:
        _stop(running)
        raise


def _start(cell: CellRun, environment: Mapping[str, str]) -> None:
    """Removes whatever an earlier attempt left, except the config, unless the run itself goes on from there."""
    for path in cell.folder.iterdir():
        # How an earlier attempt ended is no news of this one.
        if path.is_file() and (path.name == status.FILE or not (cell.config.resumes or path.name == "config.toml")):
            path.unlink()
    with (cell.folder / "log.txt").open("wb") as log:
        cell.process = _spawn(cell.config.module, cell.folder, environment, log)
    cell.status = {"state": "running", "phase": "start"}


def _spawn(module: str, folder: Path, environment: Mapping[str, str], log: BinaryIO) -> subprocess.Popen[bytes]:
    # A session of its own: Ctrl-C in the terminal reaches this process only, which then stops the cells in order.
    return subprocess.Popen(
        [sys.executable, "-m", module, str(folder)],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        env=dict(environment),
        start_new_session=True,
    )


def _poll(cell: CellRun) -> bool:
    """Reads the cell's status; True when its process has ended. A process that died without a word is a failure."""
    assert cell.process is not None
    code = cell.process.poll()
    if (cell.folder / "status.json").is_file():
        cell.status = read_status(cell.folder)
    if code is None:
        return False
    if cell.state not in ("done", "failed"):
        why = f"killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        _record(cell, "failed", {"type": "ProcessDied", "message": f"{why}; {_last_line(cell.folder)}"})
    return True


def _last_line(folder: Path) -> str:
    lines = (folder / "log.txt").read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return f"last line of its log: {lines[-1][:200]}" if lines else "its log is empty"


def _record(cell: CellRun, state: str, error: dict[str, str] | None) -> None:
    cell.status = {**cell.status, "state": state, "error": error}
    write(cell.folder / "status.json", json.dumps(cell.status, indent=1).encode())


def _stop(running: Sequence[CellRun]) -> None:
    for cell in running:
        assert cell.process is not None
        cell.process.send_signal(signal.SIGINT)
    deadline = time.monotonic() + GRACE_SECONDS
    for cell in running:
        assert cell.process is not None
        try:
            cell.process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            cell.process.kill()
            cell.process.wait()
        cell.status = read_status(cell.folder)
        if cell.state != "done":
            _record(cell, "interrupted", None)
