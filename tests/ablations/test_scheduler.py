"""The scheduler with real processes: what ends badly is recorded and the rest goes on; what was stopped goes on."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from pretend_cell import STEPS, Pretend

from ablations import run
from ablations.executors import End, process
from ablations.executors.local import Local
from ablations.run import CellRun
from harness import advice, kernel, status

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Mapping[str, str]:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(HERE), str(ROOT)]))
    return dict(os.environ)


@pytest.fixture
def local(environment: Mapping[str, str]) -> Local:
    return Local(2, environment, cuda=())


def cell(folder: Path, action: str, *needs: CellRun) -> CellRun:
    return CellRun(folder, Pretend(action), needs=needs)  # type: ignore[arg-type]  # as much config as is looked at


def told(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "status.json").read_text())
    return found


def quiet(cells: object) -> None:
    """Nobody watches."""


def attempts(folder: Path) -> int:
    return len((folder / "attempts.txt").read_text().split())


def until(found: Callable[[], object], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


def alive(number: int) -> bool:
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize(
    ("action", "kind", "says", "step", "log"),
    [
        pytest.param("raises", "ValueError", "no more", 3, "ValueError: no more", id="an error of its own"),
        pytest.param("leaves", "ProcessDied", "ended with exit code 3", 0, "about to leave", id="without a word"),
        pytest.param("dies", "ProcessDied", "killed by SIGKILL", 2, "", id="kill -9"),
        pytest.param("allocates", "OutOfMemory", "train.micro_batch", 0, "MemoryError", id="out of memory"),
        pytest.param("hangs", "Hung", "no sign of life for 0.02 minutes", 1, "", id="no heartbeat"),
    ],
)
def test_a_cell_that_ends_badly_is_recorded_and_the_others_go_on(
    local: Local, tmp_path: Path, action: str, kind: str, says: str, step: int, log: str
) -> None:
    bad, good = cell(tmp_path / "bad", action), cell(tmp_path / "good", "works")
    run.run([bad, good], local, quiet, hang_minutes=0.02)
    assert (bad.state, good.state) == ("failed", "done")
    found = told(bad.folder)
    assert found["state"] == "failed"
    assert (found["error"]["type"], found["error"]["step"]) == (kind, step)
    assert says in found["error"]["message"]
    assert log in "\n".join(found["error"]["log"])
    assert attempts(bad.folder) == 1


def test_the_end_of_the_log_is_kept_and_bounded(local: Local, tmp_path: Path) -> None:
    bad = cell(tmp_path / "bad", "raises")
    run.run([bad], local, quiet)
    log = told(bad.folder)["error"]["log"]
    assert len(log) == status.LOG_LINES
    assert max(map(len, log)) == status.LOG_CHARACTERS
    assert "and more" in log[-1]


def test_a_failed_cell_is_explained_before_it_is_shown(local: Local, tmp_path: Path) -> None:
    bad, good = cell(tmp_path / "bad", "allocates"), cell(tmp_path / "good", "works")
    asked = []

    def explain(failed: run.CellRun) -> None:
        asked.append(failed.folder)
        error = status.read(failed.folder)["error"]
        message = advice.specific(error["message"], "take less")
        status.record(failed.folder, "failed", {**error, "message": message})

    run.run([bad, good], local, quiet, explain=explain)
    assert asked == [bad.folder]
    assert bad.status["error"]["message"].endswith("; take less")
    assert "micro_batch" not in bad.status["error"]["message"]


def test_sigkill_with_a_grown_counter_is_a_lack_of_memory(
    local: Local, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = iter([4, 5])
    monkeypatch.setattr(kernel, "kills", lambda: next(numbers))
    bad = cell(tmp_path / "bad", "dies")
    run.run([bad], local, quiet)
    assert bad.status["error"]["type"] == "OutOfMemory"
    assert "--jobs" in bad.status["error"]["message"]


@pytest.mark.parametrize(
    ("membership", "file", "text", "kills"),
    [
        pytest.param("0::/a/b", "a/b/memory.events", "low 0\noom 9\noom_kill 2\n", 2, id="version 2"),
        pytest.param(
            "4:memory:/c\n0::/", "memory/c/memory.oom_control", "under_oom 0\noom_kill 3\n", 3, id="version 1"
        ),
        pytest.param("0::/", "vmstat", "pgfault 9\noom_kill 7\n", 7, id="no group: of the machine"),
        pytest.param("", "nothing", "", 0, id="no counter"),
    ],
)
def test_the_kernel_counts_kills(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, membership: str, file: str, text: str, kills: int
) -> None:
    (tmp_path / "cgroup").write_text(membership)
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / file).write_text(text)
    monkeypatch.setattr(kernel, "MEMBERSHIP", tmp_path / "cgroup")
    monkeypatch.setattr(kernel, "CGROUPS", tmp_path)
    monkeypatch.setattr(kernel, "MACHINE", tmp_path / "vmstat")
    assert kernel.kills() == kills


def test_a_cell_whose_config_cannot_be_written_fails_alone(local: Local, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file where the folder should be")
    bad, good = cell(tmp_path / "taken" / "cell", "works"), cell(tmp_path / "good", "works")
    run.run([bad, good], local, quiet)
    assert (bad.state, good.state) == ("failed", "done")
    assert bad.status["error"]["type"] in ("NotADirectoryError", "FileExistsError")


def test_a_full_disk_is_a_record_of_the_cell_and_no_crash(
    local: Local, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, found: Mapping[str, Any]) -> None:
        if path.parent.name == "bad":
            raise OSError(28, "No space left on device")
        replaced(path, found)

    replaced = status.replace
    monkeypatch.setattr(status, "replace", full)
    bad, good = cell(tmp_path / "bad", "dies"), cell(tmp_path / "good", "works")
    run.run([bad, good], local, quiet)
    assert (bad.state, good.state) == ("failed", "done")
    assert "No space left" in bad.status["error"]["message"]


@pytest.mark.parametrize("retry", [pytest.param(False, id="as it is"), pytest.param(True, id="--retry-failed")])
def test_load_says_what_will_run(tmp_path: Path, capsys: pytest.CaptureFixture[str], retry: bool) -> None:
    texts = {
        **{state: json.dumps({"state": state}) for state in ("done", "failed", "running", "interrupted")},
        "torn": '{"state": "runn',
        "none": None,
    }
    for name, text in texts.items():
        (tmp_path / name).mkdir()
        if text is not None:
            (tmp_path / name / "status.json").write_text(text)
    cells = run.load([tmp_path / name for name in texts], retry, lambda path: Pretend("works"))  # type: ignore[arg-type, return-value]
    assert {cell.folder.name: cell.state for cell in cells} == {
        "done": "done",
        "failed": "pending" if retry else "failed",
        "running": "pending",
        "interrupted": "pending",
        "torn": "pending",
        "none": "pending",
    }
    assert str(tmp_path / "torn" / "status.json") in capsys.readouterr().err


def test_a_failed_cell_keeps_what_it_has_when_it_is_tried_again(local: Local, tmp_path: Path) -> None:
    run.run([cell(tmp_path / "a", "fails_once")], local, quiet)
    assert told(tmp_path / "a")["state"] == "failed"
    again = run.load([tmp_path / "a"], True, lambda path: Pretend("fails_once"))  # type: ignore[arg-type, return-value]
    run.run(again, local, quiet)
    assert again[0].state == "done"
    assert attempts(tmp_path / "a") == 2
    # The log is that of every attempt, as the curves are.
    assert "the first time" in (tmp_path / "a" / "log.txt").read_text()


def driver(environment: Mapping[str, str], root: Path, *names: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, str(HERE / "drive.py"), "local", str(root), *names], env=dict(environment))


def test_a_killed_command_leaves_no_process_and_the_next_loses_and_doubles_nothing(
    environment: Mapping[str, str], tmp_path: Path
) -> None:
    names = ("steps0", "steps1", "steps2")
    for _ in range(4):
        started = driver(environment, tmp_path, *names)
        begun = [len(path.read_text().split()) for path in tmp_path.glob("*/steps.txt")]
        until(lambda: sum(len(p.read_text().split()) for p in tmp_path.glob("*/steps.txt")) > sum(begun) + 1)  # noqa: B023
        started.kill()
        started.wait()
    # At once: processes of the killed command may live for another second.
    assert driver(environment, tmp_path, *names).wait(timeout=60) == 0
    for name in names:
        steps = [int(step) for step in (tmp_path / name / "steps.txt").read_text().split()]
        assert steps == list(range(1, STEPS + 1)), name
        assert told(tmp_path / name)["state"] == "done"
        assert not any(alive(int(number)) for number in (tmp_path / name / "attempts.txt").read_text().split())


def test_ctrl_c_stops_the_cells_in_order(environment: Mapping[str, str], tmp_path: Path) -> None:
    started = driver(environment, tmp_path, "steps0", "steps1", "steps2")
    until(lambda: (tmp_path / "steps1" / "steps.txt").is_file() and (tmp_path / "steps0" / "steps.txt").is_file())
    started.send_signal(signal.SIGINT)
    assert started.wait(timeout=10) != 0
    assert [told(tmp_path / name)["state"] for name in ("steps0", "steps1")] == ["interrupted", "interrupted"]
    assert not (tmp_path / "steps2").exists()


def test_a_second_ctrl_c_kills_at_once(environment: Mapping[str, str], tmp_path: Path) -> None:
    started = driver(environment, tmp_path, "hangs")
    until(lambda: (tmp_path / "hangs" / "attempts.txt").is_file() and told(tmp_path / "hangs")["step"] == 1)
    time.sleep(0.5)
    began = time.monotonic()
    started.send_signal(signal.SIGINT)
    time.sleep(1)
    assert started.poll() is None, "the first one waits for the cell"
    started.send_signal(signal.SIGINT)
    started.wait(timeout=10)
    assert time.monotonic() - began < 4
    assert told(tmp_path / "hangs")["state"] == "interrupted"
    assert not alive(int((tmp_path / "hangs" / "attempts.txt").read_text()))


def test_the_second_command_is_told_who_runs_the_study(environment: Mapping[str, str], tmp_path: Path) -> None:
    started = driver(environment, tmp_path, "steps0")
    until(lambda: (tmp_path / "steps0" / "steps.txt").is_file())
    with pytest.raises(run.StudyBusy) as busy, run.held(tmp_path):
        pass
    started.kill()
    started.wait()
    for part in (f"process {started.pid} on ", " of user ", " since 20", " UTC: ", str(tmp_path)):
        assert part in str(busy.value)
    with run.held(tmp_path):
        assert f"process {os.getpid()} " in (tmp_path / ".lock-owner").read_text()
    assert not (tmp_path / ".lock-owner").exists()


class Flaky:
    """Loses a cell with its node: every time it is below a step in `upto`, in order."""

    slots = 1

    def __init__(self, upto: list[int], environment: Mapping[str, str]) -> None:
        self.upto = upto
        self.environment = environment
        self.started = 0

    def start(self, folder: Path, module: str) -> Any:
        self.started += 1
        return Losing(process.Process(folder, module, self.environment), self.upto.pop(0) if self.upto else None)


@dataclasses.dataclass
class Losing:
    job: process.Process
    step: int | None

    def poll(self) -> End | None:
        if self.step is not None and status.read(self.job.folder).get("step", 0) >= self.step:
            self.job.kill()
            while self.job.poll() is None:
                time.sleep(0.02)
            return End(lost="the node is gone")
        return self.job.poll()

    def interrupt(self) -> None:
        self.job.interrupt()

    def kill(self) -> None:
        self.job.kill()


@pytest.mark.parametrize(
    ("lost_at", "state", "attempts"),
    [
        pytest.param([1, 2, 3, 4], "done", 5, id="it gets further every time"),
        pytest.param([2, 2, 2, 2], "failed", 4, id="at one step every time"),
    ],
)
def test_a_lost_cell_is_started_again(
    environment: Mapping[str, str], tmp_path: Path, lost_at: list[int], state: str, attempts: int
) -> None:
    executor = Flaky(lost_at, {**environment, "PRETEND_SECONDS": "0.3"})
    lost = cell(tmp_path / "a", "steps" if state == "done" else "stuck")
    run.run([lost], executor, quiet)
    assert (lost.state, executor.started) == (state, attempts)
    if state == "done":
        assert (tmp_path / "a" / "steps.txt").read_text().split() == [str(n + 1) for n in range(STEPS)]
    else:
        assert lost.status["error"]["type"] == "NodeLost"
        assert "the node is gone" in lost.status["error"]["message"]


def test_a_stage_is_made_once_for_all_that_need_it(local: Local, tmp_path: Path) -> None:
    base = cell(tmp_path / "cache" / "base", "works")
    pairs = [cell(tmp_path / "cache" / "pairs", "works", base) for _ in range(2)]
    cells = [cell(tmp_path / str(n), "works", pairs[n % 2], base) for n in range(4)]
    seen: list[int] = []
    run.run(cells, local, lambda cells: seen.append(len(cells)))
    assert [cell.state for cell in cells] == ["done"] * 4
    assert (attempts(base.folder), attempts(pairs[0].folder)) == (1, 1)
    assert set(seen) == {4}
    began = [(folder / "attempts.txt").stat().st_mtime_ns for folder in (base.folder, pairs[0].folder, cells[0].folder)]
    assert began == sorted(began)
    run.run([cell(tmp_path / "later", "works", base)], local, quiet)
    assert attempts(base.folder) == 1


def test_cells_whose_stage_fails_say_so(local: Local, tmp_path: Path) -> None:
    base = cell(tmp_path / "base", "raises")
    middle = cell(tmp_path / "middle", "works", base)
    cells = [cell(tmp_path / "a", "works", middle), cell(tmp_path / "b", "works")]
    run.run(cells, local, quiet)
    assert [cell.state for cell in cells] == ["failed", "done"]
    error = told(tmp_path / "a")["error"]
    assert error["type"] == "StageFailed"
    assert "pretended raises" in error["message"]
    assert "ValueError: no more" in error["message"]
    assert attempts(base.folder) == 1
    assert not middle.folder.exists()


def test_two_studies_that_need_one_stage_make_it_once(environment: Mapping[str, str], tmp_path: Path) -> None:
    cells = [cell(tmp_path / str(n), "works", cell(tmp_path / "base", "steps")) for n in range(2)]
    studies = [threading.Thread(target=run.run, args=([each], Local(1, environment, cuda=()), quiet)) for each in cells]
    for study in studies:
        study.start()
    for study in studies:
        study.join(timeout=60)
    assert [each.state for each in cells] == ["done", "done"]
    assert attempts(tmp_path / "base") == 1
