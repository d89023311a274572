"""`accelerate launch` with the generated config trains what torchrun does: losses and weights are equal."""

import json
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate.commands.config.config_args import load_config_from_file
from safetensors.torch import load_file

from harness import launch, threads
from harness.launch import accelerate
from harness.launch.placement import Placement, Seat
from harness.trainers import sharding
from harness.training import ShardConfig, TrainRun

TWO = Seat(1, 2, "1", "node0", 20017)


def shared(run: TrainRun, strategy: str) -> TrainRun:
    return run.model_copy(update={"shard": ShardConfig(processes=2, strategy=strategy)})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("strategy", "kind"),
    [
        pytest.param("ddp", "MULTI_GPU", id="ddp, also on a CPU"),
        pytest.param("fsdp", "MULTI_GPU", id="fsdp, which the run itself sets up"),
        pytest.param("zero2", "DEEPSPEED", id="zero"),
    ],
)
def test_accelerate_reads_the_config(run: TrainRun, tmp_path: Path, strategy: str, kind: str) -> None:
    path = accelerate.write(tmp_path, shared(run, strategy), TWO)
    read = load_config_from_file(str(path))
    assert read.distributed_type.value == kind
    assert (read.num_machines, read.num_processes, read.main_process_ip, read.main_process_port) == (
        2,
        2,
        "node0",
        20017,
    )
    assert read.use_cpu is not torch.cuda.is_available()
    assert read.rdzv_backend == "static"
    assert (tmp_path / "launch" / "deepspeed.json").is_file() is (kind == "DEEPSPEED")


@pytest.mark.parametrize("strategy", ["zero1", "zero2", "zero3"])
def test_deepspeed_s_config_is_that_of_the_training(run: TrainRun, tmp_path: Path, strategy: str) -> None:
    divided = shared(run, strategy)
    read = load_config_from_file(str(accelerate.write(tmp_path, divided, Seat(2))))
    written = json.loads(Path(read.deepspeed_config["deepspeed_config_file"]).read_text())
    assert written == sharding.deepspeed(divided, on_cpu=not torch.cuda.is_available())


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["ddp", "zero1", "zero2", "zero3"])
def test_accelerate_trains_what_torchrun_does(
    lay: Any, deepspeed: None, losses: Callable[[Path], list[float]], strategy: str
) -> None:
    one, other = lay("torchrun", strategy), lay("accelerate", strategy)
    run = TrainRun.read(one / "config.toml")
    assert launch.start(one, run) == 0, (one / "log.txt").read_text()[-3000:]
    assert launch.start(other, run, placement=Placement("accelerate")) == 0, (other / "log.txt").read_text()[-3000:]
    assert losses(other) == pytest.approx(losses(one), rel=1e-6)
    assert len(losses(other)) == 6
    expected, found = (load_file(folder / "model" / "model.safetensors") for folder in (one, other))
    assert expected.keys() == found.keys()
    for name, weight in expected.items():
        torch.testing.assert_close(found[name], weight, rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_the_line_in_the_config_starts_it_by_hand(lay: Any, losses: Callable[[Path], list[float]]) -> None:
    folder = lay("by hand")
    path = accelerate.write(folder, TrainRun.read(folder / "config.toml"), Seat(2))
    words = shlex.split(path.read_text().splitlines()[1].removeprefix("#"))
    assert words[:2] == ["accelerate", "launch"]
    command = [sys.executable, "-m", "accelerate.commands.launch", *words[2:]]
    done = subprocess.run(command, env=threads.environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    assert len(losses(folder)) == 6
