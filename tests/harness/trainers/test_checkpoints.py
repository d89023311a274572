"""Checkpoints under real kills, a full disk and tampering: the last whole one stands, and the run ends unharmed."""

import contextlib
import json
import os
import pickle
import random
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import TrainingArguments
from trl import GRPOConfig

from harness.trainers import checkpoints
from harness.training import AdapterConfig, GrpoConfig, MeasureConfig

METHODS = ("sft", "dpo", "grpo")
# What a save consists of, in order: see `zygote.py`.
MOMENTS = (
    pytest.param("begins", 2, id="before the second save"),
    pytest.param("weights written", 2, id="between weights and optimiser"),
    # An optimiser's state and a process's random numbers are two of them.
    pytest.param("state half written", 4, id="before the random numbers"),
    pytest.param("all written", 2, id="all of it written, under the other name"),
    pytest.param("template hash", 2, id="before the template hash"),
    pytest.param("flushed", 20, id="while it is flushed to disk"),
    pytest.param("renamed", 2, id="renamed, nothing older removed"),
)


def metrics(folder: Path) -> bytes:
    return (folder / "metrics.jsonl").read_bytes()


def status(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "status.json").read_text()))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "checkpoints").glob("*"))


def weights(folder: Path) -> bytes:
    return (folder / "model" / "model.safetensors").read_bytes()


def test_killed_in_a_save_and_started_again_it_ends_like_one_never_killed(zygote: Any, lay: Any) -> None:
    whole, killed = lay("grpo", "whole"), lay("grpo", "killed")
    assert zygote.run(whole) == 0
    assert zygote.run(killed, call="state half written", number=4) == -signal.SIGKILL
    assert names(killed) == ["checkpoint-2", "partial"]
    assert zygote.run(killed, call="renamed", number=1) == -signal.SIGKILL
    assert names(killed) == ["checkpoint-2", "checkpoint-4"]
    assert zygote.run(killed) == 0
    assert names(killed) == names(whole) == ["checkpoint-4", "checkpoint-6"]
    assert metrics(killed) == metrics(whole)
    assert weights(killed) == weights(whole)


def test_killed_before_and_after_its_first_checkpoint_an_adapter_ends_like_one_never_killed(
    zygote: Any, lay: Any
) -> None:
    changes = {
        "adapter": AdapterConfig(rank=4),
        "evaluation": MeasureConfig(test_items=4, max_new_tokens=4, before=True),
    }
    whole, killed = lay("sft", "whole", **changes), lay("sft", "killed", **changes)
    assert zygote.run(killed, call="begins", number=1) == -signal.SIGKILL
    assert names(killed) == []
    assert len(metrics(killed).splitlines()) == 2
    assert zygote.run(killed, call="begins", number=3) == -signal.SIGKILL
    assert zygote.run(killed) == zygote.run(whole) == 0
    assert (metrics(killed), weights(killed)) == (metrics(whole), weights(whole))


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_killed_at_every_moment_of_a_save(zygote: Any, lay: Any, method: str) -> None:
    whole = lay(method, "whole")
    assert zygote.run(whole) == 0
    for moment in MOMENTS:
        call, number = moment.values
        killed = lay(method, str(moment.id).replace(" ", "-"))
        assert zygote.run(killed, call=call, number=number) == -signal.SIGKILL
        assert "checkpoint-2" in names(killed)
        assert zygote.run(killed) == 0
        assert (metrics(killed), weights(killed)) == (metrics(whole), weights(whole))
        assert "partial" not in names(killed)


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_killed_from_outside_at_random_moments(zygote: Any, lay: Any, method: str) -> None:
    whole, killed = lay(method, "whole"), lay(method, "killed")
    began = time.monotonic()
    assert zygote.run(whole) == 0
    seconds = time.monotonic() - began
    draw = random.Random(method)
    codes = []
    for _ in range(8):
        process = zygote.start(killed)
        time.sleep(draw.uniform(0.3, 1.0) * seconds)
        # It may be over already.
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
        codes.append(zygote.end())
    assert -signal.SIGKILL in codes
    assert zygote.run(killed) == 0
    assert (metrics(killed), weights(killed)) == (metrics(whole), weights(whole))


def test_a_full_disk_keeps_the_checkpoint_before_and_says_so_in_one_line(zygote: Any, lay: Any) -> None:
    whole, full = lay("sft", "whole"), lay("sft", "full")
    assert zygote.run(full, call="begins", number=2, event="full") == 1
    assert names(full) == ["checkpoint-2"]
    error = status(full)["error"]
    assert error["type"] == "CheckpointFailed"
    assert "no checkpoint of step 4" in error["message"]
    assert "File too large" in error["message"]
    assert "checkpoint-2 is whole: make room and start the same command again" in error["message"]
    assert zygote.run(full) == zygote.run(whole) == 0
    assert (metrics(full), weights(full)) == (metrics(whole), weights(whole))


def test_a_run_killed_after_its_last_step_only_writes_its_model(zygote: Any, lay: Any) -> None:
    folder = lay("sft", "run")
    assert zygote.run(folder) == 0
    finished, model = metrics(folder), weights(folder)
    shutil.rmtree(folder / "model")
    assert zygote.run(folder) == 0
    assert (metrics(folder), weights(folder)) == (finished, model)


class Malice:
    """Unpickled, it writes a file."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return os.mkdir, (str(self.marker),)


@pytest.mark.parametrize(
    ("written", "removed"),
    [
        pytest.param(["optimizer.pt", "scheduler.pt"], [], id="an optimiser as transformers would write it"),
        pytest.param(["pytorch_model.bin"], ["model.safetensors"], id="weights as pickle"),
        pytest.param(["optimizer.safetensors"], [], id="pickle under the name of safetensors"),
        pytest.param(["rng-0.safetensors"], [], id="random numbers"),
    ],
)
def test_a_tampered_checkpoint_runs_nothing_and_is_refused(
    zygote: Any, lay: Any, tmp_path: Path, written: list[str], removed: list[str]
) -> None:
    folder = lay("sft", "run")
    assert zygote.run(folder, call="begins", number=2) == -signal.SIGKILL
    checkpoint, marker = folder / "checkpoints" / "checkpoint-2", tmp_path / "marker"
    for name in removed:
        (checkpoint / name).unlink()
    for name in written:
        if name.endswith(".safetensors"):
            (checkpoint / name).write_bytes(pickle.dumps(Malice(marker)))
        else:
            torch.save({"x": Malice(marker)}, checkpoint / name)
    assert zygote.run(folder) == 1
    assert not marker.exists()
    assert status(folder)["error"]["type"] in ("CheckpointUnreadable", "NotAState")
    assert "remove" in status(folder)["error"]["message"]
    # The marker would have been made.
    torch.load(_first_pickle(tmp_path, marker), weights_only=False)
    assert marker.exists()


def _first_pickle(folder: Path, marker: Path) -> Path:
    torch.save(Malice(marker), folder / "malice.pt")
    return folder / "malice.pt"


def test_a_checkpoint_holds_no_pickle_and_says_its_template(zygote: Any, lay: Any) -> None:
    folder = lay("grpo", "run")
    assert zygote.run(folder) == 0
    kinds = {path.suffix for path in (folder / "checkpoints").rglob("*") if path.is_file()}
    assert kinds <= {".json", ".safetensors", ".jinja"}
    made = json.loads((folder / "checkpoints" / "checkpoint-6" / "harness.json").read_text())
    assert made == json.loads((folder / "model" / "harness.json").read_text())


def test_a_checkpoint_between_two_steps_of_one_batch_is_refused(zygote: Any, lay: Any) -> None:
    shared = GrpoConfig(reward="random", group_size=4, max_new_tokens=8, updates=3)
    folder = lay("grpo", "run", grpo=shared)
    assert zygote.run(folder) == 1
    assert (
        status(folder)["error"].items()
        >= {
            "type": "CutBatch",
            "message": "checkpoint.every 2 must be a multiple of the 3 steps that share their completions",
        }.items()
    )


def test_a_run_whose_steps_share_completions_goes_on_between_two_batches(zygote: Any, lay: Any) -> None:
    shared = GrpoConfig(reward="random", group_size=4, max_new_tokens=8, updates=2)
    whole, killed = lay("grpo", "whole", grpo=shared), lay("grpo", "killed", grpo=shared)
    assert zygote.run(killed, call="begins", number=2) == -signal.SIGKILL
    assert zygote.run(killed) == zygote.run(whole) == 0
    assert metrics(killed) == metrics(whole)


@pytest.mark.parametrize(
    ("arguments", "steps"),
    [
        pytest.param(TrainingArguments(use_cpu=True), 1, id="a trainer that samples nothing"),
        pytest.param(GRPOConfig(use_cpu=True, bf16=False, gradient_accumulation_steps=4), 1, id="a batch a step"),
        pytest.param(
            GRPOConfig(use_cpu=True, bf16=False, gradient_accumulation_steps=2, steps_per_generation=8), 4, id="updates"
        ),
        pytest.param(GRPOConfig(use_cpu=True, bf16=False, num_iterations=3), 3, id="iterations"),
    ],
)
def test_stride_counts_the_steps_of_a_batch_of_completions(arguments: TrainingArguments, steps: int) -> None:
    assert checkpoints.stride(arguments) == steps


def test_the_last_checkpoint_is_that_of_the_highest_step_and_never_a_partial_one(tmp_path: Path) -> None:
    assert checkpoints.last(tmp_path / "none") is None
    assert checkpoints.step_of(None) == 0
    for name in ("checkpoint-9", "checkpoint-10", "partial/checkpoint-11", "checkpoint-x"):
        (tmp_path / name).mkdir(parents=True)
    last = checkpoints.last(tmp_path)
    assert last == tmp_path / "checkpoint-10"
    assert checkpoints.step_of(last) == 10
    checkpoints.clean(tmp_path)
    assert not (tmp_path / "partial").exists()
