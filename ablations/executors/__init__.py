"""Where cells run: on this machine, on the nodes of a Ray cluster, or as Slurm jobs.

`ablations.run` is the one scheduler. It hands folders to an executor and learns how a cell goes from its `status.json`,
which the process itself and whoever started it (`ablations.executors.process`) write beside the cell.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


class ExecutorUnavailable(ValueError):
    """A package, a cluster or a setting that the executor needs is not there. The text says the fix."""


class NotStarted(RuntimeError):
    """The executor could not start this cell."""


@dataclass(frozen=True)
class End:
    """A job is over. `status.json` says how its process ended, unless it was `lost`: the place it ran on is gone."""

    lost: str = ""


class Job(Protocol):
    """One attempt at one cell."""

    def poll(self) -> End | None:
        """None while it waits or runs. Raises `OSError` or `NotStarted` where it could not begin or record its end."""
        ...

    def interrupt(self) -> None:
        """Asks it to save and stop."""
        ...

    def kill(self) -> None:
        """Stops it at once."""
        ...


class Executor(Protocol):
    """Starts `python -m MODULE FOLDER` somewhere, for at most `slots` cells at a time."""

    @property
    def slots(self) -> int: ...

    def start(self, folder: Path, module: str) -> Job:
        """Raises `OSError` or `NotStarted`."""
        ...
