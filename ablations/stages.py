"""What several cells share: runs that are made once, kept in the cache under a hash of all that decides them.

stages/start-<hash>/       a training run that every cell of a model and data set starts from
stages/rollouts-<hash>/    graded completions that preference losses build their pairs from
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ablations.cells import CellRun
from harness import cache
from harness.config import ModelConfig, RunConfig, StageConfig, without_none
from harness.trainers.cells import training
from harness.training import Method, RolloutsRun, Settings, TrainRun


class First(Settings):
    """The training run before the cells: a file of `harness train` without its model and data."""

    method: Method


@dataclass(frozen=True)
class Stage:
    """A run with its folder; equal runs have equal folders, whoever needs them."""

    kind: str
    id: str
    run: TrainRun | RolloutsRun

    @property
    def folder(self) -> Path:
        return cache.root() / "stages" / f"{self.kind}-{self.id}"

    @property
    def config(self) -> StageConfig:
        return StageConfig(path=str(self.folder), fingerprint=self.id)


def first(asked: First, run: RunConfig) -> Stage:
    """The run before a cell: the same for every seed of its model and data, and without their dev rows."""
    settings: dict[str, Any] = {name: getattr(asked, name) for name in (*Settings.model_fields, "method")}
    base = run.model.model_copy(update={"lora_rank": 0})
    return _stage("start", TrainRun(prompt=run.prompt, model=base, data=training(run).data, **settings), run.code)


def trained(stage: Stage, model: ModelConfig) -> ModelConfig:
    """What a run before the cells makes of their model; its fingerprint is that of the run, which may not be made."""
    return model.model_copy(update={"path": str(stage.folder / "model"), "fingerprint": stage.id})


def rollouts(run: RunConfig) -> Stage | None:
    """The completions that the pairs of a cell come from; None where its objective has no pairs."""
    trained = training(run)
    if trained.dpo is None or trained.data is None:
        return None
    table = trained.dpo.pairs.model_dump(include={"questions", "samples", "temperature", "max_new_tokens"})
    base = run.model.model_copy(update={"lora_rank": 0})
    asked = RolloutsRun(seed=run.seed, prompt=run.prompt, model=base, data=trained.data, **table)
    return _stage("rollouts", asked, run.code)


def _stage(kind: str, run: TrainRun | RolloutsRun, code: str) -> Stage:
    paths = {"model": {"path"}, "data": {"train", "dev", "test"}, "plugins": {"__all__": {"path"}}, "report_to": True}
    plain = without_none(run.model_dump(mode="json", exclude=paths))  # type: ignore[arg-type]  # nested sets
    return Stage(kind, cache.digest({**plain, "code": code}), run)


def attach(cells: Sequence[CellRun], needs: Sequence[tuple[Stage, ...]]) -> None:
    """Gives every cell the stages it needs, each of which is one object for all of them and needs those before it."""
    made: dict[Path, CellRun] = {}
    for cell, stages in zip(cells, needs, strict=True):
        before: tuple[CellRun, ...] = ()
        for stage in stages:
            if stage.folder not in made:
                made[stage.folder] = CellRun(stage.folder, stage.run, needs=before)
            before = (*before, made[stage.folder])
        cell.needs = before
