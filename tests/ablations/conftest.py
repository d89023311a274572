"""Write small studies to disk."""

import json
import random
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from studies import Write, noisy_cell, plan, write_cell

from ablations.report import Report, build


def written(
    folder: Path,
    cells: Iterable[Mapping[str, Any]],
    rewards: Sequence[str] = ("sparse",),
    objectives: Sequence[str] = ("grpo",),
    seeds: Sequence[int] = (1,),
) -> Path:
    """Write a whole study into `folder`, which gives it its name; each cell is a mapping of its records."""
    folder.mkdir(exist_ok=True)
    (folder / "plan.toml").write_text(plan(rewards, objectives, seeds, folder.name), encoding="utf-8")
    listed = []
    for number, cell in enumerate(cells):
        identity = f"c{number:02d}"
        listed.append({"id": identity} | {key: cell[key] for key in ("reward", "objective", "seed")})
        write_cell(folder / "cells" / identity, cell)
    (folder / "manifest.json").write_text(json.dumps({"cells": listed}))
    return folder


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Return a writer of whole studies: `write(cells, rewards, ...)`."""

    def _write(cells: Iterable[Mapping[str, Any]], *axes: Any, name: str = "study", **more: Any) -> Path:
        return written(tmp_path / name, cells, *axes, **more)

    return _write


def noisy_study(folder: Path) -> Path:
    """Write a study as large as a small real one: three rewards, two of five seeds short of one cell, noisy curves."""
    levels = {"sparse": (0.45, 20), "format_answer(format=0.2)": (0.47, 12), "random": (0.12, 30)}
    cells = [
        noisy_cell(reward, seed, *levels[reward], random.Random(f"{reward}{seed}"))
        for reward in levels
        for seed in range(1, 6)
    ]
    cells[7] |= {
        "status": {"state": "failed", "step": 31, "steps": 60, "seconds": None,
                   "error": {"type": "OutOfMemoryError", "message": "3 GB\nasked"}},
    }  # fmt: skip
    return written(folder, cells, tuple(levels), seeds=(1, 2, 3, 4, 5))


@pytest.fixture
def realistic(tmp_path: Path) -> Path:
    """Return the folder of a realistic study."""
    return noisy_study(tmp_path / "realistic")


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """Return the report of a realistic study, which is only read, for its figures take seconds to draw."""
    return build(noisy_study(tmp_path_factory.mktemp("built") / "realistic"))
