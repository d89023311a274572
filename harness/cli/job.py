"""A run as a Slurm job: submitting it, and `python -m harness.cli.job FOLDER`, which the batch script executes."""

import argparse
import json
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout
from rich.console import Console

from harness import launch, status
from harness.cli import shortage
from harness.cli.train import FAILED, INTERRUPTED, lines, outcome, watching
from harness.launch import slurm
from harness.launch.placement import Placement
from harness.training import TrainRun

if TYPE_CHECKING:
    from harness.launch.placement import Launcher
    from harness.launch.slurm import Settings

# The command that submitted it holds the lock for a moment more.
LOCK_SECONDS = 60


def submitted(folder: Path, run: TrainRun, launcher: "Launcher", asked: "Settings", as_json: bool) -> str:
    """Submits the run, unless its job waits or runs already, and says how it stands. Raises `NotPlaceable`."""
    return standing(folder, run, as_json) or _told(
        folder, run, slurm.submit(folder.resolve(), launcher, asked), "SUBMITTED", as_json
    )


def standing(folder: Path, run: TrainRun, as_json: bool) -> str | None:
    """How the job of a run stands; None where it has none that waits or runs."""
    waiting = slurm.queued(folder)
    return _told(folder, run, *waiting, as_json) if waiting else None


def _told(folder: Path, run: TrainRun, number: str, state: str, as_json: bool) -> str:
    step = status.read(folder).get("step", 0)
    if as_json:
        return json.dumps({"folder": str(folder), "method": run.method, "job": number, "state": state, "step": step})
    return (
        f"{folder}: job {number} is {state.lower()}, step {step} of {run.steps}\n"
        f"  {folder}/log.txt is what it prints; the same command tells how it stands, scancel {number} ends it"
    )


def main() -> None:
    """Runs a folder on the nodes of the Slurm job that this is part of; how it ends is in `status.json` and here."""
    parser = argparse.ArgumentParser(prog="python -m harness.cli.job", description=main.__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--launch", choices=("torchrun", "accelerate"), default="torchrun")
    asked = parser.parse_args()
    # Slurm sends them before the time is up, and when somebody cancels the job.
    for number in (signal.SIGUSR1, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        with FileLock(asked.folder / ".lock", timeout=LOCK_SECONDS):
            sys.exit(_run(asked.folder, Placement(asked.launch, nodes=int(os.environ["SLURM_JOB_NUM_NODES"]))))
    except Timeout:
        sys.exit(f"{asked.folder} is being trained by another process")


def _run(folder: Path, placement: Placement) -> int:
    run = TrainRun.read(folder / "config.toml")
    try:
        if status.read(folder).get("state") != "done":
            with watching(Console(), run.steps) as watch:
                launch.start(folder, run, watch, placement)
            shortage.explain(folder, run)
    except KeyboardInterrupt:
        print(f"interrupted; {folder} keeps what is done, the same command goes on from there")
        return INTERRUPTED
    found = outcome(folder, run)
    print("\n".join(lines(folder, run, found)))
    return 0 if found["state"] == "done" else FAILED


if __name__ == "__main__":
    main()
