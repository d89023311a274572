"""A cell's process on this machine, watched to its end: `python -m ablations.executors.process FOLDER MODULE`.

log.txt         what the process prints, of every attempt
status.json     also where it died without a word: by which signal or exit code, and the end of its log
.attempt.lock   held by the process itself: a new attempt begins only once the earlier one is really gone
"""

import contextlib
import fcntl
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from ablations.executors import End
from harness import advice, kernel, status

POLL_SECONDS = 0.25
STOP_SECONDS = 25.0


class Process:
    """The job of one cell here.

    It waits while a process of an earlier attempt still lives, which ends within a second of the one that started it.
    """

    def __init__(self, folder: Path, module: str, environment: Mapping[str, str]) -> None:
        self.folder = folder
        self.arguments = [sys.executable, "-m", module, str(folder)]
        # A cell whose starter is gone ends itself (`harness.status.end_with_parent`).
        self.environment = {**environment, status.LAUNCHER: str(os.getpid())}
        self.process: subprocess.Popen[bytes] | None = None
        self.asked = False
        self.kills = kernel.kills()
        self.lock = (folder / ".attempt.lock").open("ab")
        self.poll()

    @property
    def over(self) -> bool:
        return self.lock.closed

    def poll(self) -> End | None:
        """Raises `OSError`, after which it is over, where it cannot begin or its end cannot be recorded."""
        try:
            if self.over or (self._ended() if self.process else not self._began()):
                self.lock.close()
                return End()
        except OSError:
            self.lock.close()
            raise
        return None

    def interrupt(self) -> None:
        self.asked = True
        self._signal(signal.SIGINT)

    def kill(self) -> None:
        self._signal(signal.SIGKILL)

    def _began(self) -> bool:
        """Starts the process, perhaps later where an earlier attempt lives; False where there is nothing to start."""
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return not self.asked
        if self.asked or status.read(self.folder).get("state") == "done":
            return False
        status.set_aside(self.folder)
        with (self.folder / status.LOG).open("ab") as log, _interruptible():
            self.process = subprocess.Popen(
                self.arguments,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self.environment,
                pass_fds=(self.lock.fileno(),),
                # Ctrl-C in the terminal reaches the command only, which passes it on in order.
                start_new_session=True,
            )
        # From here on a status that does not change is a process that does not move.
        status.begin(self.folder, self.process.pid)
        return True

    def _ended(self) -> bool:
        assert self.process is not None
        if (code := self.process.poll()) is None:
            return False
        self._clear()
        self._certify(code)
        return True

    def _signal(self, number: signal.Signals) -> None:
        if self.process is None:
            self.asked = True
        elif number == signal.SIGKILL:
            self._clear()
        else:
            self.process.send_signal(number)

    def _clear(self) -> None:
        """Nothing of the session is left."""
        assert self.process is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)

    def _certify(self, code: int) -> None:
        """Records the end of a process that could not do it itself."""
        told = status.read(self.folder)
        if told.get("state") in ("done", "failed"):
            return
        if self.asked:
            status.record(self.folder, "interrupted", None)
            return
        kind, why = advice.ended(code, status.tail(self.folder), kernel.kills() > self.kills)
        status.record(self.folder, "failed", status.describe(self.folder, kind, why, told.get("step")))


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """A child inherits blocked signals, and Ray's workers block SIGINT."""
    blocked = signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def run(folder: Path, module: str, environment: Mapping[str, str]) -> None:
    """One attempt to its end. KeyboardInterrupt is passed on; a second one, or no end in time, kills the process."""
    job = Process(folder, module, environment)
    deadline = math.inf
    while True:
        try:
            if job.poll() is not None:
                return
            if time.monotonic() > deadline:
                job.kill()
            time.sleep(POLL_SECONDS)
        except KeyboardInterrupt:
            if job.asked:
                job.kill()
            job.interrupt()
            deadline = min(deadline, time.monotonic() + STOP_SECONDS)


def main() -> None:
    status.end_with_parent()
    # Slurm sends these to every process of a job before it ends: the first is for submitit, which decides.
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    run(Path(sys.argv[1]), sys.argv[2], os.environ)


if __name__ == "__main__":
    main()
