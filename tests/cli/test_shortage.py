"""A run that ran out of memory is told the estimate and settings that would fit; followed, the advice works."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from transformers import LlamaConfig

from ablations.cells import CellRun
from harness import advice, kernel, status
from harness.cli import shortage
from harness.config import DataConfig, EvaluationConfig, ModelConfig, RunConfig, TrainConfig
from harness.estimate import machine
from harness.estimate.hardware import accelerator
from harness.training import AdapterConfig, MeasureConfig, OptimizerConfig, SftConfig, ShardConfig, TrainRun


@pytest.fixture
def seven_billion(tmp_path: Path) -> Path:
    """The sizes of Qwen2.5-7B, without weights."""
    LlamaConfig(
        vocab_size=152064,
        hidden_size=3584,
        intermediate_size=18944,
        num_hidden_layers=28,
        num_attention_heads=28,
        num_key_value_heads=4,
    ).save_pretrained(tmp_path / "7b")
    return tmp_path / "7b"


def run(model: Path, micro: int = 8, processes: int = 1, strategy: Any = "ddp", **changes: Any) -> TrainRun:
    return TrainRun(
        method="sft",
        prompt="think",
        model=ModelConfig(name="m", path=str(model), fingerprint="m"),
        optimizer=OptimizerConfig(steps=9, batch_size=64, micro_batch=micro, learning_rate=1e-5),
        sft=SftConfig(source="chat", files=("chat.jsonl",), max_length=4096),
        shard=ShardConfig(processes=processes, strategy=strategy),
        **changes,
    )


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine whose GPUs have 80 GB."""
    monkeypatch.setattr(machine, "here", lambda processes: accelerator("h100"))


@pytest.mark.parametrize(
    ("changes", "says", "not_said"),
    [
        pytest.param({}, ["adapter.kind to lora"], ["optimizer.micro_batch"], id="one GPU"),
        pytest.param({"processes": 8}, ["shard.strategy from ddp to zero", "adapter.kind to lora"], [], id="eight"),
        pytest.param(
            {"micro": 64, "adapter": AdapterConfig()}, ["optimizer.micro_batch from 64 to "], ["to lora"], id="batch"
        ),
        pytest.param({"micro": 4, "adapter": AdapterConfig()}, ["which fits: end what else"], [], id="it fits"),
    ],
)
def test_what_would_fit_is_named_and_nothing_else(
    seven_billion: Path, gpus: None, changes: dict[str, Any], says: list[str], not_said: list[str]
) -> None:
    told = shortage.said(run(seven_billion, **changes), "train")
    assert re.match(r"the estimate for this run is [\d.]+ GB at the peak .*, 72 of 80 GB usable", told), told
    assert all(part in told for part in says), told
    assert not any(part in told for part in not_said), told


def test_the_micro_batch_that_is_advised_divides_the_batch_and_fits(seven_billion: Path, gpus: None) -> None:
    big = run(seven_billion, 64, adapter=AdapterConfig())
    found = re.search(r"from 64 to (\d+)", shortage.said(big, "train"))
    assert found
    fewer = int(found[1])
    assert 64 % fewer == 0
    smaller = big.model_copy(update={"optimizer": big.optimizer.model_copy(update={"micro_batch": fewer})})
    assert "which fits" in shortage.said(smaller, "train")


def test_a_model_of_unknown_sizes_is_said_to_be_one(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "mystery"}))
    told = shortage.said(run(tmp_path), "train")
    assert told.startswith("there is no estimate for this run, the sizes of m are not known")
    assert told.endswith(advice.SMALLER)


def test_a_cell_is_told_in_the_words_of_a_study(seven_billion: Path, gpus: None) -> None:
    told = shortage.said(run(seven_billion, 64), "train", study=True)
    assert "train.micro_batch from 64 to " in told and "model.lora_rank to 16" in told
    assert not any(own in told for own in ("optimizer.", "shard.", "adapter."))


def test_a_measurement_is_not_helped_by_a_smaller_micro_batch(seven_billion: Path) -> None:
    measured = run(seven_billion, evaluation=MeasureConfig(test_items=4, batch_size=128))
    told = shortage.said(measured, "test")
    assert told == "it was measuring, not training: lower evaluation.batch_size from 128 to 64"


@pytest.mark.parametrize(
    ("kind", "changed"),
    [pytest.param("OutOfMemory", True, id="out of memory"), pytest.param("ValueError", False, id="another failure")],
)
def test_only_a_lack_of_memory_is_explained(tmp_path: Path, seven_billion: Path, kind: str, changed: bool) -> None:
    before = f"no memory left; {advice.SMALLER}"
    status.replace(tmp_path / status.FILE, {"state": "failed", "error": {"type": kind, "message": before, "step": 3}})
    shortage.explain(tmp_path, run(seven_billion))
    after = status.read(tmp_path)["error"]
    assert after["step"] == 3
    assert (after["message"] != before) is changed
    if changed:
        assert after["message"].startswith("no memory left; the estimate for this run is ")


def test_a_cell_is_told_the_names_that_a_study_has(tmp_path: Path, seven_billion: Path, gpus: None) -> None:
    config = RunConfig(
        reward="sparse",
        objective="grpo",
        seed=0,
        prompt="think",
        model=ModelConfig(name="m", path=str(seven_billion), fingerprint="m", lora_rank=16),
        data=DataConfig(name="d", train="train.jsonl", test="test.jsonl", fingerprint="d"),
        train=TrainConfig(steps=9, prompts_per_step=32, group_size=8, learning_rate=1e-5, max_new_tokens=1024),
        evaluation=EvaluationConfig(test_items=9, samples=1, dev_items=9, every=3),
        code="c",
    )
    error = {"type": "OutOfMemory", "message": f"CUDA out of memory; {advice.SMALLER}", "step": 1}
    status.replace(tmp_path / status.FILE, {"state": "failed", "phase": "train", "error": error})
    shortage.explain_cell(CellRun(tmp_path, config))
    told = status.read(tmp_path)["error"]["message"]
    assert re.match(r"CUDA out of memory; the estimate for this run is .*: train\.micro_batch from 256 to \d+", told), (
        told
    )
    assert "optimizer." not in told
    assert "adapter." not in told


LIMIT = 5 * 10**9


@pytest.fixture
def group() -> Iterator[Path]:
    """A cgroup whose processes may have 5 GB; yields the file that takes their numbers."""
    rows = (row.split(":", 2) for row in kernel.MEMBERSHIP.read_text().splitlines())
    found = {controllers: path.lstrip("/") for _, controllers, path in rows}
    old = "memory" in found
    parent = kernel.CGROUPS / "memory" / found["memory"] if old else kernel.CGROUPS / found.get("", "")
    home = parent / f"harness-test-{os.getpid()}"
    try:
        home.mkdir()
        (home / ("memory.limit_in_bytes" if old else "memory.max")).write_text(str(LIMIT))
    except OSError as error:
        pytest.skip(f"no cgroup with a limit can be made here: {error}")
    yield home / "cgroup.procs"
    home.rmdir()


def harness(group: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    code = "import os, sys; open(sys.argv[1], 'w').write(str(os.getpid())); os.execv(sys.executable, sys.argv[2:])"
    command = [sys.executable, "-c", code, str(group), sys.executable, "-m", "harness", *arguments]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.mark.slow
def test_memory_that_is_really_exhausted_and_the_advice_that_helps(group: Path, tmp_path: Path) -> None:
    import torch

    from harness.tiny import base, tokenizer
    from harness.tiny.problems import write_split
    from harness.tiny.recipe import Recipe

    tokens = tokenizer.build()
    torch.manual_seed(0)
    base.model(Recipe(hidden=512, mlp=2048, layers=6, heads=8), tokens).save_pretrained(tmp_path / "model")
    tokens.save_pretrained(tmp_path / "model")
    for split, number in (("train", 600), ("test", 12)):
        write_split(tmp_path / f"{split}.jsonl", split, number, 0, 1)
    recipe = {
        "model": str(tmp_path / "model"),
        "data": str(tmp_path),
        "prompt": "bare",
        "optimizer": {"steps": 1, "batch_size": 512, "learning_rate": 1e-3},
        "sft": {"max_length": 64},
    }
    (tmp_path / "run.toml").write_text(tomli_w.dumps(recipe))
    own = ("train", "sft", "--config", str(tmp_path / "run.toml"), "--out")
    failed = harness(group, *own, str(tmp_path / "failed"))
    assert failed.returncode == 1, failed.stderr
    # The kernel ended the run, and the command that started it was left to say so.
    assert "was killed by SIGKILL because memory ran out; the estimate" in failed.stdout
    line = next(line for line in failed.stdout.splitlines() if "OutOfMemory" in line)
    found = re.search(
        r"the estimate for this run is ([\d.]+) GB at the peak .* of 5 GB usable: "
        r"optimizer\.micro_batch from 512 to (\d+)",
        line,
    )
    assert found, line
    assert float(found[1]) > 5
    helped = harness(group, *own, str(tmp_path / "helped"), f"--set=optimizer.micro_batch={found[2]}")
    assert helped.returncode == 0, helped.stdout + helped.stderr
