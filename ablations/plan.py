"""A study's plan: which cells there are, their resolved configs, and their folder on disk."""

import itertools
import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli_w
from pydantic import BaseModel, ConfigDict

from ablations import stages
from ablations.files import write
from ablations.variants import Variant
from harness.config import (
    DataConfig,
    EvaluationConfig,
    ModelConfig,
    PluginConfig,
    RunConfig,
    Table,
    Tracker,
    TrainConfig,
    without_none,
)
from harness.training import Prompt

# The axes may grow under one name; everything else must stay as it was, or two studies would be mixed in one table.
AXES = ("rewards", "objectives", "losses", "models", "datasets", "variants", "seeds")
# Their settings are compared by name, where both plans have it.
NAMED = ("models", "data", "variants")


class PlanConflict(ValueError):
    """A study of this name exists with another plan; the message says what differs."""


class Start(Table):
    """A model of the study, and the sizes that the preset has for it."""

    model: ModelConfig
    prompt: Prompt
    train: TrainConfig
    evaluation: EvaluationConfig


Place = tuple[int, Start, DataConfig, str, Variant, str]


class Plan(BaseModel):
    """Everything a study is made of, as it lies in `plan.toml`; `plugins`, by reward, lie in the cells' configs alone.

    So a changed plugin is a new cell of the same study, and the other rewards' cells stay.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    preset: str
    baseline: str
    rewards: tuple[str, ...]
    objectives: tuple[str, ...]
    seeds: tuple[int, ...]
    starts: tuple[Start, ...]
    datasets: tuple[DataConfig, ...]
    variants: tuple[Variant, ...] = (Variant(),)
    code: str
    first: stages.First | None = None
    plugins: dict[str, tuple[PluginConfig, ...]] = {}
    prm: ModelConfig | None = None
    report_to: tuple[Tracker, ...] = ()

    def runs(self) -> Iterator["Planned"]:
        """One run a cell; seed by seed, so that an interrupted study has all rewards of its first seeds."""
        return (self.cell(*place) for seed in self.seeds for place in self.rows(seed))

    def rows(self, seed: int) -> Iterator[Place]:
        """Where the cells of a seed stand on the axes."""
        return itertools.product([seed], self.starts, self.datasets, self.objectives, self.variants, self.rewards)

    def cell(
        self, seed: int, start: Start, data: DataConfig, objective: str, variant: Variant, reward: str
    ) -> "Planned":
        """The cell of a place. Raises a `ValueError` that names the setting, where it can be no run."""
        tables = {"model": start.model, "train": start.train, "evaluation": start.evaluation}
        run = RunConfig.model_validate(
            {
                **merged({name: table.model_dump() for name, table in tables.items()}, variant.changes),
                "reward": reward,
                "objective": objective,
                "seed": seed,
                "prompt": start.prompt,
                "data": data,
                "code": self.code,
                "plugins": self.plugins.get(reward, ()),
                "prm": self.prm if "(prm" in objective else None,
                "variant": variant.name,
                "report_to": self.report_to,
            }
        )
        first = stages.first(self.first, run.model_copy(update={"model": start.model})) if self.first else None
        if first:
            run = run.model_copy(update={"model": stages.trained(first, run.model)})
        rollouts = stages.rollouts(run)
        if rollouts:
            run = run.model_copy(update={"rollouts": rollouts.config})
        return Planned(run, start.model, tuple(stage for stage in (first, rollouts) if stage))

    def record(self) -> dict[str, Any]:
        """The plan as `plan.toml`: names at the top, sizes under `settings`."""
        settings = {
            "models": {start.model.name: start.model_dump() for start in self.starts},
            "data": {data.name: data.model_dump() for data in self.datasets},
            "variants": {variant.name: variant.changes for variant in self.variants},
            "prm": self.prm.model_dump() if self.prm else None,
            "start": self.first.model_dump() if self.first else None,
        }
        return without_none(
            {
                **self.model_dump(mode="json", include={"name", "preset", "baseline", "code"}),
                "rewards": list(self.rewards),
                "objectives": list(self.objectives),
                "models": [start.model.name for start in self.starts],
                "datasets": [data.name for data in self.datasets],
                "variants": [variant.name for variant in self.variants],
                "seeds": list(self.seeds),
                "settings": settings,
            }
        )


@dataclass(frozen=True)
class Planned:
    """A cell to be: its run, the model its study names, and the stages that make of it what the run starts from."""

    run: RunConfig
    model: ModelConfig
    needs: tuple[stages.Stage, ...] = ()

    @property
    def id(self) -> str:
        return self.run.identity()

    def entry(self) -> dict[str, Any]:
        """What `manifest.json` says of it."""
        run = self.run
        return {
            "id": self.id,
            "reward": run.reward,
            "objective": run.objective,
            "model": self.model.name,
            "data": run.data.name,
            "variant": run.variant,
            "seed": run.seed,
        }


def merged(tables: Mapping[str, dict[str, Any]], changes: Mapping[str, Any]) -> dict[str, Any]:
    """The tables of a `RunConfig` with changes by dotted key; those of other tables stand under `settings`."""
    found: dict[str, Any] = {name: dict(table) for name, table in tables.items()}
    settings: dict[str, Any] = {}
    for key, value in changes.items():
        table, _, rest = key.partition(".")
        if table in found:
            found[table][rest] = value
        else:
            settings[key] = value
    return {**found, "settings": settings}


def lay(folder: Path, plan: Plan) -> list[Path]:
    """Writes plan, manifest and the cells' configs; returns the cells' folders in order.

    Raises:
        PlanConflict: the folder holds a study that differs in more than having fewer values on its axes.
    """
    agree(folder, plan)
    cells = []
    planned = list(plan.runs())
    for one in planned:
        cell = folder / "cells" / one.id
        cell.mkdir(parents=True, exist_ok=True)
        one.run.write(cell / "config.toml")
        cells.append(cell)
    listed = {"cells": [one.entry() for one in planned]}
    write(folder / "manifest.json", (json.dumps(listed, indent=1) + "\n").encode())
    write(folder / "plan.toml", tomli_w.dumps(plan.record()).encode())
    return cells


def agree(folder: Path, plan: Plan) -> None:
    """Raises `PlanConflict` where `folder` holds a study that `plan` does not continue."""
    existing = folder / "plan.toml"
    if existing.is_file():
        differences = conflicts(tomllib.loads(existing.read_text(encoding="utf-8")), plan.record())
        if differences:
            raise PlanConflict(
                f"{folder} already holds another study ({'; '.join(differences)}); "
                "choose another --name, repeat its own settings to continue it, or delete the folder"
            )


def conflicts(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """What keeps `new` from continuing `old`, one phrase for each difference; paths are no difference."""
    found = []
    before, after = dict(_flat(_shared(old, new))), dict(_flat(_shared(new, old)))
    for key in sorted(before.keys() | after.keys()):
        if key in AXES:
            dropped = [value for value in before.get(key, []) if value not in after.get(key, [])]
            if dropped:
                found.append(f"{key}: it has {_listed(dropped)}, which this command leaves out")
        elif before.get(key) != after.get(key):
            # The variant without a name has none to say.
            found.append(
                f"{key.replace('..', '.')}: {before.get(key, 'not set')} there, {after.get(key, 'not set')} here"
            )
    return found


def _shared(plan: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """The plan without the settings of models, data sets and variants that the other one does not have."""
    settings, others = plan.get("settings", {}), other.get("settings", {})
    kept = {
        kind: {name: values for name, values in settings[kind].items() if name in others.get(kind, {})}
        for kind in NAMED
        if kind in settings
    }
    return {**plan, "settings": {**settings, **kept}}


def _listed(values: Sequence[Any]) -> str:
    return ", ".join(str(value) or "the settings without a name" for value in values)


def _flat(table: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        elif key not in ("path", "train", "dev", "test"):
            yield prefix + key, value
