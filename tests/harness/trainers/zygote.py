"""Starts training runs by fork, so that the heavy libraries are imported once for many runs that are killed.

Reads `{"folder": ...}` a line and answers with the process number, then with the exit code (negative: the signal). With
`call` and `number` something happens when the run calls that function the so-many-th time: `kill` as `kill -9` would,
`full` lets no file grow beyond 50 kB from then on, as a full disk would.
"""

import json
import os
import resource
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness import threads

threads.apply()

from harness.trainers import checkpoints, grpo, preference, run, sft, states  # noqa: E402, F401
from harness.trainers.checkpoints import Checkpointed  # noqa: E402

# What a save consists of, in order.
CALLS: dict[str, tuple[Any, str]] = {
    "begins": (Checkpointed, "_save_checkpoint"),
    "weights written": (Checkpointed, "_save_optimizer_and_scheduler"),
    "state half written": (states, "save_file"),
    "all written": (Checkpointed, "_publish"),
    "template hash": (checkpoints.TemplateHash, "on_checkpoint"),
    "flushed": (checkpoints, "flush"),
    "renamed": (checkpoints, "rotate_checkpoints"),
}


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def full() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))


def plant(call: str, number: int, event: Callable[[], None]) -> None:
    """Has `event` happen when a function is called the `number`-th time."""
    place, name = CALLS[call]
    real: Callable[..., Any] = getattr(place, name)
    left = number

    def counted(*arguments: Any, **named: Any) -> Any:
        nonlocal left
        left -= 1
        if not left:
            event()
        return real(*arguments, **named)

    setattr(place, name, counted)


def child(folder: Path, call: str = "", number: int = 0, event: str = "kill") -> None:
    """Runs `folder` in this process, which is then over."""
    log = os.open(folder / "log.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    if call:
        plant(call, number, {"kill": kill, "full": full}[event])
    sys.argv = ["run", str(folder)]
    code = 0
    try:
        run.main()
    except SystemExit as error:
        code = int(error.code or 0)
    os._exit(code)


def main() -> None:
    print("ready", flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        process = os.fork()
        if not process:
            child(Path(request.pop("folder")), **request)
        print(process, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), flush=True)


if __name__ == "__main__":
    main()
