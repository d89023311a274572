"""What `status.json` says of a process that trains or measures, replaced atomically. A leaf."""

import json
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from threading import Thread
from typing import Any, Literal

from harness import whole

State = Literal["running", "done", "failed", "interrupted"]
FILE = "status.json"
LAUNCHER = "HARNESS_LAUNCHER"
PACKAGES = ("torch", "transformers", "trl", "accelerate", "peft")


@dataclass
class Status:
    """The content of the file.

    Attributes:
        phase: what goes on: load, base (measured), train, test (the result measured), done, ...
        graded, to_grade: completions of the evaluation in progress.
        seconds: wall time so far.
        generated_tokens: completion tokens sampled in training.
        template: hash of the chat template.
        error: type and message of what ended a failed run.
    """

    state: State = "running"
    phase: str = "start"
    step: int = 0
    steps: int = 0
    graded: int = 0
    to_grade: int = 0
    seconds: float | None = None
    generated_tokens: int | None = None
    template: str | None = None
    versions: dict[str, str] = field(default_factory=dict)
    error: dict[str, str] | None = None
    pid: int = field(default_factory=os.getpid)


class StatusFile:
    """The status of this process in its folder, with the time since it began."""

    def __init__(self, folder: Path, steps: int, first: bool = True) -> None:
        self.path = folder / FILE
        self.status = Status(steps=steps)
        self.first = first
        self.started = time.monotonic()

    def say(self, **changes: Any) -> None:
        """Changes fields and replaces the file. Of several processes in a run only the first one says anything."""
        if not self.first:
            return
        for name, value in changes.items():
            setattr(self.status, name, value)
        self.status.seconds = round(time.monotonic() - self.started, 1)
        replace(self.path, asdict(self.status))

    def failed(self, error: BaseException) -> None:
        """Records the type and the first line of the message; the traceback belongs to the log.

        Any process of a run may: the first error stands, and those that follow from it are not recorded.
        """
        found = read(self.path.parent)
        if found.get("state", "running") == "running":
            message = next(iter(str(error).splitlines()), "")
            status = asdict(self.status) if self.first else found
            told = {"type": type(error).__name__, "message": message}
            replace(self.path, status | {"state": "failed", "error": told})


def read(folder: Path) -> dict[str, Any]:
    """What a folder's status says; empty where there is none."""
    path = folder / FILE
    status: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return status


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
