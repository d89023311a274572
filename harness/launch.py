"""Starting a training run: one process, or torchrun with several, in a session of their own.

log.txt        what the processes print, of every attempt
status.json    how it goes and how it ended, also where a process died without a word
"""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from harness import status, threads
from harness.training import TrainRun

MODULE = "harness.trainers.run"
POLL_SECONDS = 0.25
SILENT = "it ended before it could say why; the end of log.txt does"
# A line of torchrun's summary for each process that ended badly.
DEAD = re.compile(r"^\s*rank\s*: (\d+) .*\n\s*exitcode\s*: -(\d+)", re.MULTILINE)

Watch = Callable[[dict[str, Any]], None]


def start(folder: Path, run: TrainRun, watch: Watch = lambda status: None) -> int:
    """Runs `folder/config.toml` to its end, from its last checkpoint where it has one, and returns the exit code.

    `watch` is called several times a second with the status. The code is 0, or 1 where `status.json` names a failure.

    Raises:
        KeyboardInterrupt: Ctrl-C ended it. The first one lets the run finish its step and save, the second does not.
    """
    status.set_aside(folder)
    log = folder / "log.txt"
    begin = log.stat().st_size if log.is_file() else 0
    with _process(command(folder, run), log) as process:
        asked = _follow(process, folder, watch)
    told = status.read(folder)
    if told.get("state") == "done":
        return 0
    error = _death(run, process.returncode, log.read_bytes()[begin:].decode(errors="replace"))
    if asked:
        _record(folder, told | {"state": "interrupted"})
        raise KeyboardInterrupt
    if error or told.get("state") not in ("failed", "interrupted"):
        died = status.describe(folder, "ProcessDied", error or SILENT, told.get("step"))
        _record(folder, told | {"state": "failed", "error": died})
    return 1


def command(folder: Path, run: TrainRun) -> list[str]:
    """What is executed; by hand it does the same."""
    processes = run.shard.processes
    torchrun = ["torch.distributed.run", "--standalone", "--nproc-per-node", str(processes), "-m"]
    return [sys.executable, "-m", *(torchrun if processes > 1 else []), MODULE, str(folder)]


@contextlib.contextmanager
def _process(arguments: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The started process; nothing of its session is left afterwards."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=threads.environment() | {status.LAUNCHER: str(os.getpid())},
            # Ctrl-C in the terminal reaches this process only, which passes it on in order.
            start_new_session=True,
        )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _follow(process: subprocess.Popen[bytes], folder: Path, watch: Watch) -> bool:
    """Waits for the end and passes Ctrl-C on; True when there was one."""
    asked = False
    while process.poll() is None:
        try:
            time.sleep(POLL_SECONDS)
            if told := status.read(folder):
                watch(told)
        except KeyboardInterrupt:
            _tell(process, folder, signal.SIGKILL if asked else signal.SIGINT)
            if asked:
                break
            asked = True
    return asked


def _tell(process: subprocess.Popen[bytes], folder: Path, number: signal.Signals) -> None:
    """Signals the run's first process, which decides for all; torchrun would kill them after half a minute."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(status.read(folder).get("pid", process.pid), number)


def _death(run: TrainRun, code: int, log: str) -> str | None:
    """Which process died how; None where none was killed by a signal.

    The others of its run fail as well when it is gone, or torchrun ends them with SIGTERM: what they say is no cause.
    """
    found = DEAD.findall(log) if run.shard.processes > 1 else [(0, -code)]
    dead = [(int(rank), int(number)) for rank, number in found]
    causes = [(rank, number) for rank, number in dead if number > 0 and number != signal.SIGTERM]
    if not causes:
        return None
    rank, number = causes[0]
    which = f"process {rank} of {run.shard.processes}" if run.shard.processes > 1 else "the process"
    return f"{which} was killed by {signal.Signals(number).name}; the same command goes on from the last checkpoint"


def _record(folder: Path, told: Mapping[str, Any]) -> None:
    """Says how it ended; on a full disk the exit code alone does."""
    with contextlib.suppress(OSError):
        status.replace(folder / status.FILE, asdict(status.Status()) | dict(told))
