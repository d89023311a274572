"""An executor by the name a person gives it."""

from collections.abc import Mapping

from ablations.executors import Executor, ExecutorUnavailable
from ablations.executors.local import Local


def named(name: str, cluster: str, jobs: int, environment: Mapping[str, str]) -> Executor:
    """`local`, `ray` or `slurm`, with room for `jobs` cells at a time; 0 leaves it to the cluster, and is one here.

    `cluster` is Ray's address as `HOST:PORT` or `auto`, empty for one started here; or what a job asks Slurm for, as
    `partition=gpu,timeout_min=240,gpus_per_node=1`. Raises `ExecutorUnavailable`.
    """
    if name == "local" and cluster:
        raise ExecutorUnavailable(f"the executor local has no cluster {cluster}; leave it out, or give ray or slurm")
    if name == "local":
        return Local(max(1, jobs), environment)
    if name == "ray":
        from ablations.executors.ray import Ray

        return Ray(jobs, environment, cluster)
    if name == "slurm":
        from ablations.executors.slurm import Settings, Slurm, settings

        return Slurm(jobs, environment, settings(cluster, Settings))
    raise ExecutorUnavailable(f"there is no executor {name}; give local, ray or slurm")
