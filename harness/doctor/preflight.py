"""What keeps a run from starting: the relevant part of the doctor, told before anything is loaded or made."""

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from harness.doctor import capabilities, limits

if TYPE_CHECKING:
    from harness.estimate.architecture import Architecture
    from harness.estimate.hardware import Accelerator
    from harness.estimate.remedies import Remedy
    from harness.training import Settings, TrainRun

# Records and logs of a run, besides its weights.
RECORDS_BYTES = 100e6
# What a setting of `harness train` is in a study.
IN_A_STUDY = {
    "optimizer.micro_batch": "train.micro_batch",
    "grpo.max_new_tokens": "train.max_new_tokens",
    "grpo.kl": "train.beta",
    "adapter.kind to lora": "model.lora_rank to 16",
}


def refused(names: Iterable[str]) -> list[str]:
    """A line with its fix for every named capability that is not ok."""
    verdicts = capabilities.verdicts(capabilities.named(names))
    return [verdict.line for verdict in verdicts if verdict.status != "ok"]


def of_training(run: "Settings") -> list[str]:
    """The capabilities that a run of `harness train` needs."""
    needs = ["cpu"]
    if run.adapter and run.adapter.kind == "qlora":
        needs.append("qlora")
    if run.shard.strategy.startswith("zero"):
        needs.append("deepspeed")
    if (run.grpo and run.grpo.rollout == "vllm") or (run.prm and run.prm.engine == "vllm"):
        needs.append("vllm")
    return needs


def space(folder: Path, needed: float, instead: str) -> list[str]:
    """A line where `needed` bytes do not fit the disk of a folder, or it cannot be made; `instead` is the fix."""
    existing = next(parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.exists())
    problem = limits.unwritable(existing)
    if problem:
        return [f"{folder}: {problem}; {instead}"]
    free = shutil.disk_usage(existing).free
    if free >= needed:
        return []
    return [
        f"{folder} needs about {needed / 1e9:.1f} GB and {existing} has {free / 1e9:.1f} GB free; "
        f"make room, or {instead}"
    ]


@dataclass(frozen=True)
class Outlook:
    """What keeps a run from starting, and what may end it: a line each, with its fix."""

    refused: list[str] = field(default_factory=list)
    warned: list[str] = field(default_factory=list)


def of_run(run: "TrainRun", folder: Path, here: int) -> Outlook:
    """Whether disk and memory can hold a run to its end; `here` of its processes share this machine.

    Of other machines (`here` is 0) nothing is known but the disk, which they share. Nothing is said either where the
    sizes of the model are not known, or the method is not estimated.
    """
    from harness.estimate import machine

    model = sizes(run)
    if model is None:
        return Outlook()
    found = memory(run, machine.here(here)) if here else Outlook()
    full = space(folder, saved_bytes(run, model) - _size(folder), "give another --out")
    return Outlook([*full, *found.refused], found.warned)


def sizes(run: "TrainRun") -> "Architecture | None":
    """The sizes of a run's model, None where they are not known here."""
    from harness.estimate import known
    from harness.estimate.architecture import UnknownArchitecture

    try:
        return known.find(run.model.path)
    except UnknownArchitecture:
        return None


def saved_bytes(run: "TrainRun", model: "Architecture") -> float:
    """What a run writes: the merged weights, and `checkpoint.keep` checkpoints with one more while it is written.

    A checkpoint has what is trained and AdamW's two moments of it, as training holds them: at most 4 bytes each.
    """
    trained = model.adapter(run.adapter.rank) if run.adapter else model.parameters
    kept = run.checkpoint.keep + 1 if run.checkpoint.every else 1
    return 4.0 * (model.parameters + kept * 3 * trained) + RECORDS_BYTES


def _size(folder: Path) -> int:
    """What an interrupted run has written already."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def memory(run: "TrainRun", device: "Accelerator", study: bool = False) -> Outlook:
    """Whether `device` holds a process of the run: refused where weights, gradients and optimiser alone are too much.

    With rows of the full length a run may need more than it ever meets, so that is a warning. Both name the settings
    that would make it fit, each estimated anew.
    """
    from harness.estimate import remedies
    from harness.estimate.setups import BadSetup

    model = sizes(run)
    if model is None:
        return Outlook()
    try:
        found = remedies.need(run, model, device)
    except BadSetup:
        return Outlook()
    if found.fits:
        return Outlook()
    change = ways(found.remedies, study) or "no setting makes it fit; take a smaller model"
    states = found.memory.states
    if states > found.available:
        return Outlook(refused=[f"{run.model.name}: {states / 1e9:.3g} GB before any row, {found}: {change}"])
    return Outlook(warned=[f"{run.model.name}: rows of the full length need {found}: {change}"])


def ways(remedies: "Sequence[Remedy]", study: bool) -> str:
    """What would make it fit, in the words of a run's file or of a study, whose cells are single processes."""
    if not study:
        return "; or ".join(remedy.says for remedy in remedies)
    line = "; or ".join(remedy.says for remedy in remedies if not any("shard." in key for key in remedy.change))
    for own, name in IN_A_STUDY.items():
        line = line.replace(own, name)
    return line
