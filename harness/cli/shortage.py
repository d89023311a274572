"""What the estimate says of a run that ran out of memory, said by the command: the run itself has no memory left.

The advice names settings that fit by the estimate, with the values to give them.
"""

import contextlib
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from harness import advice, kernel, status
from harness.training import TrainRun

if TYPE_CHECKING:
    from ablations.cells import CellRun
    from harness.estimate.architecture import Architecture
    from harness.estimate.hardware import Accelerator
    from harness.estimate.memory import Setup

KIND = "OutOfMemory"
GB = 1e9
MEASURES = ("base", "test")
# What a study calls the settings of a run; what is not here it does not set.
OF_A_CELL = {
    "optimizer.micro_batch": "train.micro_batch",
    "grpo.max_new_tokens": "train.max_new_tokens",
    "evaluation.batch_size": "evaluation.batch_size",
}


def explain(folder: Path, run: TrainRun, names: Mapping[str, str] | None = None) -> None:
    """Puts the estimate and what to change into the record of a run that ran out of memory; others stay as they are.

    Args:
        names: what the user calls the settings; those it has not are not advised.
    """
    told = status.read(folder)
    error = told.get("error") or {}
    if told.get("state") != "failed" or error.get("type") != KIND:
        return
    sentence = said(run, str(told.get("phase")), names)
    # On a full disk what the run itself has said is left.
    with contextlib.suppress(OSError):
        status.record(folder, "failed", {**error, "message": advice.specific(str(error["message"]), sentence)})


def explain_cell(cell: "CellRun") -> None:
    """The same of a cell, or a run, of a study."""
    from harness.config import RunConfig
    from harness.trainers.cells import training

    if isinstance(cell.config, TrainRun):
        explain(cell.folder, cell.config)
    elif isinstance(cell.config, RunConfig):
        explain(cell.folder, training(cell.config), OF_A_CELL)


def said(run: TrainRun, phase: str, names: Mapping[str, str] | None = None) -> str:
    """The sentence: what the run is estimated to need of what is here, and which settings would make it fit."""
    from harness.cli.forecast import BadForecast, from_recipe, setup
    from harness.estimate import known, largest, memory
    from harness.estimate.architecture import UnknownArchitecture

    if phase in MEASURES and run.evaluation and run.evaluation.batch_size > 1:
        name, size = _named("evaluation.batch_size", names), run.evaluation.batch_size
        return f"it was measuring, not training: lower {name} from {size} to {size // 2}"
    gpu = here(run.shard.processes)
    try:
        model = known.find(run.model.path)
        planned = setup(from_recipe(run, gpu.is_cpu), gpu)
    except (UnknownArchitecture, BadForecast, ValidationError) as error:
        return f"there is no estimate for this run ({str(error).splitlines()[0]}); {advice.SMALLER}"
    needs = memory.per_gpu(model, planned).total / GB
    whose = "" if gpu.is_cpu and planned.gpus == 1 else "a process's " if gpu.is_cpu else "a GPU's "
    estimate = f"the estimate for this run is {_gigabytes(needs)} GB of {whose}{_gigabytes(gpu.memory_gb)}"
    if largest.fits(model, planned):
        half = _micro(run, run.micro_batch // 2, names)
        rest = "tensors alone, which fit: end what else has memory here"
        return f"{estimate}, {rest}{f', or {half}' if half else ''}"
    ways = [*_ways(run, model, planned, names)]
    return f"{estimate}: " + (", or ".join(ways) if ways else "no one setting makes it fit; take a smaller model")


def here(processes: int) -> "Accelerator":
    """What a process of a run has on this machine: a GPU of its smallest, or its share of the memory."""
    from harness.estimate.hardware import accelerator

    asked = ["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    with contextlib.suppress(OSError, subprocess.SubprocessError, ValueError):
        listed = subprocess.run(asked, capture_output=True, text=True, timeout=20, check=True).stdout
        # In MiB. Of a GPU nothing but its memory enters here.
        return replace(accelerator("h100"), memory_gb=min(map(int, listed.split())) * 2**20 / GB)
    cpu = accelerator("cpu")
    size = kernel.memory()
    return replace(cpu, memory_gb=size / GB / processes) if size else cpu


def _ways(run: TrainRun, model: "Architecture", planned: "Setup", names: Mapping[str, str] | None) -> Iterator[str]:
    """The settings each of which makes it fit by itself, by the estimate."""
    from harness.estimate import largest

    if (most := largest.micro_batch(model, planned)) and (way := _micro(run, most, names)):
        yield way
    if planned.gpus > 1 and planned.zero < 3 and names is None:
        divided = replace(planned, zero=3, precision=planned.precision if planned.gpu.is_cpu else "mixed")
        if largest.fits(model, divided):
            yield "set [shard] strategy zero3 (--zero 3)"
    if run.adapter is None and names is None and largest.fits(model, replace(planned, method="lora")):
        yield 'train an adapter: [adapter] kind = "lora"'
    length, tokens = _length(run)
    if (name := _named(length, names)) and (most := largest.sequence(model, planned)):
        fitting = most - (planned.sequence - tokens)
        # Shorter than a quarter it would be another task.
        if tokens // 4 <= fitting < tokens:
            yield f"lower {name} from {tokens} to {fitting}"


def _length(run: TrainRun) -> tuple[str, int]:
    """The setting that says how long rows are, and its tokens."""
    if run.grpo:
        return "grpo.max_new_tokens", run.grpo.max_new_tokens
    if run.dpo:
        return "dpo.max_length", run.dpo.max_length
    return "sft.max_length", run.sft.max_length if run.sft else 0


def _micro(run: TrainRun, most: int, names: Mapping[str, str] | None) -> str | None:
    """Advises the largest micro-batch up to `most` that divides the batch; None where there is no smaller one."""
    share, now = run.optimizer.batch_size // run.shard.processes, run.micro_batch
    fitting = next((size for size in range(min(most, now - 1), 0, -1) if share % size == 0), None)
    return f"lower {_named('optimizer.micro_batch', names)} from {now} to {fitting}" if fitting else None


def _named(setting: str, names: Mapping[str, str] | None) -> str | None:
    return setting if names is None else names.get(setting)


def _gigabytes(size: float) -> str:
    return f"{size:.1f}" if size >= 0.1 else "less than 0.1"
