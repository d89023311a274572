"""What `status.json` says of a process that trains or measures, replaced atomically. A leaf."""

import contextlib
import json
import os
import resource
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from threading import Thread
from typing import Any, Literal

from harness import advice, whole

State = Literal["running", "done", "failed", "interrupted"]
FILE = "status.json"
# Of an earlier attempt.
BEFORE = "status.before.json"
LAUNCHER = "HARNESS_LAUNCHER"
PACKAGES = ("torch", "transformers", "trl", "accelerate", "peft")
LOG = "log.txt"
LOG_LINES = 20
LOG_CHARACTERS = 300


@dataclass
class Status:
    """The content of the file.

    Attributes:
        phase: what goes on: load, base (measured), train, test (the result measured), done, ...
        graded, to_grade: completions of the evaluation in progress.
        seconds: wall time so far, over all attempts.
        peak_bytes: the most memory that the process has had.
        generated_tokens: completion tokens sampled in training.
        template: hash of the chat template.
        error: of a failed run: `type`, `message`, the last `step` and the end of its `log`, a list of lines.
    """

    state: State = "running"
    phase: str = "start"
    step: int = 0
    steps: int = 0
    graded: int = 0
    to_grade: int = 0
    seconds: float | None = None
    peak_bytes: int | None = None
    generated_tokens: int | None = None
    template: str | None = None
    versions: dict[str, str] = field(default_factory=dict)
    error: dict[str, Any] | None = None
    pid: int = field(default_factory=os.getpid)


class StatusFile:
    """The status of this process in its folder, with the time since it began."""

    def __init__(self, folder: Path, steps: int, first: bool = True) -> None:
        self.path = folder / FILE
        self.status = Status(steps=steps)
        self.first = first
        self.started = time.monotonic() - float(_told(folder / BEFORE).get("seconds") or 0)

    def say(self, **changes: Any) -> None:
        """Changes fields and replaces the file. Of several processes in a run only the first one says anything."""
        if not self.first:
            return
        for name, value in changes.items():
            setattr(self.status, name, value)
        self.status.seconds = round(time.monotonic() - self.started, 1)
        # Linux counts in kilobytes.
        self.status.peak_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        if self.status.state == "done":
            # Its time is in this one's.
            self.path.with_name(BEFORE).unlink(missing_ok=True)
        replace(self.path, asdict(self.status))

    def failed(self, error: BaseException) -> None:
        """Records the type and the first line of the message; the traceback belongs to the log.

        Any process of a run may: the first error stands, and those that follow from it are not recorded.
        """
        found = read(self.path.parent)
        if found.get("state", "running") == "running":
            status = asdict(self.status) if self.first else found
            told = describe(self.path.parent, *_named(error), status.get("step"))
            replace(self.path, status | {"state": "failed", "error": told})


def _named(error: BaseException) -> tuple[str, str]:
    """Type and first line of the message; what people meet has one name, whoever met it, and says what helps."""
    return advice.told(error) or (type(error).__name__, next(iter(str(error).splitlines()), ""))


def describe(folder: Path, kind: str, message: str, step: int | None) -> dict[str, Any]:
    """What `error` in the status of a failed run holds."""
    return {"type": kind, "message": message, "step": step, "log": tail(folder)}


def tail(folder: Path) -> list[str]:
    """The last lines of a folder's log, each cut to a bounded length; none where there is no log."""
    path = folder / LOG
    if not path.is_file():
        return []
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - LOG_LINES * LOG_CHARACTERS * 4))
        text = file.read().decode(errors="replace")
    return [line[:LOG_CHARACTERS] for line in text.strip().splitlines()[-LOG_LINES:]]


def read(folder: Path) -> dict[str, Any]:
    """What a folder's status says; empty where there is none."""
    return _told(folder / FILE)


def _told(path: Path) -> dict[str, Any]:
    status: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return status


def set_aside(folder: Path) -> None:
    """How an earlier attempt went is no news of the next one, but its time counts."""
    with contextlib.suppress(FileNotFoundError):
        (folder / FILE).replace(folder / BEFORE)


def begin(folder: Path, process: int) -> None:
    """Says that a process has begun, unless it has said something itself; no harm where nothing can be said."""
    partial = folder / f"{FILE}.{process}.partial"
    with contextlib.suppress(OSError):
        partial.write_text(json.dumps(asdict(Status(pid=process)), indent=1), encoding="utf-8")
        # A link never replaces what is there.
        os.link(partial, folder / FILE)
    partial.unlink(missing_ok=True)


def record(folder: Path, state: State, error: Mapping[str, Any] | None) -> None:
    """Says from outside how a run ended; what it said of itself stays."""
    replace(folder / FILE, read(folder) | {"state": state, "error": error})


def replace(path: Path, status: Mapping[str, Any]) -> None:
    """Replaces a status file atomically."""
    whole.write(path, json.dumps(status, indent=1))


def end_with_parent() -> None:
    """Ends this process when the one that started it is gone: a killed command leaves nobody writing its records.

    Between the two may stand torchrun, which outlives a killed command: `HARNESS_LAUNCHER` is the command's number.
    """
    parent, launcher = os.getppid(), int(os.environ.get(LAUNCHER, "0"))

    def watch() -> None:
        while os.getppid() == parent and (not launcher or _alive(launcher)):
            time.sleep(1)
        os._exit(1)

    Thread(target=watch, daemon=True).start()


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True
