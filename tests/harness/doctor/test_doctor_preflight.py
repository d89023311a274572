"""Nothing starts that cannot finish: what is refused before a run, and that commands refuse it in one line."""

import os
import subprocess
import sys
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.config import ModelConfig
from harness.doctor import preflight
from harness.estimate import machine
from harness.estimate.known import find
from harness.training import AdapterConfig, CheckpointConfig, GrpoConfig, OptimizerConfig, ShardConfig, TrainRun

Install = Callable[..., None]
Usage = namedtuple("Usage", "total used free")
SMOL = "HuggingFaceTB/SmolLM2-135M"
EXAMPLES = Path(__file__).parents[3] / "examples"


def run(model: str = SMOL, batch: int = 8, micro: int = 0, **tables: object) -> TrainRun:
    values = {
        "grpo": GrpoConfig(reward="sparse"),
        "optimizer": OptimizerConfig(steps=2, batch_size=batch, micro_batch=micro, learning_rate=1e-5),
        **tables,
    }
    start = ModelConfig(name=model, path=model, fingerprint="0")
    return TrainRun(method="grpo", prompt="think", model=start, **values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("asked", "needs"),
    [
        pytest.param(run(), ["cpu"], id="the default"),
        pytest.param(run(adapter=AdapterConfig(kind="qlora")), ["cpu", "qlora"], id="QLoRA"),
        pytest.param(run(adapter=AdapterConfig()), ["cpu"], id="LoRA comes with the project"),
        pytest.param(run(shard=ShardConfig(processes=2, strategy="zero1")), ["cpu", "deepspeed"], id="ZeRO"),
        pytest.param(run(shard=ShardConfig(processes=2)), ["cpu"], id="copies need no DeepSpeed"),
        pytest.param(run(grpo=GrpoConfig(reward="sparse", rollout="vllm")), ["cpu", "vllm"], id="rollouts by vLLM"),
        pytest.param(
            run(grpo=GrpoConfig(reward="sparse", rollout="server", server="http://127.0.0.1:1/v1")),
            ["cpu"],
            id="a server brings its own",
        ),
    ],
)
def test_a_run_is_held_to_what_it_uses(asked: TrainRun, needs: list[str]) -> None:
    assert preflight.of_training(asked) == needs


def test_what_is_not_used_refuses_nothing(install: Install) -> None:
    install("vllm", "0.99.0")
    assert preflight.refused(["cpu"]) == []
    (line,) = preflight.refused(["cpu", "vllm"])
    assert line.startswith("vllm: ") and "vllm 0.99.0 is installed" in line and "; pip install 'vllm>=0.22" in line


def test_disk_for_the_checkpoints_is_told_before_the_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """134.5 M parameters: 0.54 GB of weights; 1.61 GB a checkpoint, two kept and one being written."""
    kept = run(checkpoint=CheckpointConfig(every=1, keep=2))
    assert preflight.saved_bytes(kept, find(SMOL)) == pytest.approx(0.1e9 + 0.538e9 + 3 * 1.614e9, rel=0.01)
    assert preflight.saved_bytes(run(), find(SMOL)) == pytest.approx(0.1e9 + 0.538e9 + 1.614e9, rel=0.01)
    adapted = run(adapter=AdapterConfig(rank=16), checkpoint=CheckpointConfig(every=1))
    assert preflight.saved_bytes(adapted, find(SMOL)) < 1e9
    monkeypatch.setattr(preflight.shutil, "disk_usage", lambda path: Usage(1e12, 0, 4e9))
    (line,) = preflight.of_run(kept, tmp_path / "run", 1).refused
    assert "needs about 5.5 GB" in line and "has 4.0 GB free; make room, or give another --out" in line
    assert preflight.of_run(run(), tmp_path / "run", 1).refused == []


def test_what_an_interrupted_run_has_written_is_not_asked_for_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with (tmp_path / "checkpoint").open("wb") as file:
        file.truncate(2_000_000_000)  # sparse: nothing is written
    monkeypatch.setattr(preflight.shutil, "disk_usage", lambda path: Usage(1e12, 0, 4e9))
    assert preflight.of_run(run(checkpoint=CheckpointConfig(every=1, keep=2)), tmp_path, 1).refused == []


@pytest.fixture
def of_gb(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Makes the machine one without a GPU and with so much memory."""
    monkeypatch.setattr(machine, "gpus", lambda: [])
    return lambda gb: monkeypatch.setattr(machine, "memory", lambda: int(gb * 1e9))


def test_memory_that_cannot_hold_the_weights_is_refused_with_what_would(
    of_gb: Callable[[float], None], tmp_path: Path
) -> None:
    """135 M parameters in float32 with gradients and moments, and the reference of `grpo`: 2.7 GB before any row."""
    of_gb(2.5)
    found = preflight.of_run(run(micro=1), tmp_path, 1)
    (line,) = found.refused
    assert line.startswith(f"{SMOL}: 2.69 GB before any row") and "of 2.5 GB" in line
    assert "adapter.kind to lora" in line and found.warned == []


def test_memory_that_full_rows_would_exceed_is_warned_of(of_gb: Callable[[float], None], tmp_path: Path) -> None:
    """Rows may be shorter than they are allowed to be, so this run may well end."""
    of_gb(6)
    found = preflight.of_run(run(batch=64), tmp_path, 1)
    (line,) = found.warned
    assert line.startswith(f"{SMOL}: rows of the full length need 44 GB")
    assert "optimizer.micro_batch from 64 to " in line and found.refused == []


@pytest.mark.parametrize("here", [pytest.param(1, id="alone"), pytest.param(2, id="two share the memory")])
def test_processes_on_a_cpu_share_its_memory(of_gb: Callable[[float], None], tmp_path: Path, here: int) -> None:
    of_gb(8)
    assert bool(preflight.of_run(run(micro=2), tmp_path, here).warned) == (here == 2)


def test_of_other_machines_only_the_disk_is_known(of_gb: Callable[[float], None], tmp_path: Path) -> None:
    of_gb(0.1)
    assert preflight.of_run(run(), tmp_path, 0) == preflight.Outlook()


def test_a_model_nobody_knows_is_not_guessed(tmp_path: Path) -> None:
    assert preflight.of_run(run("someone/unheard-of"), tmp_path, 1) == preflight.Outlook()


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(("train", "sft", "--config", str(EXAMPLES / "sft-tiny.toml")), id="train"),
        pytest.param(("ablate", "--rewards", "sparse"), id="ablate"),
        pytest.param(("eval", "tiny", "--limit", "1"), id="eval"),
    ],
)
def test_commands_refuse_a_known_bad_combination(install: Install, tmp_path: Path, command: tuple[str, ...]) -> None:
    """As a user meets it: a torchvision that came with something else, beside the CPU build of torch."""
    install("torch", "2.13.0+cpu")
    install("torchvision", "0.28.0")
    done = subprocess.run(
        [sys.executable, "-m", "harness", *command],
        cwd=tmp_path,
        env={**os.environ, "HARNESS_CACHE": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 2, done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: cpu: torchvision 0.28.0 beside torch 2.13.0+cpu") and "pip uninstall" in line
    assert not (tmp_path / "results").exists()
