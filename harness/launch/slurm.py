"""A run over the nodes of a Slurm job: the batch script, and starting a launcher on every node from within.

launch/job.sbatch   what is submitted; `sbatch` starts it again, from the last checkpoint
launch/job.id       the number of the job that was submitted last
launch/job-N.log    what its batch step prints; the run has log.txt as ever
"""

import contextlib
import errno
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

from pydantic import Field

from ablations.executors import slurm
from harness import whole
from harness.launch import hosts
from harness.launch.accelerate import FOLDER
from harness.launch.placement import NODE, Launcher, NotPlaceable, Seat
from harness.training import TrainRun

SCRIPT = "job.sbatch"
ID = "job.id"
# Before the time is up the run is asked to save; it finishes its step first.
SAVE_SECONDS = 120
FIRST_PORT, PORTS = 20000, 20000
REFUSED = "sbatch: error: "


class Settings(slurm.Settings):
    """What a job asks for: the words of a study's cells, and how many nodes."""

    nodes: int = Field(default=1, ge=1)


def job() -> str | None:
    """The number of the job that this process is part of."""
    return os.environ.get("SLURM_JOB_ID")


def script(folder: Path, launcher: Launcher, asked: Settings) -> str:
    """The batch script. It is requeued when a node is lost; then, as ever, the run goes on from the last checkpoint."""
    home = str(folder / FOLDER).replace("%", "%%")
    options = {
        "job-name": "harness-" + re.sub(r"[^\w.-]", "-", folder.name),
        "partition": asked.slurm_partition,
        "account": asked.slurm_account,
        "nodes": asked.nodes,
        "ntasks-per-node": 1,
        "cpus-per-task": asked.cpus_per_task,
        "gpus-per-node": asked.gpus_per_node or None,
        "mem": f"{asked.mem_gb * 1024:.0f}M" if asked.mem_gb else None,
        "time": asked.timeout_min,
        # B: the batch script alone, which tells the run.
        "signal": f"B:USR1@{min(SAVE_SECONDS, 30 * asked.timeout_min)}",
        "open-mode": "append",
        "chdir": f'"{Path.cwd()}"',
        "output": f'"{home}/job-%j.log"',
    }
    lines = [f"#SBATCH --{name}={value}" for name, value in options.items() if value is not None]
    exports = [f"export {name}={shlex.quote(value)}" for name, value in hosts.environment().items()]
    own = [sys.executable, "-m", "harness.cli.job", str(folder), "--launch", launcher]
    about = "# A launcher on each node, started by srun: see docs/sharding.md."
    return "\n".join(["#!/bin/bash", *lines, "#SBATCH --requeue", *exports, about, f"exec {shlex.join(own)}", ""])


def submit(folder: Path, launcher: Launcher, asked: Settings) -> str:
    """Writes the script, hands it to Slurm and returns the job's number. Raises `NotPlaceable` where it is refused."""
    home = folder / FOLDER
    home.mkdir(exist_ok=True)
    whole.write(home / SCRIPT, script(folder, launcher, asked))
    done = subprocess.run(["sbatch", "--parsable", str(home / SCRIPT)], capture_output=True, text=True)
    if done.returncode:
        last = next(iter(done.stderr.strip().splitlines()[-1:]), f"exit code {done.returncode}").removeprefix(REFUSED)
        raise NotPlaceable(
            f"--slurm: Slurm refused {home / SCRIPT}: {last}; change --slurm, or ask `sinfo` what there is"
        )
    number = done.stdout.strip().partition(";")[0]
    whole.write(home / ID, number)
    return number


def queued(folder: Path) -> tuple[str, str] | None:
    """The job that was submitted last and its state, as PENDING; None where Slurm has no such job any more."""
    path = folder / FOLDER / ID
    if not path.is_file() or shutil.which("squeue") is None:
        return None
    number = path.read_text(encoding="utf-8").strip()
    told = subprocess.run(["squeue", "--noheader", "--format=%T", "--jobs", number], capture_output=True, text=True)
    state = told.stdout.strip().partition("\n")[0]
    return (number, state) if state else None


def nodes() -> list[str]:
    """Names of the nodes of the job that this is part of; the first is where its processes meet."""
    listed = os.environ.get("SLURM_JOB_NODELIST", "")
    told = subprocess.run(["scontrol", "show", "hostnames", listed], capture_output=True, text=True, check=True)
    return told.stdout.split()


def seat(run: TrainRun, machines: int) -> Seat:
    """Where the launchers of the job's nodes meet: at a port that its number gives, so that jobs do not share one."""
    head = _address(nodes()[0])
    port = FIRST_PORT + int(job() or 0) % PORTS
    try:
        port = hosts.port(head, port)
    except OSError as error:
        # Whether it is taken can be seen on the first node only, where the batch script runs.
        port = hosts.port(head) if error.errno == errno.EADDRINUSE else port
    return Seat(run.shard.processes // machines, machines, NODE, head, port)


def _address(node: str) -> str:
    """A node's name, or its address where Slurm alone knows the name, as that of a node in a cloud."""
    try:
        socket.getaddrinfo(node, None)
    except socket.gaierror:
        told = subprocess.run(["scontrol", "show", "node", node, "--oneliner"], capture_output=True, text=True)
        found = re.search(r"\bNodeAddr=(\S+)", told.stdout)
        return found[1] if found else node
    return node


def command(arguments: list[str], machines: int) -> list[str]:
    """srun with one guarded launcher a node; it ends all of them when one has failed."""
    cores = os.environ.get("SLURM_CPUS_PER_TASK")
    each = [f"--nodes={machines}", f"--ntasks={machines}", "--ntasks-per-node=1", "--kill-on-bad-exit=1"]
    # Since Slurm 22.05 a step no longer has the cores of its job unless it asks.
    each += [f"--cpus-per-task={cores}"] if cores else []
    return ["srun", *each, sys.executable, "-m", "harness.launch.guard", *arguments]


def interrupt(process: int) -> None:
    """Sends SIGINT to a process of the first node, which may not be this machine."""
    head = nodes()[0]
    if os.environ.get("SLURMD_NODENAME") == head:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGINT)
        return
    there = ["srun", "--overlap", "--nodes=1", "--ntasks=1", f"--nodelist={head}", "kill", "-INT", str(process)]
    subprocess.run(there, stdin=subprocess.DEVNULL, capture_output=True)
