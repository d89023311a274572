"""`harness ablate --dry-run`: what would run, how long it would take, and what it could find; nothing is started."""

import functools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.cli.request import UNMADE

if TYPE_CHECKING:
    from ablations.measured import Measured
    from ablations.plan import Plan, Planned
    from harness.config import RunConfig

# Of two runs' right answers over the same questions, where nothing is measured (arXiv 2411.00640, section 4.2).
CORRELATION = 0.5
# A cell of the embedded model in its quick size.
UNMADE_MINUTES = 0.8


@dataclass(frozen=True)
class Work:
    """A cell with its state on disk, and the minutes still to do; `measured` says that earlier cells told them."""

    planned: "Planned"
    state: str
    minutes: float
    measured: bool


def forecast(plan: "Plan", results: Path, slots: int) -> dict[str, Any]:
    """What the study would do, as plain values; shares are fractions, memory is in 1e9 bytes."""
    from ablations.measured import Measured
    from ablations.plan import agree

    folder = results / plan.name
    agree(folder, plan)
    earlier = Measured(results)
    planned = list(plan.runs())
    work = [_work(one, folder, earlier) for one in planned]
    todo = [one for one in work if one.minutes]
    stages = {stage.folder: stage for one in planned for stage in one.needs}
    run = planned[0].run
    return {
        "name": plan.name,
        "folder": str(folder),
        "cells": dict(Counter(one.state for one in work)) | {"planned": len(work)},
        "rows": _rows(plan, work),
        "stages": [
            {"kind": stage.kind, "folder": str(stage.folder), "made": _state(stage.folder) == "done"}
            for stage in stages.values()
        ],
        "base": "made first" if any(start.model.path == UNMADE for start in plan.starts) else "there",
        "minutes": {
            "cells": round(sum(one.minutes for one in todo), 1),
            "wall": round(sum(one.minutes for one in todo) / slots, 1),
            "at_a_time": slots,
            "gpus": len(_devices()),
            "measured_cells": sum(one.measured for one in todo),
            "from": _basis(todo),
        },
        "memory": _memory(planned[0], earlier, slots),
        "detectable": _detectable(folder, plan, run),
    }  # fmt: skip


def _work(planned: "Planned", folder: Path, earlier: "Measured") -> Work:
    home = folder / "cells" / planned.id
    state = _state(home)
    if state in ("done", "failed"):
        return Work(planned, state, 0.0, measured=False)
    cost = earlier.cost(planned.run)
    minutes = cost.seconds / 60 if cost else _rough(planned)
    return Work(planned, state, minutes * _left(home, planned.run.steps), cost is not None)


def _rough(planned: "Planned") -> float:
    """By the weights of the model that the study names: what a stage makes of it may not be there yet."""
    from harness.duration import rough_minutes

    if planned.model.path == UNMADE:
        return UNMADE_MINUTES
    if _devices() and (found := _estimated(planned)) and found["plan"]["hours"] is not None:
        return 60 * float(found["plan"]["hours"])
    return rough_minutes(planned.run.model_copy(update={"model": planned.model}))


def _state(folder: Path) -> str:
    from harness import status

    told = str(status.read(folder).get("state", "new"))
    # Nobody runs it while nothing holds the study's lock; what was begun goes on from its checkpoint.
    return "interrupted" if told == "running" else told


def _left(folder: Path, steps: int) -> float:
    """The share of a begun cell that its last checkpoint leaves to do."""
    found = [int(path.name.rpartition("-")[2]) for path in folder.glob("checkpoints/checkpoint-*")]
    return 1 - max(found, default=0) / steps


def _rows(plan: "Plan", work: Sequence[Work]) -> list[dict[str, Any]]:
    """The states of each row's seeds."""
    rows: dict[str, Counter[str]] = {}
    for one in work:
        entry = one.planned.entry()
        others = [(plan.variants, "variant"), (plan.starts, "model"), (plan.datasets, "data")]
        parts = [entry["reward"], entry["objective"], *(entry[name] for values, name in others if len(values) > 1)]
        rows.setdefault(" / ".join(parts), Counter())[one.state] += 1
    return [{"row": row, **states} for row, states in rows.items()]


def _basis(work: Sequence[Work]) -> str:
    """Where the minutes come from, in words."""
    measured = sum(one.measured for one in work)
    if measured == len(work):
        return "finished cells of these sizes"
    others = "harness estimate, training alone" if _devices() else "floating-point operations on two CPU cores"
    return f"finished cells of these sizes for {measured}, {others} for the rest" if measured else others


def _memory(planned: "Planned", earlier: "Measured", slots: int) -> dict[str, Any]:
    """At the peak of a cell, and of all that run at a time."""
    cost = earlier.cost(planned.run)
    each: float | None = None
    source = "not known before a cell ran"
    if cost and cost.peak_bytes:
        each, source = cost.peak_bytes / 1e9, "finished cells of these sizes"
    elif found := _estimated(planned):
        each, source = found["per_gpu_gb"]["total"], "harness estimate, its tensors alone"
    at_once = 1 if _devices() else slots
    return {"cell_gb": each, "total_gb": each and each * at_once, "from": source}


def _detectable(folder: Path, plan: "Plan", run: "RunConfig") -> dict[str, Any]:
    """The smallest differences in accuracy that a test at 0.05 would find with 80 % power, as fractions.

    `runs` is between two runs alone, over questions: paired, their right answers correlating by `CORRELATION`, an
    accuracy of one half, and what samples of one question share ignored. `rows` is over the seeds, from the spread of
    differences that finished cells show; None where fewer than two seeds of two rows are there.
    """
    from evals.statistics.planning import detectable, paired_sd, share_sd

    items, samples, seeds = run.evaluation.test_items, run.evaluation.samples, len(plan.seeds)
    spread = paired_sd(share_sd(0.5), share_sd(0.5), CORRELATION)
    seen = _spread(folder)
    return {
        "n": items,
        "samples": samples,
        "seeds": seeds,
        "correlation": CORRELATION,
        "runs": detectable(spread, items),
        "rows": detectable(seen, seeds) if seen is not None else None,
        "seed_sd": seen,
    }


def _spread(folder: Path) -> float | None:
    """The root mean square, over rows, of the standard deviation of their differences to the reference over seeds."""
    from statistics import fmean, variance

    from ablations.comparisons import differences
    from ablations.records import load_study

    if not (folder / "plan.toml").is_file():
        return None
    study = load_study(folder)
    found = [differences(study, arm) for arm in study.arms if arm != study.plan.reference(arm)]
    variances = [variance(values) for values in found if len(values) > 1]
    return float(fmean(variances) ** 0.5) if variances else None


def _estimated(planned: "Planned") -> dict[str, Any] | None:
    """What `harness estimate` says of a cell; None where the model's sizes are not at hand or nothing is known."""
    from harness.estimate import hardware, known, runs
    from harness.estimate.architecture import UnknownArchitecture
    from harness.estimate.report import Plan, report
    from harness.estimate.setups import BadSetup
    from harness.estimate.steps import Network
    from harness.trainers.cells import training

    gpu = hardware.accelerator("h100" if _devices() else "cpu")
    try:
        model = known.find("tiny" if planned.model.path == UNMADE else planned.model.path)
        setup = runs.setup_of(training(planned.run), gpu)
    except (UnknownArchitecture, BadSetup):
        return None
    return report(model, setup, Network(100.0), Plan(planned.run.steps), most_gpus=1)


@functools.cache
def _devices() -> tuple[str, ...]:
    """Asked once: every answer starts a process."""
    from ablations.executors.local import devices

    return devices()
