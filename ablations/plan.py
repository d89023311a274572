"""A study's plan: which cells there are, their resolved configs, and their folder on disk."""

import json
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import tomli_w
from pydantic import BaseModel, ConfigDict

from ablations.files import write
from harness.config import (
    DataConfig,
    EvaluationConfig,
    ModelConfig,
    PluginConfig,
    RunConfig,
    TrainConfig,
    without_none,
)

# The axes may grow under one name; everything else must stay as it was, or two studies would be mixed in one table.
AXES = ("rewards", "objectives", "losses", "seeds")


class PlanConflict(ValueError):
    """A study of this name exists with another plan; the message says what differs."""


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
    prompt: str
    model: ModelConfig
    data: DataConfig
    train: TrainConfig
    evaluation: EvaluationConfig
    code: str
    plugins: dict[str, tuple[PluginConfig, ...]] = {}
    prm: ModelConfig | None = None

    def runs(self) -> Iterator[RunConfig]:
        """One run a cell; seed by seed, so that an interrupted study has all rewards of its first seeds."""
        for seed in self.seeds:
            for objective in self.objectives:
                for reward in self.rewards:
                    yield RunConfig.model_validate(
                        {
                            **self.model_dump(include={"prompt", "model", "data", "train", "evaluation", "code"}),
                            "reward": reward,
                            "objective": objective,
                            "seed": seed,
                            "plugins": self.plugins.get(reward, ()),
                            "prm": self.prm if "(prm" in objective else None,
                        }
                    )

    def record(self) -> dict[str, Any]:
        """The plan as `plan.toml`: names at the top, sizes under `settings`."""
        own = {"model", "data", "train", "evaluation", "prompt", "plugins", "prm"}
        plain = self.model_dump(mode="json", exclude=own)
        plain |= {"model": self.model.name, "data": self.data.name}
        settings = {
            "prompt": self.prompt,
            "model": self.model.model_dump(),
            "data": self.data.model_dump(),
            "train": self.train.model_dump(),
            "evaluation": self.evaluation.model_dump(),
            "prm": self.prm.model_dump() if self.prm else None,
        }
        return without_none({**plain, "settings": settings})


def lay(folder: Path, plan: Plan) -> list[Path]:
    """Writes plan, manifest and the cells' configs; returns the cells' folders in order.

    Raises:
        PlanConflict: the folder holds a study that differs in more than having fewer rewards, objectives or seeds.
    """
    record = plan.record()
    existing = folder / "plan.toml"
    if existing.is_file():
        differences = conflicts(tomllib.loads(existing.read_text(encoding="utf-8")), record)
        if differences:
            raise PlanConflict(
                f"{folder} already holds another study ({'; '.join(differences)}); "
                "choose another --name, repeat its own settings to continue it, or delete the folder"
            )
    cells = []
    manifest: list[dict[str, Any]] = []
    for run in plan.runs():
        cell = folder / "cells" / run.identity()
        cell.mkdir(parents=True, exist_ok=True)
        run.write(cell / "config.toml")
        cells.append(cell)
        manifest.append({"id": cell.name, "reward": run.reward, "objective": run.objective, "seed": run.seed})
    write(folder / "manifest.json", (json.dumps({"cells": manifest}, indent=1) + "\n").encode())
    write(existing, tomli_w.dumps(record).encode())
    return cells


def conflicts(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """What keeps `new` from continuing `old`, one phrase for each difference; paths are no difference."""
    found = []
    before, after = dict(_flat(old)), dict(_flat(new))
    for key in sorted(before.keys() | after.keys()):
        if key in AXES:
            dropped = [value for value in before.get(key, []) if value not in after.get(key, [])]
            if dropped:
                found.append(f"{key}: it has {_listed(dropped)}, which this command leaves out")
        elif before.get(key) != after.get(key):
            found.append(f"{key}: {before.get(key)} there, {after.get(key)} here")
    return found


def _listed(values: Sequence[Any]) -> str:
    return ", ".join(str(value) for value in values)


def _flat(table: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        elif key not in ("path", "train", "dev", "test"):
            yield prefix + key, value
