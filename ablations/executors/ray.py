"""Cells as Ray tasks: each runs the cell's process on whichever node has room.

Every node needs the same Python with the project and the same paths: a shared file system holds results and cache.
"""

import os
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ablations.executors import End, ExecutorUnavailable, NotStarted, process
from ablations.executors.local import VISIBLE
from harness import advice, status

MISSING = "the ray executor needs Ray: pip install 'reward-harness[ray]'"
# Nothing but exit news goes through it; Ray takes no less.
STORE_BYTES = 80 * 1024**2
CONNECT_SECONDS = 10.0


class Ray:
    """Connects to the cluster at `address` (`HOST:PORT`, `auto`), or starts one on this machine where it is empty.

    A cell takes as many CPUs as it has threads, and one GPU where the cluster has any. All cells are handed over at
    once, unless `slots` says fewer, and wait in Ray's queue. They end with this process.
    """

    def __init__(self, slots: int, environment: Mapping[str, str], address: str = "") -> None:
        self.slots = slots or sys.maxsize
        try:
            import ray
        except ImportError as error:
            raise ExecutorUnavailable(MISSING) from error
        _reachable(address)
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        path = os.pathsep.join(entry for entry in sys.path if entry)
        own = {} if address else {"include_dashboard": False, "object_store_memory": STORE_BYTES}
        try:
            ray.init(
                address=address or "local",
                log_to_driver=False,
                logging_level="error",
                runtime_env={"env_vars": {"PYTHONPATH": path}},
                **own,
            )
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise ExecutorUnavailable(f"Ray does not start or answer ({address or 'here'}): {error}") from error
        gpus = 1 if ray.cluster_resources().get("GPU") else 0
        # More than the largest node has would wait for ever.
        largest = max(node["Resources"].get("CPU", 0) for node in ray.nodes() if node["Alive"])
        cpus = max(1, min(int(environment.get("OMP_NUM_THREADS", "1")), int(largest)))
        self.environment = {**environment, "OMP_NUM_THREADS": str(cpus)}
        # A task is never repeated by Ray: a lost cell is a case for the scheduler, which counts.
        self.attempt = ray.remote(num_cpus=cpus, num_gpus=gpus, max_retries=0)(_attempt)

    def start(self, folder: Path, module: str) -> "Task":
        return Task(folder, self.attempt.remote(str(folder.resolve()), module, self.environment))


class Task:
    """A cell in Ray's hands."""

    def __init__(self, folder: Path, reference: Any) -> None:
        self.folder = folder
        self.reference = reference

    def poll(self) -> End | None:
        import ray
        from ray import exceptions

        if not ray.wait([self.reference], timeout=0)[0]:
            return None
        try:
            ray.get(self.reference)
        except exceptions.TaskCancelledError:
            return End()
        except exceptions.OutOfMemoryError:
            text = f"ended by Ray because its node ran out of memory; {advice.SMALLER}"
            step = status.read(self.folder).get("step")
            status.record(self.folder, "failed", status.describe(self.folder, "OutOfMemory", text, step))
        except exceptions.RayTaskError as error:
            raise NotStarted(str(error.cause)) from error
        except exceptions.RayError as error:
            return End(lost=next(iter(str(error).splitlines()), type(error).__name__))
        return End()

    def interrupt(self) -> None:
        import ray

        ray.cancel(self.reference)

    def kill(self) -> None:
        """The worker kills it, at another cancellation or soon after the first: a dead worker could not."""
        self.interrupt()


def _reachable(address: str) -> None:
    """Ray itself asks a silent address for minutes."""
    if address in ("", "auto"):
        return
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), CONNECT_SECONDS).close()
    except (OSError, ValueError) as error:
        raise ExecutorUnavailable(
            f"no Ray cluster answers at {address} ({error}); give HOST:PORT of its head"
        ) from error


def _attempt(folder: str, module: str, environment: dict[str, str]) -> None:
    """On the node. Ray says there which of its GPUs the task has."""
    mine = {VISIBLE: os.environ[VISIBLE]} if VISIBLE in os.environ else {}
    process.run(Path(folder), module, environment | mine)
