"""Cells as Slurm jobs, through submitit. The results folder and the cache must be on a file system the nodes share.

submitit pickles what it submits: that is a command, made of paths and names of ours, and nothing read from a model.
"""

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import Field, ValidationError

from ablations.executors import End, ExecutorUnavailable, NotStarted
from harness import status
from harness.config import Table

MISSING = "the slurm executor needs submitit: pip install 'reward-harness[slurm]'"
PREEMPTED = "PREEMPTED"
FOLDER = "slurm"


class Settings(Table):
    """What a job asks for; the names are those of submitit."""

    slurm_partition: str | None = Field(default=None, alias="partition")
    slurm_account: str | None = Field(default=None, alias="account")
    timeout_min: int = Field(default=1440, ge=1)
    gpus_per_node: int = Field(default=0, ge=0)
    cpus_per_task: int = Field(default=1, ge=1)
    mem_gb: float | None = Field(default=None, gt=0)


Kind = TypeVar("Kind", bound=Settings)


def settings(text: str, kind: type[Kind]) -> Kind:
    """From `partition=gpu,timeout_min=240,gpus_per_node=1`. Raises `ExecutorUnavailable`."""
    pairs = [part.partition("=") for part in text.split(",") if part.strip()]
    try:
        return kind.model_validate({key.strip(): value.strip() for key, _, value in pairs})
    except ValidationError as error:
        known = ", ".join(field.alias or name for name, field in kind.model_fields.items())
        bad = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise ExecutorUnavailable(f"slurm: {bad}; give KEY=VALUE of {known}") from error


class Slurm:
    """Hands all cells over at once, unless `slots` says fewer; Slurm's queue decides. `cluster` is for submitit."""

    def __init__(self, slots: int, environment: Mapping[str, str], asked: Settings, cluster: str = "slurm") -> None:
        self.slots = slots or sys.maxsize
        threads = min(int(environment.get("OMP_NUM_THREADS", "1")), asked.cpus_per_task)
        environment = {**environment, "OMP_NUM_THREADS": str(threads)}
        # Jobs inherit the environment; what is pickled holds only what differs, and none of the user's secrets.
        self.changes = {key: value for key, value in environment.items() if os.environ.get(key) != value}
        self.asked = asked
        self.cluster = cluster
        try:
            import submitit  # noqa: F401
        except ImportError as error:
            raise ExecutorUnavailable(MISSING) from error
        if cluster == "slurm" and not shutil.which("srun"):
            raise ExecutorUnavailable("there is no Slurm here (no srun); run this where jobs are submitted from")

    def start(self, folder: Path, module: str) -> "SlurmJob":
        from submitit import AutoExecutor
        from submitit.core.utils import FailedJobError, FailedSubmissionError
        from submitit.helpers import CommandFunction

        executor = AutoExecutor(folder=folder / FOLDER, cluster=self.cluster)
        executor.update_parameters(name=f"harness-{folder.name}", **self.asked.model_dump(exclude_none=True))
        given = [f"{key}={value}" for key, value in self.changes.items()]
        own = [sys.executable, "-m", "ablations.executors.process", str(folder.resolve()), module]
        try:
            return SlurmJob(folder, executor.submit(CommandFunction(["env", *given, *own], verbose=False)))
        except (FailedJobError, FailedSubmissionError) as error:
            raise NotStarted(f"Slurm refused the job: {error}") from error


class SlurmJob:
    """A job in Slurm's hands."""

    def __init__(self, folder: Path, job: Any) -> None:
        self.folder = folder
        self.job = job

    def poll(self) -> End | None:
        """Lost is a job that is over while nobody wrote how its cell ended: its time was up, its node died."""
        preempted = self.job.state == PREEMPTED
        if not preempted and not self.job.done():
            return None
        if preempted:
            # Slurm may start it again itself, which a new job of ours would meet.
            self.kill()
        if status.read(self.folder).get("state") in ("done", "failed"):
            return End()
        return End(lost=f"Slurm's job {self.job.job_id} ended as {self.job.state}")

    def interrupt(self) -> None:
        """Slurm has no gentle end: the cell goes on from its last checkpoint."""
        self.kill()

    def kill(self) -> None:
        self.job.cancel(check=False)
