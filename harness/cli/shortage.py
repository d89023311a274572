"""What the estimate says of a run that ran out of memory, said by the command: the run itself has no memory left."""

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from harness import advice, status
from harness.training import TrainRun

if TYPE_CHECKING:
    from ablations.cells import CellRun

KIND = "OutOfMemory"
MEASURES = ("base", "test")


def explain(folder: Path, run: TrainRun, study: bool = False) -> None:
    """Puts the estimate and what to change into the record of a run that ran out of memory; others stay as they are."""
    told = status.read(folder)
    error = told.get("error") or {}
    if told.get("state") != "failed" or error.get("type") != KIND:
        return
    sentence = said(run, str(told.get("phase")), study)
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
        explain(cell.folder, training(cell.config), study=True)


def said(run: TrainRun, phase: str, study: bool = False) -> str:
    """The sentence: what the run is estimated to need of what is here, and which settings would make it fit."""
    from harness.doctor import preflight
    from harness.estimate import machine, remedies
    from harness.estimate.setups import BadSetup

    if phase in MEASURES and run.evaluation and run.evaluation.batch_size > 1:
        size = run.evaluation.batch_size
        return f"it was measuring, not training: lower evaluation.batch_size from {size} to {size // 2}"
    gpu, model = machine.here(run.shard.processes), preflight.sizes(run)
    if model is None:
        return f"there is no estimate for this run, the sizes of {run.model.name} are not known; {advice.SMALLER}"
    try:
        found = remedies.need(run, model, gpu)
        ways = preflight.ways(remedies.relief(run, model, gpu), study)
    except BadSetup as error:
        return f"there is no estimate for this run ({str(error).splitlines()[0]}); {advice.SMALLER}"
    # Others may have taken a part of the memory, or the run needs what is not counted.
    others = ", which fits: end what else has memory here, or" if found.fits else ":"
    return f"the estimate for this run is {found}{others} {ways or 'take a smaller model'}"
