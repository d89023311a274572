"""The live view: what is said in a terminal's table and in plain lines."""

import io
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from ablations import live
from ablations.run import CellRun
from harness.config import RunConfig

CONFIG: dict[str, Any] = {
    "reward": "sparse",
    "objective": "grpo",
    "seed": 0,
    "prompt": "bare",
    "model": {"name": "tiny", "path": "/m", "fingerprint": "m"},
    "data": {"name": "tiny", "train": "/t", "test": "/e", "fingerprint": "d"},
    "train": {"steps": 10, "prompts_per_step": 2, "group_size": 4, "learning_rate": 1e-4, "max_new_tokens": 8},
    "evaluation": {"test_items": 4, "samples": 1, "dev_items": 2, "every": 1},
    "code": "c",
}


def cell(folder: Path, **status: Any) -> CellRun:
    folder.mkdir(exist_ok=True)
    return CellRun(folder, RunConfig.model_validate(CONFIG), status)


def drawn(cells: list[CellRun]) -> str:
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(live._table(cells, 61.0))
    return console.export_text()


def test_table_shows_state_step_and_the_last_whole_line_of_the_metrics(tmp_path: Path) -> None:
    running = cell(tmp_path / "a", state="running", phase="train", step=5)
    row = {"step": 5, "reward": 0.5, "accuracy": 0.25, "length": 12.0}
    (tmp_path / "a" / "metrics.jsonl").write_text(json.dumps(row) + '\n{"step": 6, "rew')
    text = drawn([running, cell(tmp_path / "b", state="pending")])
    assert "5/10" in text
    assert "0.50" in text
    assert "0.25" in text
    assert "0 of 2 cells done, 61 s" in text


def test_time_left_is_told_once_a_cell_is_done(tmp_path: Path) -> None:
    done = cell(tmp_path / "a", state="done", seconds=240.0)
    running = cell(tmp_path / "b", state="running", phase="train", step=5)
    assert "left" not in drawn([running])
    # Half of one cell and one whole cell of four minutes each, one at a time.
    assert "about 6 min left" in drawn([done, running, cell(tmp_path / "c", state="pending")])


def test_an_evaluation_in_progress_is_counted(tmp_path: Path) -> None:
    assert "base 32/64" in drawn([cell(tmp_path / "a", state="running", phase="base", graded=32, to_grade=64)])


def test_plain_lines_tell_changes_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    console = Console(force_terminal=False, width=100)
    running = cell(tmp_path / "a", state="running", phase="train", step=1)
    running.process = subprocess.Popen(["true"])
    running.process.wait()
    earlier = cell(tmp_path / "b", state="done")
    with live.view(console) as watch:
        watch([running, earlier])
        watch([running, earlier])
        running.status = {"state": "done"}
        watch([running, earlier])
    assert capsys.readouterr().out.splitlines() == [
        "sparse / grpo / seed 0: train, step 1/10",
        "sparse / grpo / seed 0: done",
    ]


def test_runs_whose_folders_have_one_name_are_told_apart(tmp_path: Path) -> None:
    for parent in ("a", "b"):
        (tmp_path / parent).mkdir()
    cells = [
        cell(tmp_path / "a" / "seed-0", state="done"),
        cell(tmp_path / "b" / "seed-0", state="running", phase="train", step=5),
    ]
    out = io.StringIO()
    with live.view(Console(file=out, force_terminal=False)) as watch:
        watch(cells)
        watch(cells)
    assert out.getvalue().splitlines() == ["sparse / grpo / seed 0: train, step 5/10"]
