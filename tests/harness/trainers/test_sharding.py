"""Two processes do the work of one: the same losses under DDP and every ZeRO stage, and one line when one of them dies.

The real runs need `pip install` of DeepSpeed into the cache (`benchmarks/overlay.py`) and are slow. Two processes add
the same numbers in another order: losses agree to a relative 1e-5 (GRPO's, near 0, to 1e-6), gradient norms and
weights to 1e-4.
"""

import json
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file
from transformers import TrainingArguments

from benchmarks.overlay import overlay
from harness import advice, launch, threads
from harness.trainers import checkpoints, loop, sharding
from harness.training import CheckpointConfig, OptimizerConfig, ShardConfig, TrainRun

ROOT = Path(__file__).parents[3]
METHODS = ("sft", "dpo", "grpo")


def shared(run: TrainRun, strategy: str, processes: int = 2, **optimizer: Any) -> TrainRun:
    update = {"shard": ShardConfig(processes=processes, strategy=strategy)}
    return run.model_copy(update=update | {"optimizer": run.optimizer.model_copy(update=optimizer)})


def test_one_process_needs_no_settings(run: TrainRun) -> None:
    assert sharding.arguments(run, on_cpu=True) == {}
    assert sharding.accumulation(run) == 1


@pytest.mark.parametrize(
    ("batch", "micro", "processes", "passes"),
    [
        pytest.param(8, 0, 2, 1, id="all that a process has in one pass"),
        pytest.param(8, 2, 2, 2, id="micro-batches"),
        pytest.param(16, 1, 4, 4, id="four processes"),
    ],
)
def test_passes_times_processes_times_micro_batch_is_the_batch(
    run: TrainRun, batch: int, micro: int, processes: int, passes: int
) -> None:
    many = shared(run, "ddp", processes, batch_size=batch, micro_batch=micro)
    assert sharding.accumulation(many) == passes
    assert passes * processes * many.micro_batch == batch


@pytest.mark.parametrize("on_cpu", [pytest.param(True, id="cpu"), pytest.param(False, id="cuda")])
@pytest.mark.parametrize("stage", [1, 2, 3])
def test_the_deepspeed_config_has_the_run_s_sizes(run: TrainRun, stage: int, on_cpu: bool) -> None:
    config = sharding.deepspeed(shared(run, f"zero{stage}", micro_batch=2, max_grad_norm=0.5), on_cpu)
    assert config["zero_optimization"]["stage"] == stage
    assert config["zero_optimization"].get("stage3_gather_16bit_weights_on_model_save", False) is (stage == 3)
    assert config["bf16"] == {"enabled": not on_cpu}
    assert (config["train_batch_size"], config["train_micro_batch_size_per_gpu"]) == (8, 2)
    assert (config["gradient_accumulation_steps"], config["gradient_clipping"]) == (2, 0.5)


def test_transformers_reads_the_fsdp_config(run: TrainRun, tmp_path: Path) -> None:
    arguments = loop.arguments(shared(run, "fsdp"), tmp_path, on_cpu=True)
    plugin = TrainingArguments(**arguments).fsdp_plugin_args
    assert plugin["fsdp_version"] == 2
    assert plugin["reshard_after_forward"]
    assert plugin["activation_checkpointing"]
    # The divided kind has an index in pickle.
    assert plugin["state_dict_type"] == "FULL_STATE_DICT"


def test_one_process_divides_nothing() -> None:
    with pytest.raises(ValidationError, match=r"zero2 divides among processes: set shard\.processes"):
        ShardConfig(strategy="zero2")


@pytest.mark.parametrize(
    ("strategy", "started", "says"),
    [
        pytest.param("ddp", 1, "shard.processes is 2 but 1 run; start it with `harness train`", id="started alone"),
        pytest.param("fsdp", 2, "fsdp needs CUDA devices; on a CPU take ddp, zero1, zero2 or zero3", id="FSDP"),
        pytest.param("zero3", 2, "ZeRO needs DeepSpeed: pip install 'reward-harness", id="no DeepSpeed"),
    ],
)
def test_what_cannot_run_here_is_refused(
    run: TrainRun, monkeypatch: pytest.MonkeyPatch, strategy: str, started: int, says: str
) -> None:
    monkeypatch.setenv("WORLD_SIZE", str(started))
    monkeypatch.setattr(sharding, "find_spec", lambda name: None)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(sharding.NotShardable, match=says):
        sharding.join(shared(run, strategy))


def test_pickle_asked_for_by_a_library_is_still_not_run(tmp_path: Path) -> None:
    path = tmp_path / "optim_states.pt"
    torch.save({"state": Malice(tmp_path / "marker"), "tensor": torch.ones(2)}, path)
    with checkpoints.weights_only(), pytest.raises(pickle.UnpicklingError):
        # As DeepSpeed reads its partitions.
        torch.load(path, weights_only=False)
    assert not (tmp_path / "marker").exists()
    assert checkpoints.FORCE not in os.environ


class Malice:
    """Unpickled, it makes a folder."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return os.mkdir, (str(self.marker),)


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    """With DeepSpeed on the path."""
    path = os.pathsep.join([str(overlay("deepspeed")), str(ROOT), os.environ.get("PYTHONPATH", "")])
    return threads.environment() | {"PYTHONPATH": path}


@pytest.fixture(scope="module")
def single() -> dict[str, Path]:
    """The runs of one process, made once."""
    return {}


def fleet(folders: list[Path], processes: int, environment: dict[str, str]) -> None:
    """Runs the folders one after the other in the same processes; see `fleet.py`."""
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    script = str(Path(__file__).with_name("fleet.py"))
    command = [sys.executable, *(torchrun if processes > 1 else []), script, *map(str, folders)]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout[-3000:]


def rows(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["ddp", "zero1", "zero2", "zero3"])
def test_two_processes_do_what_one_does(
    lay: Any, environment: dict[str, str], single: dict[str, Path], strategy: str
) -> None:
    if not single:
        single.update({method: lay(method, f"{method}-one") for method in METHODS})
        fleet(list(single.values()), 1, environment)
    two = {method: lay(method, method, shard=ShardConfig(processes=2, strategy=strategy)) for method in METHODS}
    fleet(list(two.values()), 2, environment)
    for method in METHODS:
        one, both = rows(single[method]), rows(two[method])
        assert [row["step"] for row in both] == [1, 2, 3, 4, 5, 6]
        assert [row["loss"] for row in both] == pytest.approx([row["loss"] for row in one], rel=1e-5, abs=1e-6)
        assert [row["grad_norm"] for row in both] == pytest.approx([row["grad_norm"] for row in one], rel=1e-4)
        expected, found = (load_file(each[method] / "model" / "model.safetensors") for each in (single, two))
        assert expected.keys() == found.keys()
        for name, weight in expected.items():
            torch.testing.assert_close(found[name], weight, rtol=1e-4, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["zero2", "zero3"])
def test_a_divided_run_goes_on_where_one_of_its_processes_was_killed(
    lay: Any, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, strategy: str
) -> None:
    monkeypatch.setenv("PYTHONPATH", environment["PYTHONPATH"])
    changes = {
        "shard": ShardConfig(processes=2, strategy=strategy),
        "optimizer": OptimizerConfig(steps=60, batch_size=8, learning_rate=1e-3),
        "checkpoint": CheckpointConfig(every=10),
    }
    whole, killed = lay("sft", "whole", **changes), lay("sft", "killed", **changes)
    run = TrainRun.read(whole / "config.toml")
    began = time.monotonic()
    assert launch.start(killed, run, kill_the_second_after(20, killed)) == 1
    assert time.monotonic() - began < 240
    told = json.loads((killed / "status.json").read_text())
    assert (
        told["error"].items()
        >= {
            "type": "ProcessDied",
            "message": f"process 1 of 2 was killed by SIGKILL; {advice.GOES_ON}",
        }.items()
    )
    assert 20 <= told["step"] < 60
    assert launch.start(killed, run) == launch.start(whole, run) == 0
    assert [row["step"] for row in rows(killed)] == list(range(1, 61))
    assert [row["loss"] for row in rows(killed)] == pytest.approx([row["loss"] for row in rows(whole)], rel=1e-5)


def kill_the_second_after(step: int, folder: Path) -> Callable[[dict[str, Any]], None]:
    """Kills the second process of a run, once it is so far."""

    def watch(status: dict[str, Any]) -> None:
        if status["step"] >= step and status["state"] == "running" and (found := second(status["pid"])):
            os.kill(found, signal.SIGKILL)

    return watch


def second(first: int) -> int | None:
    """The other child of the first process's torchrun that is a process of the run."""
    parent = _parent(first)
    others = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
    return next((each for each in others if each != first and _parent(each) == parent and _runs(each)), None)


def _parent(process: int) -> int | None:
    path = Path("/proc") / str(process) / "stat"
    return int(path.read_text().rpartition(")")[2].split()[1]) if path.is_file() else None


def _runs(process: int) -> bool:
    path = Path("/proc") / str(process) / "cmdline"
    return path.is_file() and TrainRun.module.encode() in path.read_bytes()
