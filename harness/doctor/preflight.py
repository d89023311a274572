"""What keeps a run from starting: the relevant part of the doctor, told before anything is loaded or made."""

import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from harness.doctor import capabilities, limits

if TYPE_CHECKING:
    from harness.estimate.architecture import Architecture
    from harness.training import Settings, TrainRun

# An estimate may be wrong by so much (docs/estimate.md): a run is refused only where it cannot fit even then.
MARGIN = 1.15
# Records and logs of a run, besides its weights.
RECORDS_BYTES = 100e6


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


def of_run(run: "TrainRun", folder: Path, here: int) -> list[str]:
    """A line for the disk and one for the memory that a run cannot do with; `here` of its processes share this machine.

    Of other machines (`here` is 0) nothing is known but the disk, which they share. Nothing is said either where the
    sizes of the model are not known, or the method is not estimated.
    """
    from harness.estimate import known
    from harness.estimate.architecture import UnknownArchitecture
    from harness.estimate.setups import BadSetup

    try:
        model = known.find(run.model.path)
        return [
            *space(folder, saved_bytes(run, model) - _size(folder), "give another --out"),
            *(memory(run, model, here) if here else ()),
        ]
    except (UnknownArchitecture, BadSetup):
        return []


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


def memory(run: "TrainRun", model: "Architecture", here: int) -> Iterator[str]:
    """A line where the run needs more memory than there is, with the settings that would make it fit."""
    from harness.estimate import machine, remedies

    found = remedies.need(run, model, machine.here(here))
    if found.memory.total > MARGIN * found.available:
        ways = "; or ".join(remedy.says for remedy in found.remedies) or "no setting makes it fit: take a smaller model"
        yield f"{run.model.name}: the run needs {found}: {ways}"
