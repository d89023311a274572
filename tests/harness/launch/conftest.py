"""Runs of two processes, and a path that has DeepSpeed on it."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.training import OptimizerConfig, SftConfig, ShardConfig, TrainRun

ROOT = Path(__file__).parents[3]
Lay = Callable[..., Path]


@pytest.fixture
def lay(run: TrainRun, tmp_path: Path) -> Lay:
    """Writes a run of supervised fine-tuning into a new folder: six steps, of two processes."""

    def lay(name: str, strategy: str = "ddp", steps: int = 6, processes: int = 2) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        changes = {
            "method": "sft",
            "grpo": None,
            "sft": SftConfig(),
            "optimizer": OptimizerConfig(steps=steps, batch_size=4 * processes, learning_rate=1e-3),
            "shard": ShardConfig(processes=processes, strategy=strategy),  # type: ignore[arg-type]  # pydantic checks it
        }
        TrainRun.model_validate(run.model_copy(update=changes).model_dump()).write(folder / "config.toml")
        return folder

    return lay


@pytest.fixture
def deepspeed(monkeypatch: pytest.MonkeyPatch) -> None:
    """DeepSpeed on the path of what is started."""
    from benchmarks.overlay import overlay

    path = os.pathsep.join([str(overlay("deepspeed")), str(ROOT), os.environ.get("PYTHONPATH", "")])
    monkeypatch.setenv("PYTHONPATH", path)


def rows(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture
def losses() -> Callable[[Path], list[float]]:
    """The losses of a run's steps."""
    return lambda folder: [row["loss"] for row in rows(folder)]
