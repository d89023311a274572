"""The flags of `harness train` that say how many processes there are and where; they go over the file."""

import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.cli.errors import noted
from harness.cli.recipe import BadRecipe, Recipe, unchecked

if TYPE_CHECKING:
    from harness.launch.placement import Launcher, Placement
    from harness.launch.slurm import Settings

STRATEGIES = ("ddp", "zero1", "zero2", "zero3")


@dataclass(frozen=True)
class Flags:
    """As given; None and empty where they were not. `slurm` may be empty and still be given."""

    launcher: "Launcher" = "torchrun"
    processes: int | None = None
    zero: int | None = None
    hostfile: Path | None = None
    slurm: str | None = None


@dataclass(frozen=True)
class Placed:
    """A file as the flags change it, where it runs, and `job`: what to ask Slurm for where that is yet to be done."""

    recipe: Recipe
    placement: "Placement"
    job: "Settings | None"


def placed(config: Path, changes: Sequence[str], flags: Flags) -> Placed:
    """Reads the file and places its run. Raises `BadRecipe` with all that does not go together, a line each."""
    from ablations.executors import ExecutorUnavailable
    from ablations.executors.slurm import settings
    from harness.launch import hosts as machines
    from harness.launch import placement, slurm

    table, problems = unchecked(config, changes), list[str]()
    hosts: tuple[placement.Host, ...] = ()
    asked: slurm.Settings | None = None
    with noted(problems, placement.NotPlaceable):
        hosts = placement.read(flags.hostfile) if flags.hostfile else ()
    with noted(problems, ExecutorUnavailable):
        asked = settings(flags.slurm, slurm.Settings) if flags.slurm is not None else None
    if hosts and asked:
        problems.append("--hostfile and --slurm: give one of them; Slurm names the machines itself")
    _apply(table, flags, sum(host.slots for host in hosts) or (_processes(asked) if asked else 0))
    problems += [*machines.problems(hosts)] if hosts else []
    problems += _slurm_problems(asked) if asked else []
    recipe: Recipe | None = None
    with noted(problems):
        recipe = Recipe.model_validate(table)
    # Where the table itself is bad, what does not fit it is not known.
    if recipe:
        problems += _problems(recipe, flags, [host.slots for host in hosts], asked)
    if problems or not recipe:
        raise BadRecipe("\n".join(problems))
    inside = asked is not None and slurm.job() is not None
    place = placement.Placement(flags.launcher, hosts, asked.nodes if asked and inside else 0)
    return Placed(recipe, place, None if inside else asked)


def _apply(table: dict[str, Any], flags: Flags, slots: int) -> None:
    """The flags over the file. Where neither says how many processes, a process takes every slot that there is."""
    shard = table.setdefault("shard", {})
    if not isinstance(shard, dict):
        return
    if flags.processes is not None:
        shard["processes"] = flags.processes
    elif slots:
        shard.setdefault("processes", slots)
    if flags.zero is not None:
        shard["strategy"] = STRATEGIES[flags.zero]


def _processes(asked: "Settings") -> int:
    return asked.nodes * max(1, asked.gpus_per_node)


def _problems(recipe: Recipe, flags: Flags, slots: list[int], asked: "Settings | None") -> Iterator[str]:
    processes = recipe.shard.processes
    said = "--processes" if flags.processes is not None else "shard.processes"
    if slots and sum(slots) != processes:
        yield f"{said} {processes}: {flags.hostfile} has {sum(slots)} slots; give {sum(slots)}, or change its slots=N"
    if flags.launcher == "accelerate" and len(set(slots)) > 1:
        yield f"--launch accelerate: starts as many everywhere; give each slots={max(slots)}, or --launch torchrun"
    if asked and processes % asked.nodes:
        yield f"{said} {processes}: give a multiple of the {asked.nodes} nodes of --slurm"
    elif asked and asked.gpus_per_node and processes != _processes(asked):
        yield (
            f"{said} {processes}: a process takes a GPU, and --slurm asks for {asked.nodes} x {asked.gpus_per_node}; "
            f"give {_processes(asked)}, or gpus_per_node={processes // asked.nodes}"
        )
    if recipe.shard.strategy == "fsdp" and _on_cpu(asked):
        yield "shard.strategy fsdp needs CUDA devices; on a CPU take --zero 0, 1, 2 or 3"


def _slurm_problems(asked: "Settings") -> Iterator[str]:
    from harness.launch.slurm import job

    given = os.environ.get("SLURM_JOB_NUM_NODES", os.environ.get("SLURM_NNODES", "1"))
    if job() is None and shutil.which("sbatch") is None:
        yield "--slurm: there is no Slurm here (no sbatch); run this where jobs are submitted from"
    elif job() is not None and int(given) != asked.nodes:
        yield f"--slurm nodes={asked.nodes}: this is job {job()}, of {given} nodes; give nodes={given}"


def _on_cpu(asked: "Settings | None") -> bool:
    if asked:
        return not asked.gpus_per_node
    import torch

    return not torch.cuda.is_available()
