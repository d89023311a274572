"""What `status.json` says of a process that trains or measures, replaced atomically.

A leaf: it imports nothing of the project.
"""

import json
import os
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from threading import Thread
from typing import Any, Literal

State = Literal["running", "done", "failed", "interrupted"]
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

    def __init__(self, folder: Path, steps: int) -> None:
        self.path = folder / "status.json"
        self.status = Status(steps=steps)
        self.started = time.monotonic()

    def say(self, **changes: Any) -> None:
        """Changes fields and replaces the file."""
        for name, value in changes.items():
            setattr(self.status, name, value)
        self.status.seconds = round(time.monotonic() - self.started, 1)
        partial = self.path.with_name("status.json.partial")
        partial.write_text(json.dumps(asdict(self.status), indent=1), encoding="utf-8")
        partial.replace(self.path)

    def failed(self, error: BaseException) -> None:
        """Records the type and the first line of the message; the traceback belongs to the log."""
        message = next(iter(str(error).splitlines()), "")
        self.say(state="failed", error={"type": type(error).__name__, "message": message})


def end_with_parent() -> None:
    """Ends this process when the one that started it is gone: a killed command leaves nobody writing its records."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    Thread(target=watch, daemon=True).start()
