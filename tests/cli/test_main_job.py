"""The main job in its smoke size, for real: base trained, cells trained and measured, table printed, then again.

Asserts plumbing, never learning.
"""

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ITEM_FIELDS = set("id question gold completion correct status strict flexible tokens finish_reason sample seed".split())
METRIC_FIELDS = set("step reward accuracy entropy kl length dead_groups seconds".split())
COLUMNS = (
    "reward objective model data seeds n accuracy accuracy_low accuracy_high strict flexible format tokens "
    "p_vs_baseline minutes"
).split()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One cache for the module: the embedded base is trained once."""
    yield tmp_path_factory.mktemp("home")


def command(home: Path, *flags: str) -> list[str]:
    return [sys.executable, "-m", "harness", *flags, "--results", str(home / "results")]


def environment(home: Path) -> dict[str, str]:
    return {**os.environ, "HARNESS_CACHE": str(home / "cache")}


def harness(home: Path, *flags: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        command(home, *flags), capture_output=True, text=True, env=environment(home), timeout=500, cwd=home
    )
    assert done.returncode == code, done.stderr
    return done


SMOKE = ("ablate", "--rewards", "sparse,format_answer", "--preset", "smoke")


@pytest.fixture(scope="module")
def study(home: Path) -> Path:
    done = harness(home, *SMOKE, "--name", "first")
    assert "format_answer" in done.stdout
    assert str(Path("results") / "first") in done.stdout
    return home / "results" / "first"


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def cells(study: Path) -> dict[str, Path]:
    listed = json.loads((study / "manifest.json").read_text())["cells"]
    return {row["reward"]: study / "cells" / row["id"] for row in listed}


def test_records_have_the_promised_fields(study: Path) -> None:
    for folder in cells(study).values():
        assert json.loads((folder / "status.json").read_text())["state"] == "done"
        for name in ("items", "items_greedy", "items_base", "items_base_greedy"):
            rows = lines(folder / f"{name}.jsonl")
            assert rows
            assert all(set(row) >= ITEM_FIELDS for row in rows)
        rows = lines(folder / "metrics.jsonl")
        assert [row["step"] for row in rows] == [1, 2, 3, 4]
        assert all(set(row) >= METRIC_FIELDS for row in rows)
        assert [row["step"] for row in lines(folder / "curve.jsonl")] == [0, 2, 4]
        assert all(row["seconds"] > 0 for row in lines(folder / "timing.jsonl"))
        assert (folder / "model" / "model.safetensors").is_file()
    assert {"rewards/format", "rewards/answer"} <= set(lines(cells(study)["format_answer"] / "metrics.jsonl")[0])


def test_table_numbers_are_those_of_the_items(study: Path) -> None:
    rows = list(csv.DictReader((study / "table.csv").open()))
    assert list(rows[0])[: len(COLUMNS)] == COLUMNS
    for reward, folder in cells(study).items():
        (row,) = (row for row in rows if row["reward"] == reward)
        items = lines(folder / "items.jsonl")
        assert float(row["accuracy"]) == pytest.approx(sum(item["correct"] for item in items) / len(items))
        assert int(row["n"]) == len({item["id"] for item in items})
        assert float(row["tokens"]) == pytest.approx(sum(item["tokens"] for item in items) / len(items), abs=1e-3)


def test_figures_and_claims_are_there(study: Path) -> None:
    assert {"accuracy.svg", "accuracy.png", "reward.png", "components.svg"} <= {
        path.name for path in (study / "figures").iterdir()
    }
    assert (study / "claims.md").read_text().strip()


def test_report_is_byte_identical(study: Path, home: Path) -> None:
    made = [path for path in study.rglob("*") if path.suffix in (".md", ".csv", ".svg", ".png")]
    before = {path: path.read_bytes() for path in made}
    harness(home, "report", "first")
    assert {path: path.read_bytes() for path in made} == before


def test_the_same_command_again_runs_nothing(study: Path, home: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in study.rglob("items*.jsonl")}
    done = harness(home, *SMOKE, "--name", "first", "--json")
    assert "0 to run, 2 done" in done.stderr
    assert {row["reward"] for row in json.loads(done.stdout)["rows"]} >= {"sparse", "format_answer"}
    assert {path: path.stat().st_mtime_ns for path in study.rglob("items*.jsonl")} == before


def test_same_command_and_seed_give_the_same_bytes(study: Path, home: Path) -> None:
    harness(home, *SMOKE, "--name", "second")
    for reward, folder in cells(home / "results" / "second").items():
        twin = cells(study)[reward]
        assert folder.name == twin.name
        for name in ("metrics.jsonl", "items.jsonl", "items_greedy.jsonl", "items_base.jsonl", "curve.jsonl"):
            assert (folder / name).read_bytes() == (twin / name).read_bytes(), name


def test_another_plan_under_the_name_says_what_differs(study: Path, home: Path) -> None:
    done = harness(home, *SMOKE, "--name", "first", "--set", "train.steps=5", code=2)
    assert "train.steps: not set there, 5 here" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_a_crashed_cell_is_reported_and_the_others_go_on(study: Path, home: Path) -> None:
    """The second cell's process is killed while it trains; the first one's result stands."""
    name = ("--name", "crashed", "--jobs", "1")
    process = subprocess.Popen(
        command(home, *SMOKE, *name), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(home)
    )
    folder = home / "results" / "crashed"
    kill_when_running(folder, "format_answer")
    out, err = process.communicate(timeout=300)
    assert process.returncode == 1, err
    assert "Traceback" not in err
    status = json.loads((cells(folder)["format_answer"] / "status.json").read_text())
    assert status["state"] == "failed"
    assert "SIGKILL" in status["error"]["message"]
    assert "SIGKILL" in out
    assert json.loads((cells(folder)["sparse"] / "status.json").read_text())["state"] == "done"
    again = harness(home, *SMOKE, *name, "--retry-failed")
    assert "1 to run, 1 done" in again.stderr
    assert "SIGKILL" not in again.stdout


def kill_when_running(folder: Path, reward: str) -> None:
    deadline = time.monotonic() + 200
    while time.monotonic() < deadline:
        if (folder / "manifest.json").is_file():
            path = cells(folder)[reward] / "status.json"
            if path.is_file() and (status := json.loads(path.read_text()))["state"] == "running":
                os.kill(status["pid"], signal.SIGKILL)
                return
        time.sleep(0.05)
    raise AssertionError(f"{reward} never ran")


@pytest.mark.slow
def test_ctrl_c_keeps_finished_cells_and_the_same_command_continues(study: Path, home: Path) -> None:
    name = ("--name", "stopped", "--jobs", "1")
    process = subprocess.Popen(
        command(home, *SMOKE, *name),
        stderr=subprocess.PIPE,
        text=True,
        env=environment(home),
        # A shell starts what runs in the background deaf to Ctrl-C, and its children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    folder = home / "results" / "stopped"
    wait_for_phase(folder, "format_answer", "train")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "1 of 2 cells are done; the same command continues" in err
    assert "Traceback" not in err
    assert json.loads((cells(folder)["format_answer"] / "status.json").read_text())["state"] == "interrupted"
    done = harness(home, *SMOKE, *name)
    assert "1 to run, 1 done" in done.stderr
    for reward, cell in cells(folder).items():
        assert (cell / "items.jsonl").read_bytes() == (cells(study)[reward] / "items.jsonl").read_bytes()


def wait_for_phase(folder: Path, reward: str, phase: str) -> None:
    deadline = time.monotonic() + 200
    while time.monotonic() < deadline:
        if (folder / "manifest.json").is_file():
            path = cells(folder)[reward] / "status.json"
            if path.is_file() and json.loads(path.read_text())["phase"] == phase:
                return
        time.sleep(0.02)
    raise AssertionError(f"{reward} never reached {phase}")


@pytest.mark.slow
def test_a_killed_study_leaves_no_cell_running_and_the_same_command_continues(study: Path, home: Path) -> None:
    name = ("--name", "killed", "--jobs", "1")
    process = subprocess.Popen(command(home, *SMOKE, *name), stderr=subprocess.DEVNULL, env=environment(home))
    folder = home / "results" / "killed"
    wait_for_phase(folder, "sparse", "train")
    cell = json.loads((cells(folder)["sparse"] / "status.json").read_text())["pid"]
    process.kill()
    process.wait()
    deadline = time.monotonic() + 10
    while alive(cell) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not alive(cell)
    harness(home, *SMOKE, *name)
    for reward, path in cells(folder).items():
        assert (path / "metrics.jsonl").read_bytes() == (cells(study)[reward] / "metrics.jsonl").read_bytes()


def alive(pid: int) -> bool:
    """Whether the process runs; one that has ended and waits to be reaped by whoever adopted it does not."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def test_a_second_run_of_a_busy_study_says_who_holds_it(study: Path, home: Path) -> None:
    process = subprocess.Popen(
        command(home, *SMOKE, "--name", "busy"), stderr=subprocess.PIPE, text=True, env=environment(home)
    )
    folder = home / "results" / "busy"
    deadline = time.monotonic() + 60
    while not (folder / ".lock-owner").is_file() and time.monotonic() < deadline:
        time.sleep(0.05)
    done = harness(home, *SMOKE, "--name", "busy", code=2)
    assert re.search(rf"being run by process {process.pid}", done.stderr)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
