"""Read a study back from disk: `results/<name>/` becomes a `Study` of frozen values.

    plan.toml                     what was asked: rewards, objectives, seeds, baseline, settings
    manifest.json                 {"cells": [{"id", "reward", "objective", "seed"}, ...]}; no other cell folder is read
    cells/<id>/config.toml        the resolved config of one cell
    cells/<id>/status.json        state, step, seconds, generated_tokens, error
    cells/<id>/metrics.jsonl      one row per training step
    cells/<id>/curve.jsonl        evaluations on the dev split during training
    cells/<id>/items*.jsonl       test completions: final and base model, sampled and greedy

A cell that was planned and has no folder is `pending`, never absent. Fields not named here are kept in the rows of
metrics and ignored elsewhere. A run that was killed may leave half a last line: that line is dropped. Anything else
malformed raises `RecordError` naming the file and the line.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ablations.files import RecordError, Row, json_lines, json_object, toml_table


class StudyNotFound(FileNotFoundError):
    """No study in this folder. The text lists the studies that do exist beside it."""


@dataclass(frozen=True)
class Plan:
    """What was asked for. `baseline` is a reward spec; `settings` holds the sizes of training and evaluation.

    With several rewards each is compared with the baseline under its own objective; a study of one reward compares its
    objectives with the first of them.
    """

    name: str
    preset: str
    model: str
    data: str
    code: str
    rewards: tuple[str, ...]
    objectives: tuple[str, ...]
    seeds: tuple[int, ...]
    baseline: str
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def compares_objectives(self) -> bool:
        """Whether the rows differ in their objective alone."""
        return len(self.rewards) == 1

    def reference(self, reward: str, objective: str) -> tuple[str, str]:
        """Return reward and objective of the row that this one is compared with; of a reference, itself."""
        return (reward, self.objectives[0]) if self.compares_objectives else (self.baseline, objective)


@dataclass(frozen=True)
class Item:
    """One graded completion. `id` is that of its question; `correct` is None when the gold cannot be scored.

    `false_steps` counts the equations in it that are not true, None where nobody counted.
    """

    id: str
    correct: bool | None
    strict: bool | None
    flexible: bool | None
    format: bool | None
    tokens: float | None
    false_steps: int | None
    status: str
    finish_reason: str


@dataclass(frozen=True)
class Point:
    """One evaluation of `n` dev completions. Shares are fractions, None where their denominator is empty."""

    step: int
    accuracy: float | None
    format: float | None
    accuracy_given_format: float | None
    n: int | None = None


@dataclass(frozen=True)
class Cell:
    """One training run (reward, objective, seed) with every record it left; a tuple is empty where a file is absent."""

    id: str
    reward: str
    objective: str
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
    items: tuple[Item, ...] = ()
    items_greedy: tuple[Item, ...] = ()
    items_base: tuple[Item, ...] = ()
    items_base_greedy: tuple[Item, ...] = ()

    @property
    def done(self) -> bool:
        """Finished and evaluated; only such cells enter a number."""
        return self.state == "done" and bool(self.items)

    @property
    def label(self) -> str:
        """`reward / objective / seed 1`, as footnotes name it."""
        return f"{self.reward} / {self.objective} / seed {self.seed}"


@dataclass(frozen=True)
class Study:
    """A plan and its cells, ordered by objective, then reward, then seed, each in the order of the plan."""

    folder: Path
    plan: Plan
    cells: tuple[Cell, ...]

    def group(self, reward: str, objective: str) -> tuple[Cell, ...]:
        """Return the cells (one per seed) behind one row of the table."""
        return tuple(cell for cell in self.cells if (cell.reward, cell.objective) == (reward, objective))

    def groups(self) -> Iterator[tuple[str, str, tuple[Cell, ...]]]:
        """Yield `(reward, objective, cells)` for each row of the table, in order."""
        for reward, objective in dict.fromkeys((cell.reward, cell.objective) for cell in self.cells):
            yield reward, objective, self.group(reward, objective)


def load_study(folder: str | Path) -> Study:
    """Read the study in `folder`. Raises `StudyNotFound` without a `plan.toml`, `RecordError` on a malformed record."""
    folder = Path(folder)
    if not (folder / "plan.toml").is_file():
        raise StudyNotFound(_not_found(folder))
    plan = _plan(folder)
    cells = (_cell(folder, entry) for entry in _entries(folder, plan))
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
    rewards = tuple(str(reward) for reward in table["rewards"])
    texts = {key: str(table.get(key, "")) for key in ("preset", "model", "data", "code")}
    return Plan(
        name=str(table.get("name") or folder.name),
        rewards=rewards,
        objectives=tuple(str(objective) for objective in table["objectives"]),
        seeds=tuple(int(seed) for seed in table["seeds"]),
        baseline=str(table.get("baseline") or rewards[0]),
        settings=dict(table.get("settings", {})),
        **texts,
    )


def _entries(folder: Path, plan: Plan) -> list[Row]:
    """Return the listed cells, then those the plan asks for and the manifest does not list yet (with an empty id)."""
    path = folder / "manifest.json"
    listed = json_object(path).get("cells", []) if path.is_file() else []
    for number, entry in enumerate(listed):
        lacking = {"id", "reward", "objective", "seed"} - set(entry)
        if lacking:
            raise RecordError(f"{path}: cell {number} lacks {', '.join(sorted(lacking))}")
    known = {(entry["reward"], entry["objective"], entry["seed"]) for entry in listed}
    grid = [(r, o, s) for o in plan.objectives for r in plan.rewards for s in plan.seeds]
    absent = [{"id": "", "reward": r, "objective": o, "seed": s} for r, o, s in grid if (r, o, s) not in known]
    return [*listed, *absent]


def _rank(plan: Plan, cell: Cell) -> tuple[int, int, int, int]:
    """Order by the plan; what the plan no longer names comes last, in manifest order (the sort is stable)."""
    return (
        _place(plan.objectives, cell.objective),
        _place(plan.rewards, cell.reward),
        _place(plan.seeds, cell.seed),
        cell.seed,
    )


def _place(names: tuple[Any, ...], name: Any) -> int:
    return names.index(name) if name in names else len(names)


def _cell(folder: Path, entry: Row) -> Cell:
    home = folder / "cells" / str(entry["id"] or "-")
    status = json_object(home / "status.json") if (home / "status.json").is_file() else {}
    return Cell(
        id=str(entry["id"]),
        reward=str(entry["reward"]),
        objective=str(entry["objective"]),
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


def read_items(path: Path) -> tuple[Item, ...]:
    """Read the graded completions of a file; none where it is absent. Raises `RecordError` on a malformed line."""
    return tuple(_item(path, line, row) for line, row in json_lines(path))


def _item(path: Path, line: int, row: Row) -> Item:
    if "id" not in row or "correct" not in row:
        raise RecordError(f"{path}:{line}: an item needs id and correct, found {', '.join(sorted(row))}")
    flags: dict[str, Any] = {
        key: row.get(key) for key in ("correct", "strict", "flexible", "format", "tokens", "false_steps")
    }
    return Item(
        id=str(row["id"]),
        status=str(row.get("status") or ""),
        finish_reason=str(row.get("finish_reason") or ""),
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
