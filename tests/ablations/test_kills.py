"""A sweep that is killed with -9 again and again ends in the records and the table of one that ran undisturbed."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import pytest

from harness import status

STEPS, EVERY = 30, 2
# Rewards that differ within groups: a policy that stays as it is would make every resumption look exact.
SIZES = {
    "train.steps": STEPS,
    "evaluation.every": EVERY,
    "evaluation.test_items": 120,
    "evaluation.batch_size": 40,
}
COMMAND = [
    *(sys.executable, "-m", "harness", "ablate", "--rewards", "random,format_answer", "--name", "sweep"),
    *("--preset", "smoke", "--seeds", "1", "--jobs", "2", "--retry-failed"),
    *(f"--set={key}={value}" for key, value in SIZES.items()),
]
PHASES = ("load", "base", "train", "save", "test", "done")
AIMS = [
    *("load", "base", "base", "load", "base", "train", "train", "train", "load", "train", "train", "train", "train"),
    *("train", "load", "train", "test", "test", "load", "test", "test"),
]
"""The phase that each kill waits for; where the killed cell has passed it, the kill comes wherever the cell is."""
LONGEST = {"load": 3.0, "base": 0.6, "train": 0.5, "save": 0.1, "test": 0.5}
"""Seconds after its phase is reached within which a kill falls at random."""


class Sweep:
    """One invocation of the command. Cells of earlier ones that die a second late are none of its own."""

    def __init__(self, results: Path, earlier: set[int]) -> None:
        self.cells = results / "sweep" / "cells"
        self.earlier = earlier
        with results.with_suffix(".log").open("ab") as log:
            self.process = subprocess.Popen(
                [*COMMAND, "--results", str(results)], stdout=log, stderr=log, start_new_session=True
            )

    def running(self) -> Iterator[tuple[Path, dict[str, Any]]]:
        for folder in sorted(self.cells.glob("*")):
            with suppress(FileNotFoundError):
                told = status.read(folder)
                if told and told["state"] == "running" and told["pid"] not in self.earlier and alive(told["pid"]):
                    yield folder, told

    def reached(self, phase: str, beyond: int) -> tuple[Path, dict[str, Any]] | None:
        """A cell in the phase, or behind it, so many steps `beyond` its checkpoint; None where all have ended."""
        while self.process.poll() is None:
            for folder, told in self.running():
                behind = PHASES.index(told["phase"]) - PHASES.index(phase) if told["phase"] in PHASES else -1
                if behind > 0 or (behind == 0 and (phase != "train" or told["step"] >= saved(folder) + beyond)):
                    return folder, told
            time.sleep(0.005)
        return None

    def kill(self, *processes: int) -> None:
        self.earlier |= set(processes)
        for process in processes:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)

    def kill_all(self) -> None:
        self.kill(self.process.pid, *(told["pid"] for _, told in self.running()))
        self.process.wait()


def alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def saved(folder: Path) -> int:
    """The step of a cell's checkpoint."""
    return max((int(path.name.rpartition("-")[2]) for path in folder.glob("checkpoints/checkpoint-*")), default=0)


def kill_one(sweep: Sweep, folder: Path, process: int) -> None:
    """Kills a cell alone, waits until the command has recorded it, and kills the rest."""
    sweep.kill(process)
    deadline = time.monotonic() + 30
    while status.read(folder).get("state") == "running" and time.monotonic() < deadline:
        time.sleep(0.02)
    assert status.read(folder)["error"]["type"] == "ProcessDied"
    sweep.kill_all()


def killed(results: Path, draw: Random) -> Iterator[tuple[str, str]]:
    """Starts the sweep and kills it, once for every aim: what was killed, and in which phase."""
    earlier: set[int] = set()
    for aim in AIMS:
        sweep = Sweep(results, earlier)
        found = sweep.reached(aim, draw.randrange(EVERY))
        if found is None:
            return
        time.sleep(draw.uniform(0, LONGEST[aim]))
        folder, _ = found
        told = status.read(folder)
        if sweep.process.poll() is not None or told["state"] != "running":
            sweep.kill_all()
            continue
        what = draw.choice(["cell", "command", "everything"])
        if what == "cell":
            kill_one(sweep, folder, told["pid"])
        elif what == "command":
            # The cells have to notice by themselves, and the next command does not wait for that.
            sweep.earlier |= {running["pid"] for _, running in sweep.running()}
            sweep.kill(sweep.process.pid)
            sweep.process.wait()
        else:
            sweep.kill_all()
        yield what, told["phase"]


def finished(results: Path) -> Path:
    sweep = Sweep(results, set())
    assert sweep.process.wait() == 0, results.with_suffix(".log").read_text()
    return results / "sweep"


def table(study: Path) -> list[dict[str, str]]:
    """The table without the one column that tells how long it took."""
    with (study / "table.csv").open(encoding="utf-8") as file:
        return [{name: value for name, value in row.items() if name != "minutes"} for row in csv.DictReader(file)]


def records(study: Path) -> dict[str, bytes]:
    """All that the cells leave, but for how long it took and what they said on the way."""
    apart = {status.FILE, status.LOG, "timing.jsonl"}
    files = (path for path in (study / "cells").rglob("*") if path.is_file() and path.name not in apart)
    return {str(path.relative_to(study)): path.read_bytes() for path in files}


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_twenty_kills_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    draw = Random(20)
    fell = Counter(killed(tmp_path / "killed", draw))
    print(f"{fell.total()} kills:", ", ".join(f"{count} of {what} in {phase}" for (what, phase), count in fell.items()))
    assert fell.total() >= 20
    assert {phase for _, phase in fell} >= {"load", "base", "train", "test"}
    assert {what for what, _ in fell} == {"cell", "command", "everything"}
    study, whole = finished(tmp_path / "killed"), finished(tmp_path / "whole")
    for folder in (study / "cells").iterdir():
        for name in ("metrics.jsonl", "timing.jsonl"):
            assert [row["step"] for row in rows(folder / name)] == list(range(1, STEPS + 1))
        assert [row["step"] for row in rows(folder / "curve.jsonl")] == list(range(0, STEPS + 1, EVERY))
        for path in folder.glob("items*.jsonl"):
            asked = [(row["id"], row["sample"]) for row in rows(path)]
            assert len(asked) == len(set(asked)) == 120 * (1 if "greedy" in path.name else 2)
    found, expected = records(study), records(whole)
    assert found.keys() == expected.keys()
    assert [name for name in expected if found[name] != expected[name]] == []
    assert table(study) == table(whole)
    (random,) = (
        cell for cell in (study / "cells").iterdir() if 'reward = "random"' in (cell / "config.toml").read_text()
    )
    assert (random / "items.jsonl").read_bytes() != (random / "items_base.jsonl").read_bytes(), "nothing was trained"
