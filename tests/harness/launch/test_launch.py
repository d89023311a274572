"""Starting a run in its own session: how it ended is always known. The run here is a script of a few lines."""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from harness import advice, launch, status
from harness.launch import endings, torchrun
from harness.launch.placement import Host, Placement, Seat
from harness.launch.session import Launcher, Session
from harness.training import ShardConfig, TrainRun

SAYS = """
import os, signal, sys, time
from pathlib import Path
from harness.status import StatusFile, end_with_parent
end_with_parent()
folder = Path(sys.argv[1])
file = StatusFile(folder, 9)
"""


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes a text the module that is started."""

    def write(text: str) -> None:
        (tmp_path / "a_run.py").write_text(SAYS + dedent(text))
        monkeypatch.setattr(TrainRun, "module", "a_run")
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), str(Path(launch.__file__).parents[2])]))

    return write


def told(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / status.FILE).read_text()))


def test_a_run_that_ends_well_is_watched_and_gives_zero(script: Any, run: TrainRun, tmp_path: Path) -> None:
    script('file.say(step=1)\ntime.sleep(1)\nprint("hello")\nfile.say(state="done", step=9)')
    (tmp_path / "log.txt").write_text("an earlier attempt\n")
    seen: list[int] = []
    assert launch.start(tmp_path, run, lambda status: seen.append(status["step"])) == 0
    assert 1 in seen
    assert (tmp_path / "log.txt").read_text() == "an earlier attempt\nhello\n"


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        pytest.param('file.failed(ValueError("no\\nmore"))\nsys.exit(1)', "ValueError", "no", id="it says so"),
        pytest.param("sys.exit(3)", "ProcessDied", "the process ended with exit code 3", id="without a word"),
        pytest.param(
            "file.say(step=4)\nos.kill(os.getpid(), signal.SIGKILL)",
            "ProcessDied",
            f"the process was killed by SIGKILL; {advice.GOES_ON}",
            id="killed",
        ),
    ],
)
def test_a_run_that_ends_badly_leaves_a_status(
    script: Any, run: TrainRun, tmp_path: Path, text: str, kind: str, message: str
) -> None:
    script(text)
    (tmp_path / status.FILE).write_text('{"state": "done"}')
    assert launch.start(tmp_path, run) == 1
    assert told(tmp_path)["state"] == "failed"
    assert told(tmp_path)["error"].items() >= {"type": kind, "message": message}.items()


# A run that says what it met, as every run does, and one that dies before it can.
TRIES = """
    import mmap, resource, socket, tempfile
    try:
        {}
    except Exception as error:
        file.failed(error)
        sys.exit(1)
"""
FULL = "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)); (folder / 'weights').write_bytes(bytes(9999))"
FILES = "resource.setrlimit(resource.RLIMIT_NOFILE, (12, 12)); files = [open('/dev/null') for _ in range(12)]"
MEMORY = "resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30)); bytearray(2**31)"
PORT = "server = socket.create_server(('127.0.0.1', 0)); socket.create_server(server.getsockname())"


@pytest.mark.parametrize(
    ("tries", "kind", "says"),
    [
        pytest.param(FULL, "NoSpace", "make room where", id="full disk"),
        pytest.param(FILES, "TooManyFiles", "ulimit -n 65536", id="open files"),
        pytest.param(MEMORY, "OutOfMemory", "optimizer.micro_batch", id="memory"),
        pytest.param(PORT, "PortInUse", "ss -ltnp", id="port"),
    ],
)
def test_what_people_meet_ends_with_what_to_change(
    script: Any, run: TrainRun, tmp_path: Path, tries: str, kind: str, says: str
) -> None:
    script(TRIES.format(tries))
    assert launch.start(tmp_path, run) == 1
    assert told(tmp_path)["error"]["type"] == kind
    assert says in told(tmp_path)["error"]["message"]


def test_a_rendezvous_whose_port_is_taken_says_so(
    run: TrainRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Chosen ports are free; here one is taken in the moment between."""
    two = run.model_copy(update={"shard": ShardConfig(processes=2)})
    with socket.create_server(("127.0.0.1", 0)) as taken:
        seat = Seat(1, 2, "0", "127.0.0.1", taken.getsockname()[1])
        own = torchrun.command(tmp_path, two, seat)
        monkeypatch.setattr(launch, "launchers", lambda *_: [Launcher(own)])
        assert launch.start(tmp_path, two) == 1
    assert told(tmp_path)["error"]["type"] == "PortInUse"
    assert str(seat.port) in told(tmp_path)["error"]["message"]


def interrupt(at: list[float]) -> Any:
    """Raises KeyboardInterrupt in the watching loop, as Ctrl-C does, when so many seconds have passed."""
    began = time.monotonic()

    def watch(_: dict[str, Any]) -> None:
        if at and time.monotonic() - began > at[0]:
            at.pop(0)
            raise KeyboardInterrupt

    return watch


def test_ctrl_c_lets_the_run_finish_what_it_does(script: Any, run: TrainRun, tmp_path: Path) -> None:
    script("""
        asked = []
        signal.signal(signal.SIGINT, lambda *_: asked.append(1))
        file.say(step=1)
        while not asked:
            time.sleep(0.05)
        time.sleep(0.5)
        file.say(state="interrupted", step=2)
        sys.exit(130)
    """)
    with pytest.raises(KeyboardInterrupt):
        launch.start(tmp_path, run, interrupt([0.3]))
    assert (told(tmp_path)["state"], told(tmp_path)["step"]) == ("interrupted", 2)


def test_the_second_ctrl_c_ends_it_at_once(script: Any, run: TrainRun, tmp_path: Path) -> None:
    script("""
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        file.say(step=1)
        time.sleep(600)
    """)
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        launch.start(tmp_path, run, interrupt([0.3, 0.6]))
    assert time.monotonic() - began < 30
    assert told(tmp_path)["state"] == "interrupted"
    assert not _alive(told(tmp_path)["pid"])


def test_a_killed_command_leaves_no_run_behind(script: Any, run: TrainRun, tmp_path: Path) -> None:
    script("file.say(step=1)\ntime.sleep(600)")
    run.write(tmp_path / "config.toml")
    command = """if True:
        import sys
        from pathlib import Path
        from harness import launch
        from harness.training import TrainRun

        TrainRun.module = "a_run"
        folder = Path(sys.argv[1])
        launch.start(folder, TrainRun.read(folder / "config.toml"))
    """
    process = subprocess.Popen([sys.executable, "-c", command, str(tmp_path)])
    while not (tmp_path / status.FILE).is_file():
        time.sleep(0.05)
    child = told(tmp_path)["pid"]
    process.kill()
    process.wait()
    deadline = time.monotonic() + 20
    while _alive(child) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not _alive(child)


def _alive(process: int) -> bool:
    """A process that ended and that nobody waited for is dead."""
    path = Path("/proc") / str(process) / "stat"
    return path.is_file() and path.read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.mark.parametrize(
    ("processes", "placement", "seats"),
    [
        pytest.param(1, Placement(), [[]], id="one process needs no torchrun"),
        pytest.param(2, Placement(), [["--standalone", "--nproc-per-node", "2"]], id="one machine"),
        pytest.param(2, Placement(hosts=(Host("a", 2),)), [["--standalone", "--nproc-per-node", "2"]], id="one host"),
    ],
)
def test_what_is_executed_on_one_machine(
    run: TrainRun, tmp_path: Path, processes: int, placement: Placement, seats: list[list[str]]
) -> None:
    several = run.model_copy(update={"shard": ShardConfig(processes=processes)})
    torchrun = ["-m", "torch.distributed.run"] if processes > 1 else []
    own = ["-m", "harness.trainers.run", str(tmp_path)]
    expected = [[sys.executable, *torchrun, *seat, *own] for seat in seats]
    found = launch.launchers(tmp_path, several, placement)
    assert [launcher.arguments for launcher in found] == expected
    assert not any(launcher.guarded for launcher in found)


SUMMARY = """
Failures:
[1]:
  time      : 2026-01-01_00:00:00
  host      : localhost
  rank      : 1 (local_rank: 1)
  exitcode  : {other} (pid: 12)
  error_file: <N/A>
Root Cause (first observed failure):
[0]:
  time      : 2026-01-01_00:00:00
  host      : localhost
  rank      : 0 (local_rank: 0)
  exitcode  : {root} (pid: 11)
"""


TWO_HOSTS = Placement(hosts=(Host("a"), Host("b")))


@pytest.mark.parametrize(
    ("root", "other", "placement", "names"),
    [
        pytest.param(1, -9, Placement(), "process 1 of 2 was killed by SIGKILL", id="the other failed because of it"),
        pytest.param(-9, -15, Placement(), "process 0 of 2 was killed by SIGKILL", id="torchrun ended the other"),
        pytest.param(-11, 1, TWO_HOSTS, "process 0 of 2, on a, was killed by SIGSEGV", id="the first of two machines"),
        pytest.param(1, -9, TWO_HOSTS, "process 1 of 2, on b, was killed by SIGKILL", id="the second of two machines"),
        pytest.param(1, -9, Placement(nodes=2), "process 1 of 2, on localhost, was killed by SIGKILL", id="a node"),
        pytest.param(1, -15, Placement(), None, id="an error of its own"),
        pytest.param(1, 1, Placement(), None, id="both failed"),
    ],
)
def test_of_several_the_one_that_was_killed_is_named(
    run: TrainRun, tmp_path: Path, root: int, other: int, placement: Placement, names: str | None
) -> None:
    two = run.model_copy(update={"shard": ShardConfig(processes=2)})
    ended = ended_session(tmp_path, SUMMARY.format(root=root, other=other))
    found = endings.killed(two, placement, ended, by_kernel=False)
    assert found == (names and ("ProcessDied", f"{names}; {advice.GOES_ON}"))


def ended_session(folder: Path, says: str) -> Session:
    """A session of one process that prints something and fails."""
    code = f"import sys; print({says!r}); sys.exit(1)"
    with Session([Launcher([sys.executable, "-c", code])], folder / "log.txt") as session:
        while not session.over():
            time.sleep(0.05)
    return session


def test_a_kill_by_the_kernel_is_a_lack_of_memory(run: TrainRun, tmp_path: Path) -> None:
    two = run.model_copy(update={"shard": ShardConfig(processes=2)})
    ended = ended_session(tmp_path, SUMMARY.format(root=1, other=-9))
    kind, message = endings.killed(two, Placement(), ended, by_kernel=True) or ("", "")
    assert kind == "OutOfMemory"
    assert message.startswith("process 1 of 2 was killed by SIGKILL because memory ran out; lower ")


def test_of_several_processes_the_first_error_stands(tmp_path: Path) -> None:
    first, other = status.StatusFile(tmp_path, 5), status.StatusFile(tmp_path, 5, first=False)
    first.say(step=3)
    other.say(step=4)
    assert told(tmp_path)["step"] == 3
    other.failed(ValueError("the cause"))
    first.failed(RuntimeError("connection closed by peer"))
    assert told(tmp_path)["error"].items() >= {"type": "ValueError", "message": "the cause"}.items()
    assert (told(tmp_path)["state"], told(tmp_path)["step"]) == ("failed", 3)
