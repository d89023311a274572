"""A study whose reward comes from the user's file: trained for real, and a changed file is a new cell."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.config import PluginConfig, RunConfig

PLUGIN = """
from dataclasses import dataclass

import rewards
from rewards.reward import Reward


@rewards.register("brief")
@dataclass(frozen=True)
class Brief(Reward):
    limit: int = 9

    def score(self, batch):
        return {self.name: [float(length <= self.limit) for length in batch.lengths]}
"""


def study(home: Path, *flags: str) -> dict[str, str]:
    """Run the study; the identity of each reward's cell."""
    command = [sys.executable, "-m", "harness", "ablate", "--preset", "smoke", "--name", "own", *flags]
    environment = {**os.environ, "HARNESS_CACHE": str(home / "cache")}
    done = subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr
    listed = json.loads((home / "results" / "own" / "manifest.json").read_text())["cells"]
    return {row["reward"]: row["id"] for row in listed}


@pytest.mark.slow
def test_a_changed_plugin_is_a_new_cell_and_the_others_stay(tmp_path: Path) -> None:
    path = tmp_path / "brief.py"
    path.write_text(PLUGIN)
    flags = ("--rewards", "sparse,brief(limit=12)+0.1*format", "--plugin", "brief.py")
    first = study(tmp_path, *flags)
    cells = tmp_path / "results" / "own" / "cells"
    trained = json.loads((cells / first["brief(limit=12)+0.1*format"] / "metrics.jsonl").read_text().splitlines()[-1])
    assert {"rewards/brief", "rewards/format"} <= trained.keys()
    began = (cells / first["sparse"] / "status.json").stat().st_mtime
    path.write_text(PLUGIN + "# another version\n")
    second = study(tmp_path, *flags)
    assert second["sparse"] == first["sparse"] and (cells / first["sparse"] / "status.json").stat().st_mtime == began
    assert second["brief(limit=12)+0.1*format"] != first["brief(limit=12)+0.1*format"]


def test_a_cell_refuses_a_plugin_that_is_not_the_planned_one(tmp_path: Path) -> None:
    (tmp_path / "brief.py").write_text(PLUGIN)
    sizes = {"steps": 1, "prompts_per_step": 1, "group_size": 2, "learning_rate": 0.1, "max_new_tokens": 2}
    config = RunConfig.model_validate(
        {
            "reward": "brief",
            "objective": "grpo",
            "seed": 0,
            "prompt": "bare",
            "model": {"name": "none", "path": "/nowhere", "fingerprint": "m"},
            "data": {"name": "none", "train": "/nowhere", "test": "/nowhere", "fingerprint": "d"},
            "train": sizes,
            "evaluation": {"test_items": 1, "samples": 1, "dev_items": 1, "every": 1},
            "code": "c",
            "plugins": [PluginConfig(path=str(tmp_path / "brief.py"), sha256="0" * 64)],
        }
    )
    config.write(tmp_path / "config.toml")
    done = subprocess.run([sys.executable, "-m", "harness.cell", str(tmp_path)], capture_output=True, text=True)
    status = json.loads((tmp_path / "status.json").read_text())
    assert done.returncode == 1 and status["state"] == "failed"
    assert "has changed since this run was planned" in status["error"]["message"]
