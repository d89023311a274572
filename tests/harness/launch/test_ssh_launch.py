"""Machines of a hostfile, over a real ssh: two names of this machine, each reached through an sshd of the test's own.

No real second machine was there: what two names cannot show is another file system, another clock and a real network.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness import launch
from harness.launch import hosts
from harness.launch.placement import Host, NotPlaceable, Placement
from harness.training import TrainRun

SSHD = shutil.which("sshd") or "/usr/sbin/sshd"
HOSTS = (Host("127.0.0.1"), Host("127.0.0.2"))
TWO = Placement(hosts=HOSTS)


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An sshd at a port of its own with keys of its own; yields a folder with an `ssh` that knows how to reach it."""
    if not Path(SSHD).is_file() or shutil.which("ssh") is None:
        pytest.skip("no sshd here: install openssh-server and openssh-client")
    home = tmp_path_factory.mktemp("ssh")
    home.chmod(0o700)
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(home / name)], check=True)
    port = hosts.port("127.0.0.1")
    server = {
        "Port": port,
        "ListenAddress": "0.0.0.0",
        "HostKey": home / "host",
        "AuthorizedKeysFile": home / "user.pub",
        "PidFile": home / "pid",
        "StrictModes": "no",
        "UsePAM": "no",
        "PasswordAuthentication": "no",
    }
    (home / "sshd_config").write_text("".join(f"{key} {value}\n" for key, value in server.items()))
    client = {"Port": port, "IdentityFile": home / "user", "UserKnownHostsFile": home / "known"}
    (home / "ssh_config").write_text("Host *\n" + "".join(f"  {key} {value}\n" for key, value in client.items()))
    key = (home / "host.pub").read_text()
    # 127.0.0.3 shows another key than it is known by.
    known = [f"[127.0.0.{number}]:{port} {key}" for number in (1, 2)]
    (home / "known").write_text("".join([*known, f"[127.0.0.3]:{port} {(home / 'user.pub').read_text()}"]))
    # A user says all this in ~/.ssh/config, which ssh finds by the password file, not by $HOME.
    (home / "bin").mkdir()
    (home / "bin" / "ssh").write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {home}/ssh_config "$@"\n')
    (home / "bin" / "ssh").chmod(0o755)
    if os.geteuid() == 0:
        # Where it drops its privileges; a package's service makes it.
        Path("/run/sshd").mkdir(exist_ok=True)
    process = subprocess.Popen([SSHD, "-D", "-e", "-f", str(home / "sshd_config")], stderr=subprocess.DEVNULL)
    yield home / "bin"
    process.terminate()
    process.wait()


@pytest.fixture
def reached(sshd: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", os.pathsep.join([str(sshd), os.environ["PATH"]]))
    deadline = time.monotonic() + 10
    while subprocess.run([*hosts.SSH, "127.0.0.2", "true"], capture_output=True).returncode:
        assert time.monotonic() < deadline, "the sshd of the test does not answer"
        time.sleep(0.1)


def left(folder: Path) -> list[str]:
    """Command lines of processes that still have to do with a folder, launchers and guards included."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if str(folder) in line and path.parent.name != str(os.getpid()):
                found.append(line)
    return found


def gone(folder: Path) -> bool:
    """Whether nothing is left of a run, soon after it ended."""
    deadline = time.monotonic() + 5
    while left(folder) and time.monotonic() < deadline:
        time.sleep(0.1)
    return not left(folder)


def error(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "status.json").read_text())["error"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("launcher", "slots"),
    [
        pytest.param("torchrun", (1, 1), id="torchrun"),
        pytest.param("torchrun", (2, 1), id="torchrun, uneven"),
        pytest.param("accelerate", (1, 1), id="accelerate"),
    ],
)
def test_two_machines_train_what_one_does(
    lay: Any, losses: Callable[[Path], list[float]], reached: None, launcher: Any, slots: tuple[int, int]
) -> None:
    one, two = lay("one", processes=sum(slots)), lay("two", processes=sum(slots))
    hosts = tuple(Host(host.name, number) for host, number in zip(HOSTS, slots, strict=True))
    run = TrainRun.read(one / "config.toml")
    assert launch.start(one, run) == 0
    assert launch.start(two, run, placement=Placement(launcher, hosts)) == 0, (two / "log.txt").read_text()[-3000:]
    assert losses(two) == pytest.approx(losses(one), rel=1e-6)
    assert gone(two)


def on_second(folder: Path, module: str) -> int:
    """The number of the second machine's guard, of the launcher that it started, or of that one's process."""
    marks = {
        "harness.launch.guard": lambda words, process: True,
        "torch.distributed.run": lambda words, process: words[words.index("--node-rank") + 1] == "1",
        "harness.trainers.run": lambda words, process: b"\0RANK=1\0" in (process / "environ").read_bytes(),
    }
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            words = path.read_bytes().decode().split("\0")
            # The first module is what it runs; a guard's and a launcher's arguments name others.
            runs = words[words.index("-m") + 1] if "-m" in words else ""
            if str(folder) in words and runs == module and marks[module](words, path.parent):
                return int(path.parent.name)
    raise AssertionError(f"no {module} of the second machine")


def sshd_of(process: int) -> int:
    """The sshd that serves the connection which a guard came by."""
    while Path(f"/proc/{process}/comm").read_text().strip() != "sshd":
        process = int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
    return process


VICTIMS: dict[str, tuple[Callable[[Path], int], str, str]] = {
    "a process of the run": (
        lambda folder: on_second(folder, "harness.trainers.run"),
        "ProcessDied",
        "process 1 of 2, on 127.0.0.2, was killed by SIGKILL",
    ),
    "the launcher": (
        lambda folder: on_second(folder, "torch.distributed.run"),
        "MachineLost",
        "the machine 127.0.0.2 is lost: killed by signal 9",
    ),
    "the connection": (
        lambda folder: sshd_of(on_second(folder, "harness.launch.guard")),
        "MachineLost",
        "the machine 127.0.0.2 is lost: ",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("victim", list(VICTIMS))
def test_a_dead_machine_ends_the_run_everywhere_and_is_named(lay: Any, reached: None, victim: str) -> None:
    folder = lay("killed", steps=4000)
    find, kind, message = VICTIMS[victim]
    killed: list[float] = []

    def watch(status: dict[str, Any]) -> None:
        if status["step"] >= 2 and not killed:
            os.kill(find(folder), signal.SIGKILL)
            killed.append(time.monotonic())

    assert launch.start(folder, TrainRun.read(folder / "config.toml"), watch, TWO) == 1
    assert time.monotonic() - killed[0] < 40
    assert error(folder)["type"] == kind
    assert error(folder)["message"].startswith(message)
    assert "checkpoint" in error(folder)["message"]
    assert gone(folder)


@pytest.mark.slow
def test_a_machine_that_falls_silent_is_lost_after_45_seconds(lay: Any, reached: None) -> None:
    folder = lay("silent", steps=40000)
    stopped: list[tuple[int, float]] = []

    def watch(status: dict[str, Any]) -> None:
        if status["step"] >= 2 and not stopped:
            stopped.append((sshd_of(on_second(folder, "harness.launch.guard")), time.monotonic()))
            os.kill(stopped[0][0], signal.SIGSTOP)

    assert launch.start(folder, TrainRun.read(folder / "config.toml"), watch, TWO) == 1
    process, since = stopped[0]
    try:
        assert 40 < time.monotonic() - since < 90
        assert error(folder)["type"] == "MachineLost"
        assert "Timeout, server 127.0.0.2 not responding" in error(folder)["message"]
    finally:
        # The machine is back.
        os.kill(process, signal.SIGCONT)
    assert gone(folder)


@pytest.mark.slow
def test_ctrl_c_reaches_all_and_the_run_goes_on(lay: Any, losses: Callable[[Path], list[float]], reached: None) -> None:
    folder = lay("interrupted", steps=60)
    run = TrainRun.read(folder / "config.toml")

    def watch(status: dict[str, Any]) -> None:
        if status["step"] >= 2 and not (folder / "asked").exists():
            (folder / "asked").touch()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        launch.start(folder, run, watch, TWO)
    told = json.loads((folder / "status.json").read_text())
    assert told["state"] == "interrupted"
    assert 2 <= told["step"] < 60
    assert gone(folder)
    assert launch.start(folder, run, placement=TWO) == 0
    assert len(losses(folder)) == 60


@pytest.mark.slow
def test_a_killed_command_leaves_nothing_on_the_other_machine(lay: Any, reached: None) -> None:
    folder = lay("left", steps=4000)
    code = f"""if True:
        from pathlib import Path
        from harness import launch
        from harness.launch.placement import Host, Placement
        from harness.training import TrainRun

        folder = Path({str(folder)!r})
        hosts = (Host("127.0.0.1"), Host("127.0.0.2"))
        launch.start(folder, TrainRun.read(folder / "config.toml"), placement=Placement(hosts=hosts))
    """
    command = subprocess.Popen([sys.executable, "-c", code])
    path = folder / "metrics.jsonl"
    while not path.is_file():
        assert command.poll() is None
        time.sleep(0.1)
    assert any("harness.launch.guard" in line for line in left(folder))
    command.kill()
    command.wait()
    assert gone(folder)


@pytest.mark.parametrize(
    ("others", "says"),
    [
        pytest.param(("127.0.0.3",), "127.0.0.3: Host key verification failed.; make `ssh -o BatchMode=yes", id="key"),
        pytest.param(("no.such.machine.invalid",), "Could not resolve hostname", id="name", marks=pytest.mark.slow),
        pytest.param(("127.0.0.3", "127.0.0.4"), "127.0.0.4: Host key verification failed.", id="all at once"),
    ],
)
def test_a_machine_that_cannot_be_reached_is_a_line_and_nothing_is_started(
    lay: Any, reached: None, others: tuple[str, ...], says: str
) -> None:
    folder = lay("unreached")
    placement = Placement(hosts=(Host("127.0.0.1"), *map(Host, others)))
    with pytest.raises(NotPlaceable) as raised:
        launch.start(folder, TrainRun.read(folder / "config.toml"), placement=placement)
    assert len(str(raised.value).splitlines()) == len(others)
    assert says in str(raised.value)
    assert [path.name for path in folder.iterdir()] == ["config.toml"]


def test_a_machine_without_the_folder_is_named(tmp_path: Path, reached: None) -> None:
    line = hosts.unreachable([Host("127.0.0.2")], tmp_path / "not there")[0]
    assert line.startswith("127.0.0.2 has not what is here (exit code 1); share ")


def test_no_secret_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_TOKEN", "WANDB_API_KEY", "AWS_SECRET_ACCESS_KEY", "GITHUB_TOKEN"):
        monkeypatch.setenv(name, "hush")
    monkeypatch.setenv("NCCL_SOCKET_IFNAME", "eth1")
    assert "hush" not in " ".join(hosts.command("a", ["true"]))
    assert "NCCL_SOCKET_IFNAME=eth1" in hosts.command("a", ["true"])[-1]
