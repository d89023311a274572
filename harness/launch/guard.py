"""A launcher on another machine: `python -m harness.launch.guard COMMAND...`, which lives while standard input is open.

Whoever started it, over ssh or by srun, holds the other end. When that one is gone, however it went, so is the command:
a connection that ends ends nothing by itself. Exit code as in a shell, 128 and the number for a signal.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from threading import Thread
from typing import Any

from harness import status
from harness.launch.placement import NODE

SLURM_GRACE_SECONDS = 5.0


def main() -> None:
    arguments = [os.environ["SLURM_NODEID"] if argument == NODE else argument for argument in sys.argv[1:]]
    process = subprocess.Popen(
        arguments,
        stdin=subprocess.DEVNULL,
        env={**os.environ, status.LAUNCHER: str(os.getpid())},
        start_new_session=True,
    )

    def end(*_: Any) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)

    def listen() -> None:
        while os.read(0, 4096):
            pass
        end()

    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, end)
    Thread(target=listen, daemon=True).start()
    code = process.wait()
    end()
    if code and "SLURM_NODEID" in os.environ:
        # srun ends all others as soon as one has failed, who may be about to say why.
        time.sleep(SLURM_GRACE_SECONDS)
    sys.exit(code if code >= 0 else 128 - code)


if __name__ == "__main__":
    main()
