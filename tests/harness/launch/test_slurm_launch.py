"""A run as a Slurm job: the script, and a real Slurm of two nodes, both this machine, which the test starts itself."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import tomli_w

from ablations.executors import ExecutorUnavailable
from ablations.executors.slurm import settings
from harness.launch import hosts, slurm

DAEMONS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "salloc")
CONFIG = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
AuthType=auth/munge
AuthInfo=socket={home}/munge.sock
SlurmUser=root
SlurmdUser=root
StateSaveLocation={home}/state
SlurmdSpoolDir={home}/spool-%n
SlurmctldPidFile={home}/slurmctld.pid
SlurmdPidFile={home}/slurmd-%n.pid
SlurmctldLogFile={home}/slurmctld.log
SlurmdLogFile={home}/slurmd-%n.log
ProctrackType=proctrack/pgid
TaskPlugin=task/none
MpiDefault=none
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
NodeName=node[1-2] NodeHostname={host} NodeAddr=127.0.0.1 Port=[{ports[1]}-{ports[2]}] CPUs=1
PartitionName=cpu Nodes=node[1-2] Default=YES State=UP MaxTime=INFINITE
"""
NODES = ("--slurm", "nodes=2,timeout_min=10")


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        pytest.param(
            "nodes=2", ["--nodes=2", "--time=1440", "--signal=B:USR1@120", "--requeue"], id="as little as may be"
        ),
        pytest.param("timeout_min=2", ["--nodes=1", "--time=2", "--signal=B:USR1@60"], id="little time"),
        pytest.param(
            "nodes=4,partition=gpu,account=me,gpus_per_node=8,cpus_per_task=32,mem_gb=64",
            ["--partition=gpu", "--account=me", "--gpus-per-node=8", "--cpus-per-task=32", "--mem=65536M"],
            id="all of it",
        ),
    ],
)
def test_the_script_asks_for_what_was_given(tmp_path: Path, text: str, lines: list[str]) -> None:
    script = slurm.script(tmp_path / "a run", "accelerate", settings(text, slurm.Settings))
    assert {f"#SBATCH {line}" for line in lines} <= set(script.splitlines())
    assert subprocess.run(["bash", "-n"], input=script, text=True).returncode == 0
    assert script.splitlines()[-1].endswith("--launch accelerate")


def test_an_unknown_setting_lists_those_there_are() -> None:
    with pytest.raises(ExecutorUnavailable, match=r"slurm: node: .*give KEY=VALUE of .*nodes"):
        settings("node=2", slurm.Settings)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A munged, a slurmctld and two slurmd; yields the environment of who uses them."""
    missing = [name for name in DAEMONS if shutil.which(name) is None]
    if missing or os.geteuid():
        pytest.skip(f"no Slurm to start here: {', '.join(missing) or 'needs root'}; install slurm-wlm and munge")
    home = tmp_path_factory.mktemp("slurm")
    (home / "state").mkdir()
    (home / "key").write_bytes(os.urandom(1024))
    (home / "key").chmod(0o600)
    first = next(port for port in range(26820, 27820, 3) if free(port, port + 1, port + 2))
    config = home / "slurm.conf"
    config.write_text(CONFIG.format(host=socket.gethostname(), home=home, ports=range(first, first + 3)))
    environment = os.environ | {"SLURM_CONF": str(config)}
    names = {name: str(home / f"munge.{name}") for name in ("log", "seed", "pid")}
    munge = ["munged", "-F", "--force", f"--key-file={home}/key", f"--socket={home}/munge.sock"]
    munge += [f"--{'pid' if name == 'pid' else name}-file={path}" for name, path in names.items()]
    commands = [munge, ["slurmctld", "-D"], ["slurmd", "-D", "-N", "node1"], ["slurmd", "-D", "-N", "node2"]]
    with (home / "log").open("wb") as log:
        started = []
        for command in commands:
            started.append(subprocess.Popen(command, env=environment, stdout=log, stderr=log))
            time.sleep(1)
        try:
            if not ready(environment):
                pytest.skip(f"this Slurm runs no two nodes on one machine: {(home / 'log').read_text()[-500:]}")
            yield environment
            subprocess.run(["scancel", "--user=root"], env=environment, capture_output=True)
            time.sleep(1)
        finally:
            for process in reversed(started):
                process.terminate()
                process.wait()


def free(*ports: int) -> bool:
    try:
        return [hosts.port("127.0.0.1", port) for port in ports] == list(ports)
    except OSError:
        return False


def ready(environment: dict[str, str]) -> bool:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        told = subprocess.run(["sinfo", "-h", "-o", "%T %D"], env=environment, capture_output=True, text=True)
        if told.stdout.strip() == "idle 2":
            return True
        time.sleep(0.5)
    return False


@pytest.fixture
def train(cluster: dict[str, str], model_folder: Path, data_folder: Path, tmp_path: Path) -> Callable[..., Any]:
    """`harness train` in a Slurm cluster, in front of it `before`; with `interrupt`, Ctrl-C after so many steps."""

    def train(name: str, *flags: str, steps: int = 6, before: tuple[str, ...] = (), interrupt: int = 0) -> Any:
        recipe = {
            "model": str(model_folder),
            "data": str(data_folder),
            "prompt": "bare",
            "optimizer": {"steps": steps, "batch_size": 8, "learning_rate": 1e-3},
            "sft": {"max_length": 128},
        }
        file = tmp_path / f"{name}.toml"
        file.write_text(tomli_w.dumps(recipe))
        own = [sys.executable, "-m", "harness", "train", "sft", "--config", str(file), "--out", str(tmp_path / name)]
        command = [*before, *own, *flags, "--json"]
        with subprocess.Popen(command, env=cluster, stdout=-1, stderr=-1, text=True) as process:
            if interrupt:
                wait(lambda: told(tmp_path / name)["step"] >= interrupt)
                # Ctrl-C reaches the command and what stands before it.
                os.kill(int(Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()[0]), 2)
            out, err = process.communicate()
        return subprocess.CompletedProcess(command, process.returncode, out, err)

    return train


def told(folder: Path) -> dict[str, Any]:
    path = folder / "status.json"
    return dict(json.loads(path.read_text())) if path.is_file() else {"state": None, "step": 0}


def wait(until: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < deadline
        time.sleep(0.25)


@pytest.mark.slow
def test_a_job_of_two_nodes_trains_what_one_machine_does(
    train: Callable[..., Any], losses: Callable[[Path], list[float]], cluster: dict[str, str], tmp_path: Path
) -> None:
    assert train("one", "--processes", "2").returncode == 0
    submitted = train("two", *NODES)
    assert submitted.returncode == 0, submitted.stderr
    assert json.loads(submitted.stdout)["state"] == "SUBMITTED"
    # Asked again it submits nothing, but tells how the job stands.
    again = json.loads(train("two", *NODES).stdout)
    assert again["job"] == json.loads(submitted.stdout)["job"]
    assert again["state"] in ("PENDING", "RUNNING")
    wait(lambda: not slurm_state(cluster, again["job"]))
    assert losses(tmp_path / "two") == pytest.approx(losses(tmp_path / "one"), rel=1e-6)
    assert json.loads(train("two", *NODES).stdout)["state"] == "done"


@pytest.mark.slow
def test_a_job_whose_time_is_nearly_up_saves_and_the_next_one_goes_on(
    train: Callable[..., Any], losses: Callable[[Path], list[float]], cluster: dict[str, str], tmp_path: Path
) -> None:
    folder = tmp_path / "long"
    number = json.loads(train("long", *NODES, steps=300).stdout)["job"]
    wait(lambda: told(folder)["step"] >= 2)
    # What Slurm does at `--signal=B:USR1@120`.
    subprocess.run(["scancel", "--batch", "--signal=USR1", number], env=cluster, check=True)
    wait(lambda: told(folder)["state"] == "interrupted")
    saved = told(folder)["step"]
    assert 2 <= saved < 300
    assert (folder / "checkpoints" / f"checkpoint-{saved}").is_dir()
    wait(lambda: not slurm_state(cluster, number), 60)
    assert json.loads(train("long", *NODES, steps=300).stdout)["job"] != number
    wait(lambda: told(folder)["state"] == "done", 240)
    assert len(losses(folder)) == 300


def slurm_state(cluster: dict[str, str], number: str) -> str:
    command = ["squeue", "-h", "-o", "%T", "-j", number]
    return subprocess.run(command, env=cluster, capture_output=True, text=True).stdout.strip()


@pytest.mark.slow
def test_within_an_allocation_it_runs_there_and_a_killed_process_is_named(
    train: Callable[..., Any], cluster: dict[str, str], tmp_path: Path
) -> None:
    done = train("inside", *NODES, "--launch", "accelerate", before=("salloc", "--nodes=2", "--quiet"))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["step"] == 6
    wrong = train("wrong", "--slurm", "nodes=1", before=("salloc", "--nodes=2", "--quiet"))
    assert wrong.returncode == 2
    assert "of 2 nodes; give nodes=2" in wrong.stderr
    stopped = train("stopped", *NODES, steps=4000, before=("salloc", "--nodes=2", "--quiet"), interrupt=2)
    assert stopped.returncode == 130, stopped.stderr
    assert told(tmp_path / "stopped")["state"] == "interrupted"
    number = json.loads(train("killed", *NODES, steps=4000).stdout)["job"]
    folder = tmp_path / "killed"
    wait(lambda: told(folder)["step"] >= 2)
    os.kill(second(folder), signal.SIGKILL)
    wait(lambda: not slurm_state(cluster, number), 60)
    assert told(folder)["state"] == "failed"
    assert told(folder)["error"]["type"] == "ProcessDied"
    assert told(folder)["error"]["message"].startswith("process 1 of 2, on ")


def second(folder: Path) -> int:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line, environment = path.read_bytes(), path.with_name("environ").read_bytes()
        except OSError:
            continue
        own = b"-m\0harness.trainers.run\0" + str(folder).encode() in line and b"torch.distributed" not in line
        if own and b"\0RANK=1\0" in environment:
            return int(path.parent.name)
    raise AssertionError("no second process")
