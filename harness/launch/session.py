"""The launchers of a run while it runs, one for each machine. Nothing of them is left afterwards."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from harness import status, threads

# What is left of a run when one launcher has failed may end by itself, and say why.
GRACE_SECONDS = 10.0
# A guard that has lost its standard input ends what it guards.
CLOSE_SECONDS = 10.0


@dataclass(frozen=True)
class Launcher:
    """What is executed here to start processes on `host`, or on this machine where it is empty."""

    arguments: list[str]
    host: str = ""
    guarded: bool = False


@dataclass(frozen=True)
class End:
    """How a launcher ended."""

    host: str
    code: int


class Session:
    """The started launchers. `ends` are those that have ended by themselves, in order."""

    def __init__(self, launchers: Sequence[Launcher], log: Path) -> None:
        self.ends: list[End] = []
        self.running: list[tuple[Launcher, subprocess.Popen[bytes]]] = []
        self.failed_at: float | None = None
        self.begin = log.stat().st_size if log.is_file() else 0
        self.log = log
        with log.open("ab") as output:
            for launcher in launchers:
                process = subprocess.Popen(
                    launcher.arguments,
                    # An open end says that this command lives.
                    stdin=subprocess.PIPE if launcher.guarded else subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env=threads.environment() | {status.LAUNCHER: str(os.getpid())},
                    # Ctrl-C in the terminal reaches this process only, which passes it on in order.
                    start_new_session=True,
                )
                self.running.append((launcher, process))
        self.first = self.running[0][1].pid

    def over(self) -> bool:
        """Whether all have ended, or one has failed and the others had their time."""
        for launcher, process in list(self.running):
            if (code := process.poll()) is not None:
                self._clear(process)
                self.running.remove((launcher, process))
                self.ends.append(End(launcher.host, code))
                self.failed_at = self.failed_at or (time.monotonic() if code else None)
        late = self.failed_at is not None and time.monotonic() - self.failed_at > GRACE_SECONDS
        return not self.running or late

    def said(self) -> str:
        """What all of them have printed so far."""
        with self.log.open("rb") as file:
            file.seek(self.begin)
            return file.read().decode(errors="replace")

    def __enter__(self) -> "Session":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for launcher, process in self.running:
            if launcher.guarded:
                assert process.stdin is not None
                # What was not delivered does not matter.
                with contextlib.suppress(BrokenPipeError):
                    process.stdin.close()
            else:
                self._clear(process)
        deadline = time.monotonic() + CLOSE_SECONDS
        for _, process in self.running:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, deadline - time.monotonic()))
            self._clear(process)
            process.wait()

    @staticmethod
    def _clear(process: "subprocess.Popen[bytes]") -> None:
        """Nothing of the session is left."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
