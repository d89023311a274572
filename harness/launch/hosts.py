"""The machines of a hostfile, over ssh. They share a file system: the same working directory, Python and folders.

How a machine is reached is for `~/.ssh/config` to say. Nothing is asked: a key that needs a passphrase needs an agent.
"""

import shlex
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from harness import threads
from harness.launch.placement import Host

# No questions, and a machine that is silent for 45 s is gone.
SSH = ("ssh", "-oBatchMode=yes", "-oConnectTimeout=15", "-oServerAliveInterval=15", "-oServerAliveCountMax=3")
ANSWER_SECONDS = 90.0
# Where code and caches are, which network to use, how threads wait. Never a token or a key, which every user of a
# machine could read from the list of processes: the hub is asked, and trackers are told, by the first machine alone.
PASSED = """
PATH PYTHONPATH LD_LIBRARY_PATH LANG LC_ALL HARNESS_CACHE XDG_CACHE_HOME HF_HOME HF_HUB_CACHE HF_DATASETS_CACHE
HF_HUB_OFFLINE TRANSFORMERS_OFFLINE TORCH_HOME TORCH_EXTENSIONS_DIR TRITON_CACHE_DIR CUDA_HOME
CUDA_DEVICE_ORDER PYTORCH_CUDA_ALLOC_CONF DS_ACCELERATOR
""".split()
PASSED_PREFIXES = ("NCCL_", "GLOO_", "TORCH_NCCL_", "UCX_", "FI_")


def environment() -> dict[str, str]:
    """The variables that another machine is given."""
    return {
        name: value
        for name, value in sorted(threads.environment().items())
        if name in PASSED or name in threads.SETTINGS or name.startswith(PASSED_PREFIXES)
    }


def command(host: str, arguments: Sequence[str]) -> list[str]:
    """Runs `arguments` over there, guarded, in this working directory and with this Python."""
    given = [f"{name}={value}" for name, value in environment().items()]
    there = shlex.join(["env", *given, sys.executable, "-m", "harness.launch.guard", *arguments])
    return [*SSH, host, f"cd {shlex.quote(str(Path.cwd()))} && exec {there}"]


def address(host: str) -> str:
    """The name or address behind a name that may be ssh's alone."""
    if shutil.which(SSH[0]) is None:
        return host
    told = subprocess.run([SSH[0], "-G", host], capture_output=True, text=True).stdout
    names = (line.partition(" ")[2] for line in told.splitlines() if line.startswith("hostname "))
    return next(names, host)


def port(meeting: str, wanted: int = 0) -> int:
    """The `wanted` port, or any, that is free on this machine.

    Raises:
        OSError: it is taken (`EADDRINUSE`), or `meeting` is no address of this machine.
    """
    family, kind, protocol, _, place = socket.getaddrinfo(meeting, wanted, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind, protocol) as listening:
        listening.bind(place)
        return int(listening.getsockname()[1])


def problems(hosts: Sequence[Host]) -> Iterator[str]:
    """Why the run cannot be started from here."""
    if len(hosts) > 1 and shutil.which(SSH[0]) is None:
        yield "--hostfile: there is no ssh here; install the OpenSSH client"
        return
    try:
        port(address(hosts[0].name))
    except OSError as error:
        yield (
            f"--hostfile: its first machine {hosts[0].name} is not this one ({error.strerror}); start the command "
            "there, or name this machine first"
        )


def unreachable(hosts: Sequence[Host], folder: Path) -> list[str]:
    """Asks all of them at once whether they see the run's folder, with this Python; a line for each that does not."""
    asked = {
        host.name: subprocess.Popen(
            command(host.name, ["test", "-f", str(folder / "config.toml")]),
            # Open until it has answered, for its guard.
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        for host in hosts
    }
    deadline = time.monotonic() + ANSWER_SECONDS
    return [line for name, process in asked.items() if (line := _answer(name, process, folder, deadline))]


def _answer(host: str, process: "subprocess.Popen[str]", folder: Path, deadline: float) -> str | None:
    assert process.stderr is not None
    try:
        code = process.wait(max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        process.kill()
        return f"{host} does not answer within {ANSWER_SECONDS:.0f} s; make `ssh {host} true` work without a question"
    last = next(iter(process.stderr.read().strip().splitlines()[-1:]), f"exit code {code}")
    if code == 0:
        return None
    if code == 255:
        return f"{host}: {last}; make `ssh -o BatchMode=yes {host} true` work, without a question"
    return (
        f"{host} has not what is here ({last}); share {Path.cwd()}, {folder} and {sys.executable} with it, "
        "by the same paths"
    )


def lost(code: int, log: str) -> str | None:
    """How a connection ended that should not have, in ssh's own words where there are any; None where it did not."""
    if code != 255 and code < 128:
        return None
    words = ("ssh: ", "Connection to ", "client_loop: ", "Timeout, server ", "kex_exchange", "Received disconnect")
    said = [line.strip() for line in log.splitlines() if line.startswith(words)]
    return said[-1] if said else "its connection ended" if code == 255 else f"killed by signal {code - 128}"
