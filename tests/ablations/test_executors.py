"""Where cells run: devices dealt out here, the nodes of a Ray cluster, Slurm's jobs. Ray and submitit are laid over the
project's own packages (`benchmarks/overlay.py`), and slow."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from pretend_cell import STEPS, Pretend

from ablations import run
from ablations.executors import ExecutorUnavailable, local
from ablations.executors.named import named
from ablations.executors.slurm import Settings, Slurm, SlurmJob, settings
from benchmarks.overlay import overlay

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


def laid_over(*packages: str) -> dict[str, str]:
    path = os.pathsep.join([*(str(overlay(name)) for name in packages), str(HERE), str(ROOT)])
    return {**os.environ, "PYTHONPATH": path, "PRETEND_SECONDS": "0.5"}


def until(found: Callable[[], object], seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


def steps(folder: Path) -> list[int]:
    path = folder / "steps.txt"
    return [int(step) for step in path.read_text().split()] if path.is_file() else []


def processes(root: Path) -> list[int]:
    return [int(number) for path in root.glob("*/attempts.txt") for number in path.read_text().split()]


def alive(number: int) -> bool:
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def told(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "status.json").read_text())
    return found


def drive(environment: Mapping[str, str], executor: str, root: Path, *names: str) -> "subprocess.Popen[bytes]":
    command = [sys.executable, str(HERE / "drive.py"), executor, str(root), *names]
    # A group of its own, for what a terminal's Ctrl-C does.
    return subprocess.Popen(command, env=dict(environment), start_new_session=True)


@pytest.mark.parametrize(
    ("slots", "devices", "dealt"),
    [
        pytest.param(2, ("3", "5"), ["3", "3", "5", "5"], id="one each"),
        pytest.param(1, ("3", "5"), ["3", "3", "3", "3"], id="given back when it ends"),
        pytest.param(4, ("3", "5"), ["3", "3", "5", "5"], id="shared where there are fewer"),
        pytest.param(2, (), [None] * 4, id="none"),
    ],
)
def test_devices_are_dealt_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slots: int, devices: tuple[str, ...], dealt: list[str | None]
) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(HERE), str(ROOT)]))
    monkeypatch.delenv(local.VISIBLE, raising=False)
    cells = [run.CellRun(tmp_path / str(n), Pretend("environment")) for n in range(4)]  # type: ignore[arg-type]
    run.run(cells, local.Local(slots, os.environ, devices), lambda cells: None)
    found = [json.loads((each.folder / "environment.json").read_text()).get(local.VISIBLE) for each in cells]
    assert sorted(found, key=str) == dealt


@pytest.mark.parametrize(
    ("visible", "listed", "found"),
    [
        pytest.param("0,2", None, ("0", "2"), id="by number"),
        pytest.param("GPU-1a, GPU-2b", None, ("GPU-1a", "GPU-2b"), id="by name"),
        pytest.param("", "GPU 0: one", (), id="hidden"),
        pytest.param("-1", "GPU 0: one", (), id="hidden the other way"),
        pytest.param(
            None,
            "GPU 0: A (UUID: GPU-1)\n  MIG 1g.5gb Device 0: (UUID: M)\nGPU 1: A (UUID: GPU-2)\n",
            ("0", "1"),
            id="all",
        ),
        pytest.param(None, None, (), id="no driver"),
    ],
)
def test_devices_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, visible: str | None, listed: str | None, found: tuple[str, ...]
) -> None:
    monkeypatch.delenv(local.VISIBLE, raising=False)
    if visible is not None:
        monkeypatch.setenv(local.VISIBLE, visible)
    if listed is not None:
        (tmp_path / "nvidia-smi").write_text(f"#!/bin/sh\ncat <<'END'\n{listed}\nEND\n")
        (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/bin{os.pathsep}/usr/bin" if listed else str(tmp_path))
    assert local.devices() == found


@pytest.mark.parametrize(
    ("name", "cluster", "says"),
    [
        pytest.param("cloud", "", "give local, ray or slurm", id="unknown"),
        pytest.param("local", "auto", "leave it out", id="a cluster here"),
        pytest.param("slurm", "queue=gpu", "give KEY=VALUE of partition, account, timeout_min", id="no such setting"),
        pytest.param("slurm", "timeout_min=soon", "timeout_min", id="no number"),
    ],
)
def test_an_executor_that_cannot_be_is_refused(name: str, cluster: str, says: str) -> None:
    with pytest.raises(ExecutorUnavailable, match=says):
        named(name, cluster, 1, os.environ)


@pytest.mark.parametrize(("name", "package"), [("ray", "ray"), ("slurm", "submitit")])
def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch, name: str, package: str) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ExecutorUnavailable, match=rf"pip install 'reward-harness\[{name}\]'"):
        named(name, "", 1, os.environ)


def test_a_job_of_slurm_has_no_more_threads_than_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "submitit", ModuleType("submitit"))
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    threads = [
        Slurm(0, {"OMP_NUM_THREADS": asked}, Settings(cpus_per_task=4), "local").changes["OMP_NUM_THREADS"]
        for asked in ("1", "64")
    ]
    assert threads == ["1", "4"]


def test_settings_of_slurm_are_those_of_submitit() -> None:
    asked = settings("partition=gpu, timeout_min=240,gpus_per_node=1,mem_gb=16", Settings)
    assert asked == Settings(partition="gpu", timeout_min=240, gpus_per_node=1, mem_gb=16.0)
    assert asked.model_dump(exclude_none=True) == {
        "slurm_partition": "gpu",
        "timeout_min": 240,
        "gpus_per_node": 1,
        "cpus_per_task": 1,
        "mem_gb": 16.0,
    }


class Reported:
    """A job of Slurm that is in a given state."""

    job_id = "17"

    def __init__(self, state: str) -> None:
        self.state = state
        self.cancelled = False

    def done(self) -> bool:
        return self.state not in ("PENDING", "RUNNING", "REQUEUED", "PREEMPTED")

    def cancel(self, check: bool) -> None:
        self.cancelled = True


@pytest.mark.parametrize(
    ("state", "cell", "lost", "cancelled"),
    [
        pytest.param("PENDING", None, None, False, id="it waits"),
        pytest.param("RUNNING", "running", None, False, id="it runs"),
        pytest.param("COMPLETED", "done", "", False, id="done"),
        pytest.param("COMPLETED", "failed", "", False, id="the cell failed, not the job"),
        pytest.param("TIMEOUT", "running", "Slurm's job 17 ended as TIMEOUT", False, id="its time was up"),
        pytest.param("TIMEOUT", "interrupted", "Slurm's job 17 ended as TIMEOUT", False, id="and the cell saved"),
        pytest.param("NODE_FAIL", "running", "Slurm's job 17 ended as NODE_FAIL", False, id="its node died"),
        pytest.param("PREEMPTED", "running", "Slurm's job 17 ended as PREEMPTED", True, id="another took its place"),
        pytest.param("FAILED", None, "Slurm's job 17 ended as FAILED", False, id="it never began"),
    ],
)
def test_what_the_end_of_a_slurm_job_means(
    tmp_path: Path, state: str, cell: str | None, lost: str | None, cancelled: bool
) -> None:
    if cell:
        (tmp_path / "status.json").write_text(json.dumps({"state": cell}))
    job = Reported(state)
    end = SlurmJob(tmp_path, job).poll()
    assert (end.lost if end else None) == lost
    assert job.cancelled == cancelled


@pytest.mark.slow
def test_cells_run_as_jobs_of_submitit(tmp_path: Path) -> None:
    environment = {**laid_over("slurm"), "HF_TOKEN": "a secret"}
    assert drive(environment, "submitit", tmp_path, "works", "dies", "raises", "hangs", "steps").wait(timeout=120) == 1
    states = {path.parent.name: told(path.parent)["state"] for path in tmp_path.glob("*/status.json")}
    assert states == {"works": "done", "dies": "failed", "raises": "failed", "hangs": "failed", "steps": "done"}
    kinds = [told(tmp_path / name)["error"]["type"] for name in ("dies", "raises", "hangs")]
    assert kinds == ["ProcessDied", "ValueError", "Hung"]
    until(lambda: not any(map(alive, processes(tmp_path))))
    assert not any(b"a secret" in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("option", "attempts"),
    [
        pytest.param("--ppid", 2, id="with the cell: it goes on in a new job"),
        pytest.param("-p", 1, id="without the cell: the new job waits for it and finds it done"),
    ],
)
def test_a_job_of_submitit_that_is_killed(tmp_path: Path, option: str, attempts: int) -> None:
    started = drive(laid_over("slurm"), "submitit", tmp_path, "steps")
    until(lambda: len(steps(tmp_path / "steps")) > 1)
    # submitit's first process stands for Slurm's, its child is the job.
    first = next((tmp_path / "steps" / "slurm").glob("*_log.out")).name.partition("_")[0]
    listed = subprocess.run(["ps", "-o", "pid=", option, first], capture_output=True, text=True)
    for number in listed.stdout.split():
        os.kill(int(number), signal.SIGKILL)
    assert started.wait(timeout=120) == 0
    assert steps(tmp_path / "steps") == list(range(1, STEPS + 1))
    assert len(processes(tmp_path)) == attempts


@pytest.fixture(scope="module")
def cluster() -> Iterator["tuple[str, subprocess.Popen[str]]"]:
    """Two nodes of one CPU each."""
    command = [sys.executable, str(HERE / "ray_cluster.py")]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=laid_over("ray"), start_new_session=True, **pipes) as started:
        assert started.stdout
        line = next(line for line in started.stdout if line.startswith("address "))
        yield line.split()[1], started
        assert started.stdin
        started.stdin.close()


@pytest.mark.slow
@pytest.mark.parametrize("end", [pytest.param(signal.SIGINT, id="Ctrl-C"), pytest.param(signal.SIGKILL, id="killed")])
def test_cells_on_a_cluster_end_with_the_command(cluster: Any, tmp_path: Path, end: signal.Signals) -> None:
    started = drive(laid_over("ray"), f"ray:{cluster[0]}", tmp_path, "steps0", "steps1", "steps2")
    until(lambda: steps(tmp_path / "steps0") and steps(tmp_path / "steps1"))
    os.killpg(started.pid, end)
    started.wait(timeout=20)
    until(lambda: not any(map(alive, processes(tmp_path))), 20)
    state = "interrupted" if end == signal.SIGINT else "running"
    assert [told(tmp_path / name)["state"] for name in ("steps0", "steps1")] == [state, state]


@pytest.mark.slow
def test_a_node_is_killed_and_everything_ends_done(cluster: Any, tmp_path: Path) -> None:
    address, control = cluster
    names = ("steps0", "steps1", "steps2", "raises", "dies")
    started = drive(laid_over("ray"), f"ray:{address}", tmp_path, *names)
    until(lambda: steps(tmp_path / "steps0") and steps(tmp_path / "steps1"))
    control.stdin.write("0\n")
    control.stdin.flush()
    assert started.wait(timeout=180) == 1
    for name in names[:3]:
        assert told(tmp_path / name)["state"] == "done"
        assert steps(tmp_path / name) == list(range(1, STEPS + 1)), "no step is lost and none is taken twice"
    assert len(processes(tmp_path)) == len(names) + 1
    assert [told(tmp_path / name)["error"]["type"] for name in names[3:]] == ["ValueError", "ProcessDied"]


@pytest.mark.slow
def test_a_cluster_is_started_here_where_there_is_none(tmp_path: Path) -> None:
    started = drive(laid_over("ray"), "ray", tmp_path, "works", "hangs")
    assert started.wait(timeout=200) == 1
    assert told(tmp_path / "works")["state"] == "done"
    assert told(tmp_path / "hangs")["error"]["type"] == "Hung"
    assert not any(map(alive, processes(tmp_path)))


@pytest.mark.slow
@pytest.mark.parametrize("address", ["127.0.0.1:1", "nowhere"])
def test_a_cluster_that_does_not_answer_is_said(address: str) -> None:
    code = f"import os; from ablations.executors.named import named; named('ray', '{address}', 0, os.environ)"
    done = subprocess.run(
        [sys.executable, "-c", code], env=laid_over("ray"), capture_output=True, text=True, timeout=60
    )
    assert f"ExecutorUnavailable: no Ray cluster answers at {address}" in done.stderr
