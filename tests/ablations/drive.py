"""A study of pretended cells under any executor: `python drive.py EXECUTOR ROOT NAME...`; ACTION7 is a cell's name."""

import os
import sys
from pathlib import Path

from pretend_cell import Pretend

from ablations import run
from ablations.executors import Executor
from ablations.executors.named import named
from ablations.executors.slurm import Settings, Slurm

run.GRACE_SECONDS = 5.0


def executor(name: str) -> Executor:
    # submitit's executor of processes here, instead of a Slurm cluster.
    if name == "submitit":
        return Slurm(0, os.environ, Settings(), cluster="local")
    kind, _, cluster = name.partition(":")
    return named(kind, cluster, 2, os.environ)


def main() -> None:
    name, root = sys.argv[1], Path(sys.argv[2])
    with run.held(root):
        cells = [run.CellRun(root / cell, Pretend(cell.rstrip("0123456789"))) for cell in sys.argv[3:]]  # type: ignore[arg-type]
        for cell in cells:
            found = run.read_status(cell.folder)
            cell.status = found if found["state"] == "done" else cell.status
        run.run(cells, executor(name), lambda cells: None, hang_minutes=0.2)
    sys.exit(any(cell.state == "failed" for cell in cells))


if __name__ == "__main__":
    main()
