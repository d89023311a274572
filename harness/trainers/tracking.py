"""Trackers are told what `metrics.jsonl` says of a step, under its names: `train/reward`, `train/rewards/format`, ...

transformers' own callbacks do the telling. They would be given a trainer's raw logs, in which the fields of a step
stand among TRL's of similar names and a value that is not known is a warning a step.
"""

import hashlib
import os
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.integrations import get_reporting_integration_callbacks

from harness.trainers.records import Records, Row, finite
from harness.training import TrainRun


def arguments(run: TrainRun, folder: Path) -> dict[str, Any]:
    """`TrainingArguments` of the run's trackers: the project is the study, the run is named by what it is.

    A folder's name makes it one of its kind: `sparse / grpo / grpo / seed 0 (559b5b4d5a23)`.
    """
    home = folder.resolve()
    study = home.parents[1] if home.parent.name == "cells" else home.parent
    reward = [run.grpo.reward] if run.grpo else [run.dpo.pairs.reward] if run.dpo else []
    return {
        "report_to": list(run.report_to) or "none",
        "run_name": f"{' / '.join([*reward, run.label])} ({home.name})",
        "project": study.name,
    }


def attach(trainer: Any) -> None:
    """Puts in the place of the trainer's own tracking callbacks one that tells the same trackers what is recorded."""
    handler, folder = trainer.callback_handler, Path(trainer.args.output_dir).resolve().parent
    row = next((callback.row for callback in handler.callbacks if isinstance(callback, Records)), dict)
    names = trainer.args.report_to
    found = {name: trainer.pop_callback(get_reporting_integration_callbacks(name)[0]) for name in names}
    if "tensorboard" in found:
        found["tensorboard"].logging_dir = found["tensorboard"].logging_dir or str(folder / "tensorboard")
    if "wandb" in found and trainer.is_world_process_zero():
        _begin_wandb(trainer.args, folder)
    if found:
        trainer.add_callback(Told(list(found.values()), row))


def _begin_wandb(args: TrainingArguments, folder: Path) -> None:
    """Begins the run that its callback then finds; started again, the same run goes on."""
    import_module("wandb").init(
        project=os.environ.get("WANDB_PROJECT", args.project),
        name=args.run_name,
        dir=os.environ.get("WANDB_DIR", str(folder)),
        id=hashlib.sha256(str(folder).encode()).hexdigest()[:12],
        resume="allow",
    )


class Told(TrainerCallback):  # type: ignore[misc]  # transformers ships no type information that mypy follows
    """Passes training's begin, steps and end on to trackers; of a step what its records say and is known.

    The closing summary of a run goes as it is. Weights are never sent.
    """

    def __init__(self, trackers: Sequence[TrainerCallback], row: Row) -> None:
        self.trackers = trackers
        self.row = row

    def on_train_begin(self, *arguments: Any, **named: Any) -> None:
        for tracker in self.trackers:
            tracker.on_train_begin(*arguments, **named)

    def on_train_end(self, *arguments: Any, **named: Any) -> None:
        for tracker in self.trackers:
            tracker.on_train_end(*arguments, **named)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: Mapping[str, Any] | None = None,
        **named: Any,
    ) -> None:
        found = dict(logs or {})
        row = self.row(found) if "loss" in found else found
        known = {name: value for name, value in row.items() if finite(value) is not None}
        for tracker in self.trackers:
            tracker.on_log(args, state, control, logs=known, **named)
