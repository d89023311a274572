"""Starting a run in its own session: how it ended is always known. The run here is a script of a few lines."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from harness import launch, status
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
        monkeypatch.setattr(launch, "MODULE", "a_run")
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), str(Path(launch.__file__).parents[1])]))

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
        pytest.param("sys.exit(3)", "ProcessDied", launch.SILENT, id="without a word"),
        pytest.param(
            "file.say(step=4)\nos.kill(os.getpid(), signal.SIGKILL)",
            "ProcessDied",
            "the process was killed by SIGKILL; the same command goes on from the last checkpoint",
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

        launch.MODULE = "a_run"
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


def test_several_processes_are_started_by_torchrun(run: TrainRun, tmp_path: Path) -> None:
    assert launch.command(tmp_path, run) == [sys.executable, "-m", launch.MODULE, str(tmp_path)]
    two = run.model_copy(update={"shard": ShardConfig(processes=2)})
    torchrun = ["torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m"]
    assert launch.command(tmp_path, two) == [sys.executable, "-m", *torchrun, launch.MODULE, str(tmp_path)]


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


@pytest.mark.parametrize(
    ("root", "other", "names"),
    [
        pytest.param(1, -9, "process 1 of 2 was killed by SIGKILL", id="the other failed because of it"),
        pytest.param(-9, -15, "process 0 of 2 was killed by SIGKILL", id="torchrun ended the other"),
        pytest.param(1, -15, None, id="an error of its own"),
        pytest.param(1, 1, None, id="both failed"),
    ],
)
def test_of_several_the_one_that_was_killed_is_named(run: TrainRun, root: int, other: int, names: str | None) -> None:
    two = run.model_copy(update={"shard": ShardConfig(processes=2)})
    found = launch._death(two, 1, SUMMARY.format(root=root, other=other))
    assert found == (names and f"{names}; the same command goes on from the last checkpoint")


def test_of_several_processes_the_first_error_stands(tmp_path: Path) -> None:
    first, other = status.StatusFile(tmp_path, 5), status.StatusFile(tmp_path, 5, first=False)
    first.say(step=3)
    other.say(step=4)
    assert told(tmp_path)["step"] == 3
    other.failed(ValueError("the cause"))
    first.failed(RuntimeError("connection closed by peer"))
    assert told(tmp_path)["error"].items() >= {"type": "ValueError", "message": "the cause"}.items()
    assert (told(tmp_path)["state"], told(tmp_path)["step"]) == ("failed", 3)
