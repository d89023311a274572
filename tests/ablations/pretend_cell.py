"""A cell that imports nothing heavy: `python -m pretend_cell FOLDER`; the folder's config names what it does."""

import json
import os
import resource
import signal
import sys
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from harness.status import StatusFile, end_with_parent

STEPS = 8


@dataclass(frozen=True)
class Pretend:
    """The config of such a cell: the name of a function below."""

    action: str
    module: ClassVar[str] = "pretend_cell"
    steps: ClassVar[int] = STEPS

    @property
    def label(self) -> str:
        return f"pretended {self.action}"

    def write(self, path: Path) -> None:
        path.write_text(self.action)


def works(folder: Path, file: StatusFile) -> None:
    file.say(step=STEPS)


def raises(folder: Path, file: StatusFile) -> None:
    file.say(step=3)
    for number in range(40):
        print("line", number, "x" * 1000)
    raise ValueError("no more\nand more")


def leaves(folder: Path, file: StatusFile) -> None:
    print("about to leave")
    sys.stdout.flush()
    os._exit(3)


def dies(folder: Path, file: StatusFile) -> None:
    file.say(step=2)
    os.kill(os.getpid(), signal.SIGKILL)


def allocates(folder: Path, file: StatusFile) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30))
    bytearray(2**32)


def hangs(folder: Path, file: StatusFile) -> None:
    file.say(step=1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    time.sleep(600)


def environment(folder: Path, file: StatusFile) -> None:
    (folder / "environment.json").write_text(json.dumps(dict(os.environ)))
    time.sleep(0.5)


def steps(folder: Path, file: StatusFile) -> None:
    """A few steps a second, from where it was left; a line for every step it takes."""
    path = folder / "steps.txt"
    begin = len(path.read_text().split()) if path.is_file() else 0
    for step in range(begin + 1, STEPS + 1):
        time.sleep(float(os.environ.get("PRETEND_SECONDS", "0.15")))
        with path.open("a") as log:
            log.write(f"{step}\n")
        file.say(step=step, phase="train")


def stuck(folder: Path, file: StatusFile) -> None:
    file.say(step=2)
    time.sleep(600)


def fails_once(folder: Path, file: StatusFile) -> None:
    """What it leaves the first time lets it go the second time."""
    if not (folder / "first").is_file():
        (folder / "first").write_text("")
        raise RuntimeError("the first time")


def main() -> None:
    end_with_parent()
    folder = Path(sys.argv[1])
    with (folder / "attempts.txt").open("a") as attempts:
        attempts.write(f"{os.getpid()}\n")
    file = StatusFile(folder, STEPS)
    file.say()
    try:
        globals()[(folder / "config.toml").read_text()](folder, file)
    except KeyboardInterrupt:
        file.say(state="interrupted")
        sys.exit(130)
    except Exception as error:
        traceback.print_exc()
        sys.stdout.flush()
        file.failed(error)
        sys.exit(1)
    file.say(state="done")


if __name__ == "__main__":
    main()
