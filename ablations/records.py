"""Read a study back from disk: `results/<name>/` becomes a `Study` of frozen values.

    plan.toml                     what was asked: rewards, objectives, models, datasets, variants, seeds, baseline
    manifest.json                 {"cells": [{"id", "reward", "objective", "model", "data", "variant", "seed"}, ...]};
                                  no other cell folder is read
    cells/<id>/config.toml        the resolved config of one cell
    cells/<id>/status.json        state, step, seconds, generated_tokens, error
    cells/<id>/metrics.jsonl      one row per training step
    cells/<id>/curve.jsonl        evaluations on the dev split during training
    cells/<id>/items*.jsonl       test completions: final and base model, sampled and greedy

A cell that was planned and has no folder is `pending`, never absent. Fields not named here are kept in the rows of
metrics and ignored elsewhere. A run that was killed may leave half a last line: that line is dropped. Anything else
malformed raises `RecordError` naming the file and the line.
"""

import itertools
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ablations.files import RecordError, Row, json_lines, json_object, toml_table
from ablations.measures import Item as Item
from ablations.measures import Items


class StudyNotFound(FileNotFoundError):
    """No study in this folder. The text lists the studies that do exist beside it."""


@dataclass(frozen=True)
class Arm:
    """What a row of the table is: everything that its cells have in common. `variant` names settings, if they vary."""

    reward: str
    objective: str
    model: str
    data: str
    variant: str = ""


@dataclass(frozen=True)
class Plan:
    """What was asked for. `baseline` is a reward spec; `settings` holds the sizes of training and evaluation."""

    name: str
    preset: str
    code: str
    rewards: tuple[str, ...]
    objectives: tuple[str, ...]
    models: tuple[str, ...]
    datasets: tuple[str, ...]
    variants: tuple[str, ...]
    seeds: tuple[int, ...]
    baseline: str
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def axes(self) -> dict[str, tuple[str, ...]]:
        """The values of every field of an arm, the baseline of each first."""
        rewards = tuple(dict.fromkeys((self.baseline, *self.rewards)))
        return {
            "reward": rewards,
            "objective": self.objectives,
            "variant": self.variants,
            "model": self.models,
            "data": self.datasets,
        }

    @property
    def compared(self) -> str:
        """The field in which a row differs from its reference: the first of these that has several values."""
        return next((name for name, values in self.axes.items() if len(values) > 1), "reward")

    def reference(self, arm: Arm) -> Arm:
        """Return the row that this one is compared with, the same but for the field `compared`; of a reference, it."""
        return replace(arm, **{self.compared: self.axes[self.compared][0]})


@dataclass(frozen=True)
class Point:
    """One evaluation of `n` dev completions. Shares are fractions, None where their denominator is empty."""

    step: int
    accuracy: float | None
    format: float | None
    accuracy_given_format: float | None
    n: int | None = None


NO_ITEMS = Items()


@dataclass(frozen=True)
class Cell:
    """One training run with every record it left; a tuple is empty where a file is absent."""

    id: str
    arm: Arm
    seed: int
    state: str
    error: str | None = None
    step: int | None = None
    steps: int | None = None
    seconds: float | None = None
    generated_tokens: float | None = None
    config: Mapping[str, Any] = field(default_factory=dict)
    metrics: tuple[Row, ...] = ()
    curve: tuple[Point, ...] = ()
    items: Items = NO_ITEMS
    items_greedy: Items = NO_ITEMS
    items_base: Items = NO_ITEMS
    items_base_greedy: Items = NO_ITEMS

    @property
    def done(self) -> bool:
        """Finished and evaluated; only such cells enter a number."""
        return self.state == "done" and bool(self.items)


@dataclass(frozen=True)
class Study:
    """A plan and its cells, by model, data, objective, variant, reward and seed, each in the order of the plan."""

    folder: Path
    plan: Plan
    cells: tuple[Cell, ...]

    def group(self, arm: Arm) -> tuple[Cell, ...]:
        """Return the cells (one per seed) behind one row of the table."""
        return tuple(cell for cell in self.cells if cell.arm == arm)

    @property
    def arms(self) -> tuple[Arm, ...]:
        """The rows of the table, in order."""
        return tuple(dict.fromkeys(cell.arm for cell in self.cells))

    def groups(self) -> Iterator[tuple[Arm, tuple[Cell, ...]]]:
        """Yield each row of the table with its cells, in order."""
        for arm in self.arms:
            yield arm, self.group(arm)

    @property
    def varying(self) -> tuple[str, ...]:
        """The fields in which the rows differ; the reward where there is but one row."""
        found = tuple(name for name in self.plan.axes if len({getattr(arm, name) for arm in self.arms}) > 1)
        return found or ("reward",)

    def short(self, arm: Arm) -> str:
        """Name a row by what differs between the rows, as legends do."""
        return " / ".join(getattr(arm, name) for name in self.varying)

    def name(self, arm: Arm) -> str:
        """Name a row as sentences do: its reward and objective, and whatever else differs between the rows."""
        others = [getattr(arm, name) for name in self.varying if name not in ("reward", "objective")]
        return " / ".join([arm.reward, arm.objective, *filter(None, others)])

    def label(self, cell: Cell) -> str:
        """`reward / objective / seed 1`, as footnotes name a cell."""
        return f"{self.name(cell.arm)} / seed {cell.seed}"


def load_study(folder: str | Path) -> Study:
    """Read the study in `folder`. Raises `StudyNotFound` without a `plan.toml`, `RecordError` on a malformed record."""
    folder = Path(folder)
    if not (folder / "plan.toml").is_file():
        raise StudyNotFound(_not_found(folder))
    plan = _plan(folder)
    cells = (_cell(folder, _arm(plan, entry), entry) for entry in _entries(folder, plan))
    return Study(folder, plan, tuple(sorted(cells, key=lambda cell: _rank(plan, cell))))


def _not_found(folder: Path) -> str:
    parent = folder.parent
    beside = sorted(path.parent.name for path in parent.glob("*/plan.toml"))
    known = f"studies in {parent}: {', '.join(beside)}" if beside else f"{parent} holds no study yet"
    return f"no study in {folder} (no plan.toml there); {known}"


def _plan(folder: Path) -> Plan:
    path = folder / "plan.toml"
    table = toml_table(path)
    missing = [key for key in ("rewards", "objectives", "seeds") if not table.get(key)]
    if missing:
        raise RecordError(f"{path}: lacks {', '.join(missing)}")
    named = with_axes(table)
    texts = {key: tuple(map(str, named[key])) for key in ("rewards", "objectives", "models", "datasets", "variants")}
    return Plan(
        name=str(table.get("name") or folder.name),
        preset=str(table.get("preset", "")),
        code=str(table.get("code", "")),
        seeds=tuple(int(seed) for seed in table["seeds"]),
        baseline=str(table.get("baseline") or table["rewards"][0]),
        settings=dict(table.get("settings", {})),
        **texts,
    )


def with_axes(table: Row) -> dict[str, Any]:
    """A plan's table with all axes: a plan of one model on one data set may name them alone."""
    return {"models": [table.get("model", "")], "datasets": [table.get("data", "")], "variants": [""], **table}


def _entries(folder: Path, plan: Plan) -> list[Row]:
    """Return the listed cells, then those the plan asks for and the manifest does not list yet (with an empty id)."""
    path = folder / "manifest.json"
    listed = [*json_object(path).get("cells", [])] if path.is_file() else []
    for number, entry in enumerate(listed):
        lacking = {"id", "reward", "objective", "seed"} - set(entry)
        if lacking:
            raise RecordError(f"{path}: cell {number} lacks {', '.join(sorted(lacking))}")
    known = {(_arm(plan, entry), entry["seed"]) for entry in listed}
    grid = itertools.product(plan.rewards, plan.objectives, plan.models, plan.datasets, plan.variants)
    planned = [(Arm(*values), seed) for values in grid for seed in plan.seeds]
    absent = [{"id": "", "seed": seed, **vars(arm)} for arm, seed in planned if (arm, seed) not in known]
    return [*listed, *absent]


def _arm(plan: Plan, entry: Row) -> Arm:
    """The row of a listed cell, which may leave out what its plan has but one of."""
    alone = {"model": plan.models[0], "data": plan.datasets[0], "variant": plan.variants[0]}
    return Arm(**{name: str((alone | dict(entry))[name]) for name in ("reward", "objective", *alone)})


def _rank(plan: Plan, cell: Cell) -> tuple[int, ...]:
    """Order by the plan; what the plan no longer names comes last, in manifest order (the sort is stable)."""
    arm = cell.arm
    return (
        _place(plan.models, arm.model),
        _place(plan.datasets, arm.data),
        _place(plan.objectives, arm.objective),
        _place(plan.variants, arm.variant),
        _place(plan.rewards, arm.reward),
        _place(plan.seeds, cell.seed),
        cell.seed,
    )


def _place(names: tuple[Any, ...], name: Any) -> int:
    return names.index(name) if name in names else len(names)


def _cell(folder: Path, arm: Arm, entry: Row) -> Cell:
    home = folder / "cells" / str(entry["id"] or "-")
    status = json_object(home / "status.json") if (home / "status.json").is_file() else {}
    return Cell(
        id=str(entry["id"]),
        arm=arm,
        seed=int(entry["seed"]),
        state=str(status.get("state", "pending")),
        error=_error(status.get("error")),
        **{key: status.get(key) for key in ("step", "steps", "seconds", "generated_tokens")},
        config=toml_table(home / "config.toml") if (home / "config.toml").is_file() else {},
        metrics=_metrics(home / "metrics.jsonl"),
        curve=_curve(home / "curve.jsonl"),
        items=read_items(home / "items.jsonl"),
        items_greedy=read_items(home / "items_greedy.jsonl"),
        items_base=read_items(home / "items_base.jsonl"),
        items_base_greedy=read_items(home / "items_base_greedy.jsonl"),
    )


def _error(error: Any) -> str | None:
    """Flatten `{"type", "message"}` to the one line a footnote can hold."""
    if not error:
        return None
    text = f"{error.get('type', 'Error')}: {error.get('message', '')}" if isinstance(error, dict) else str(error)
    return " ".join(text.split())[:160]


def read_items(path: Path) -> Items:
    """Read the graded completions of a file; none where it is absent. Raises `RecordError` on a malformed line."""
    return Items(_item(path, line, row) for line, row in json_lines(path))


def _item(path: Path, line: int, row: Row) -> Item:
    if "id" not in row or "correct" not in row:
        raise RecordError(f"{path}:{line}: an item needs id and correct, found {', '.join(sorted(row))}")
    flags: dict[str, Any] = {
        key: row.get(key) for key in ("correct", "strict", "flexible", "format", "tokens", "false_steps")
    }
    return Item(
        # The same few texts stand in every file of a study: one copy of each is kept.
        id=sys.intern(str(row["id"])),
        status=sys.intern(str(row.get("status") or "")),
        finish_reason=sys.intern(str(row.get("finish_reason") or "")),
        **flags,
    )


def _metrics(path: Path) -> tuple[Row, ...]:
    """Read the training rows, by step. A step trained again after a resume keeps its later record."""
    rows = {}
    for line, row in json_lines(path):
        if "step" not in row:
            raise RecordError(f"{path}:{line}: a training row needs step")
        rows[int(row["step"])] = row
    return tuple(rows[step] for step in sorted(rows))


def _curve(path: Path) -> tuple[Point, ...]:
    """Read the dev evaluations, by step. A step evaluated again after a resume keeps its later record."""
    keys = ("n", "accuracy", "format", "accuracy_given_format")
    points = {}
    for line, row in json_lines(path):
        if "step" not in row:
            raise RecordError(f"{path}:{line}: a dev evaluation needs step")
        points[int(row["step"])] = Point(int(row["step"]), **{key: row.get(key) for key in keys})
    return tuple(points[step] for step in sorted(points))
