"""`report_to`: trackers are told what the records say under the records' names, and change nothing of the records."""

import json
import math
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from transformers import TrainerCallback

from benchmarks.overlay import overlay
from harness import threads, trackers
from harness.trainers import step_log, tracking
from harness.training import DpoConfig, GrpoConfig, PairsConfig, TrainRun

ROOT = Path(__file__).parents[3]
ALL = ("tensorboard", "wandb", "trackio")


@pytest.mark.parametrize(
    ("report_to", "said"),
    [
        pytest.param((), [], id="nobody"),
        pytest.param(("json",), ["report_to json: no such tracker; give tensorboard, wandb, trackio"], id="unknown"),
        pytest.param(
            ("wandb", "trackio"),
            [
                "report_to wandb: wandb is not installed: pip install 'reward-harness[trackers]'",
                "report_to trackio: trackio is not installed: pip install 'reward-harness[trackers]'",
            ],
            id="not-installed",
        ),
    ],
)
def test_problems_are_told_all_at_once(
    report_to: tuple[str, ...], said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trackers, "find_spec", lambda _: None)
    assert trackers.problems(report_to) == said


def test_what_is_installed_is_no_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(overlay("trackers")))
    assert trackers.problems(ALL) == []


def test_a_run_is_named_by_what_it_is_and_where(run: TrainRun, tmp_path: Path) -> None:
    cell = tracking.arguments(run.model_copy(update={"report_to": ("wandb",)}), tmp_path / "study" / "cells" / "559b")
    assert cell == {
        "report_to": ["wandb"],
        "run_name": "format_answer / grpo / grpo / seed 3 (559b)",
        "project": "study",
    }
    dpo = {"method": "dpo", "grpo": None, "dpo": DpoConfig(pairs=PairsConfig(reward="sparse"))}
    alone = tracking.arguments(run.model_copy(update=dpo), tmp_path / "train" / "first")
    assert alone == {"report_to": "none", "run_name": "sparse / dpo / dpo / seed 3 (first)", "project": "train"}


class Heard(TrainerCallback):
    """A tracker that keeps what it is told."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def on_log(self, *_: Any, logs: dict[str, Any], **__: Any) -> None:
        self.rows.append(logs)


def test_of_a_step_the_known_fields_of_the_records_are_told() -> None:
    heard = [Heard(), Heard()]
    told = tracking.Told(heard, step_log.metrics_row)
    logs = {"loss": 0.5, "reward": 9.0, "completions/mean_length": 3.0}
    own = {"reward": 0.25, "rewards/format": 0.1, "accuracy": None, "length": math.nan}
    told.on_log(None, None, None, logs={**logs, **{step_log.OWN + name: value for name, value in own.items()}})
    told.on_log(None, None, None, logs={"train_runtime": 3.0})
    for tracker in heard:
        step, closing = tracker.rows
        assert step == {"loss": 0.5, "reward": 0.25, "rewards/format": 0.1}
        assert closing == {"train_runtime": 3.0}


@pytest.mark.slow
def test_all_trackers_are_told_what_the_records_say(lay: Callable[..., Path], zygote: Any, tmp_path: Path) -> None:
    grpo = GrpoConfig(reward="format_answer", group_size=4, max_new_tokens=8)
    plain, tracked = lay("grpo", "plain", grpo=grpo), lay("grpo", "tracked", grpo=grpo, report_to=ALL)
    assert zygote.run(plain) == 0
    environment = {
        **threads.environment(),
        "PYTHONPATH": f"{overlay('trackers')}{os.pathsep}{ROOT}",
        "WANDB_MODE": "offline",
        "TRACKIO_DIR": str(tmp_path / "store"),
    }
    done = subprocess.run(
        [sys.executable, "-m", "harness.trainers.run", str(tracked)], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert (tracked / "metrics.jsonl").read_bytes() == (plain / "metrics.jsonl").read_bytes()

    told = json.loads(read(tracked, environment))
    recorded = [json.loads(line) for line in (plain / "metrics.jsonl").read_text().splitlines()]
    for tracker in ALL:
        assert [row["train/global_step"] for row in told[tracker]] == [row["step"] for row in recorded], tracker
        for row, expected in zip(told[tracker], recorded, strict=True):
            known = {f"train/{name}": value for name, value in expected.items() if value is not None and name != "step"}
            assert {"train/rewards/format", "train/rewards/answer", "train/accuracy", "train/dead_groups"} <= set(known)
            # tensorboard keeps single precision.
            assert {name: row[name] for name in known} == pytest.approx(known, rel=1e-6), tracker
            assert not any("step_log" in name for name in row), tracker
    for tracker in ("wandb", "trackio"):
        names = {(row["project"], row["run"]) for row in told[tracker]}
        assert names == {(tmp_path.name, "format_answer / grpo / grpo / seed 3 (tracked)")}


def read(run: Path, environment: dict[str, str]) -> str:
    """What `peers/trackers.py` finds; the trackers' packages do not stand beside the project's own."""
    script = Path(__file__).parent / "peers" / "trackers.py"
    command = [sys.executable, str(script), str(run), environment["TRACKIO_DIR"]]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
