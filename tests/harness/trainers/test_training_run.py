"""A run as a process: Ctrl-C saves and the next start goes on, equal runs are equal to the byte, errors are told."""

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from harness.training import CheckpointConfig, DpoConfig, PairsConfig, TrainRun


def metrics(folder: Path) -> bytes:
    return (folder / "metrics.jsonl").read_bytes()


def status(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "status.json").read_text()))


def interrupted(zygote: Any, folder: Path) -> int:
    """Starts the run, sends SIGINT after its first step, and returns its exit code."""
    process = zygote.start(folder)
    while not (folder / "metrics.jsonl").is_file():
        time.sleep(0.005)
    os.kill(process, signal.SIGINT)
    return int(zygote.end())


@pytest.mark.parametrize(
    "every", [pytest.param(2, id="with checkpoints"), pytest.param(0, id="without", marks=pytest.mark.slow)]
)
def test_ctrl_c_finishes_the_step_saves_and_the_next_start_goes_on(zygote: Any, lay: Any, every: int) -> None:
    run = TrainRun.read(lay("grpo", "first") / "config.toml")
    optimizer = run.optimizer.model_copy(update={"steps": 40})
    changes = {"optimizer": optimizer, "checkpoint": CheckpointConfig(every=every)}
    whole, stopped = lay("grpo", "whole", **changes), lay("grpo", "stopped", **changes)
    assert interrupted(zygote, stopped) == 130
    told = status(stopped)
    assert (told["state"], told["error"]) == ("interrupted", None)
    assert 0 < told["step"] < 40
    assert len(metrics(stopped).splitlines()) == told["step"]
    assert (stopped / "checkpoints" / f"checkpoint-{told['step']}" / "model.safetensors").is_file()
    assert zygote.run(stopped) == zygote.run(whole) == 0
    assert status(stopped)["state"] == "done"
    assert metrics(stopped) == metrics(whole)


@pytest.mark.parametrize("method", ["sft", "dpo", "grpo"])
def test_equal_runs_are_equal_to_the_byte(zygote: Any, lay: Any, method: str) -> None:
    one, other = lay(method, "one"), lay(method, "other")
    assert zygote.run(one) == zygote.run(other) == 0
    assert metrics(one) == metrics(other)
    assert len(metrics(one).splitlines()) == 6
    weights = [(folder / "model" / "model.safetensors").read_bytes() for folder in (one, other)]
    assert weights[0] == weights[1]


def test_another_seed_is_another_run(zygote: Any, lay: Any) -> None:
    one, other = lay("sft", "one"), lay("sft", "other", seed=4)
    assert zygote.run(one) == zygote.run(other) == 0
    assert metrics(one) != metrics(other)


def test_a_failure_is_recorded_with_its_message(zygote: Any, lay: Any) -> None:
    folder = lay("dpo", "run", dpo=DpoConfig(loss="dpoo", pairs=PairsConfig()))
    assert zygote.run(folder) == 1
    told = status(folder)
    assert told["state"] == "failed"
    assert "dpoo" in told["error"]["message"]
    assert "Traceback" in (folder / "log.txt").read_text()
