"""The lines of a run: one for each step, none twice, none of a step that is trained again."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import TrainerControl, TrainerState, TrainingArguments

from harness.trainers.records import METRICS, TIMING, Records, rewind

ARGUMENTS = TrainingArguments(use_cpu=True)


def log(records: Records, step: int, first: bool = True, **logs: Any) -> None:
    state = TrainerState(global_step=step, is_world_process_zero=first)
    records.on_log(ARGUMENTS, state, TrainerControl(), logs=logs)


def rows(folder: Path, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / name).read_text().splitlines()]


def test_a_step_has_a_line_of_metrics_and_one_of_seconds_by_phase(tmp_path: Path) -> None:
    ticks = iter([0.0, 10.0, 12.5])
    phases = {"rollout": 1.23456, "train": 0.5}
    records = Records(tmp_path, lambda logs: {"loss": logs["loss"]}, lambda: phases, lambda: next(ticks))
    records.on_step_begin()
    log(records, 3, loss=0.25)
    assert rows(tmp_path, METRICS) == [{"step": 3, "loss": 0.25}]
    assert rows(tmp_path, TIMING) == [{"step": 3, "seconds": 2.5, "rollout": 1.235, "train": 0.5}]


def test_what_is_not_finite_is_null_and_never_zero(tmp_path: Path) -> None:
    records = Records(tmp_path, lambda logs: {"a": math.nan, "b": -math.inf, "c": 0.0, "d": None})
    log(records, 1, loss=1.0)
    assert rows(tmp_path, METRICS) == [{"step": 1, "a": None, "b": None, "c": 0.0, "d": None}]


@pytest.mark.parametrize(
    ("first", "logs"),
    [
        pytest.param(False, {"loss": 1.0}, id="another process than the first"),
        pytest.param(True, {"train_loss": 1.0}, id="the summary at the end"),
    ],
)
def test_nothing_else_is_written(tmp_path: Path, first: bool, logs: dict[str, float]) -> None:
    log(Records(tmp_path, lambda logs: {}), 1, first, **logs)
    assert not list(tmp_path.iterdir())


@given(written=st.integers(0, 9), kept=st.integers(0, 9), torn=st.integers(0, 12))
def test_rewinding_leaves_what_the_checkpoint_knows(
    tmp_path_factory: pytest.TempPathFactory, written: int, kept: int, torn: int
) -> None:
    folder = tmp_path_factory.mktemp("run")
    lines = [json.dumps({"step": step, "loss": step / 7}) + "\n" for step in range(1, written + 1)]
    next_line = json.dumps({"step": written + 1, "loss": 0.5})[:torn]
    for name in (METRICS, TIMING):
        (folder / name).write_text("".join(lines) + next_line)
    rewind(folder, kept)
    for name in (METRICS, TIMING):
        assert (folder / name).read_text() == "".join(lines[:kept])
    assert sorted(path.name for path in folder.iterdir()) == [METRICS, TIMING]


def test_rewinding_a_run_that_wrote_nothing_makes_nothing(tmp_path: Path) -> None:
    rewind(tmp_path, 0)
    assert not list(tmp_path.iterdir())
