"""The implicit reward model in whole runs: killed and started again, and in two processes instead of one."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from harness import threads
from harness.training import AdapterConfig, CreditConfig, GrpoConfig, ImplicitConfig, ShardConfig

ROOT = Path(__file__).parents[3]
CREDIT = CreditConfig(rule="prime", scorer="implicit", implicit=ImplicitConfig(learning_rate=1e-2))
ADAPTERS = [
    pytest.param(None, id="a copy of the base", marks=pytest.mark.slow),
    pytest.param(AdapterConfig(rank=4), id="one base for both"),
]


def changes(adapter: AdapterConfig | None) -> dict[str, Any]:
    return {
        "adapter": adapter,
        "grpo": GrpoConfig(reward="random", group_size=4, max_new_tokens=8, credit=CREDIT),
    }


def written(folder: Path) -> dict[str, bytes]:
    """All that the run leaves of policy and reward model."""
    names = ("metrics.jsonl", "model/model.safetensors", "implicit/adapter_model.safetensors", "implicit/prm.json")
    return {name: (folder / name).read_bytes() for name in names}


def rows(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_killed_and_started_again_it_ends_in_the_same_bytes(
    zygote: Any, lay: Any, adapter: AdapterConfig | None
) -> None:
    whole, killed = (lay("grpo", name, **changes(adapter)) for name in ("whole", "killed"))
    assert zygote.run(whole) == 0
    # Between two checkpoints, and within one.
    assert zygote.run(killed, call="begins", number=2) == -signal.SIGKILL
    assert zygote.run(killed, call="template hash", number=1) == -signal.SIGKILL
    assert zygote.run(killed) == 0
    assert written(killed) == written(whole)
    learnt = [row["implicit/loss"] for row in rows(whole)]
    # Nothing that a random model writes is right, which is soon learnt.
    assert learnt == sorted(learnt, reverse=True)
    assert learnt[-1] < learnt[0] - 0.01
    assert {path.name for path in (whole / "checkpoints").iterdir()} == {"checkpoint-4", "checkpoint-6"}


@pytest.mark.slow
@pytest.mark.parametrize("adapter", ADAPTERS)
def test_two_processes_learn_what_one_learns(lay: Any, adapter: AdapterConfig | None) -> None:
    one = lay("grpo", "one", **changes(adapter))
    two = lay("grpo", "two", **changes(adapter), shard=ShardConfig(processes=2, strategy="ddp"))
    for folder, processes in ((one, 1), (two, 2)):
        torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
        command = [sys.executable, *(torchrun if processes > 1 else []), str(Path(__file__).with_name("fleet.py"))]
        done = subprocess.run(
            [*command, str(folder)],
            env=threads.environment() | {"PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert done.returncode == 0, done.stdout[-6000:]
    for key in ("loss", "grad_norm", "implicit/loss", "implicit/accuracy"):
        alone = [row[key] for row in rows(one)]
        assert [row[key] for row in rows(two)] == pytest.approx(alone, rel=1e-4, abs=1e-6)
    for file in ("implicit/adapter_model.safetensors", "model/model.safetensors"):
        expected, found = load_file(one / file), load_file(two / file)
        assert expected.keys() == found.keys()
        for name, weight in expected.items():
            torch.testing.assert_close(found[name], weight, rtol=1e-3, atol=1e-3)
