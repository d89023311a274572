"""The live view: what is said in a terminal's table and in plain lines."""

import io
import json
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from ablations.cells import CellRun
from ablations.live import view, words
from ablations.live.lines import Lines
from ablations.live.names import names, stages
from ablations.live.progress import TAIL_BYTES, Progress, Reading
from ablations.live.table import drawn
from evals.statistics import wilson
from harness.config import DataConfig, ModelConfig, RunConfig
from harness.training import GrpoConfig, OptimizerConfig, RolloutsRun, SftConfig, TrainRun

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


def cell(folder: Path, config: dict[str, Any] | None = None, needs: tuple[CellRun, ...] = (), **status: Any) -> CellRun:
    folder.mkdir(exist_ok=True, parents=True)
    return CellRun(folder, RunConfig.model_validate(CONFIG | (config or {})), status, needs)


def stage(folder: Path, **status: Any) -> CellRun:
    asked = {"questions": 4, "samples": 2, "temperature": 1.0, "max_new_tokens": 8}
    same = {name: CONFIG[name] for name in ("seed", "prompt", "model", "data")}
    return CellRun(folder, RolloutsRun.model_validate(same | asked), status)


def write(folder: Path, name: str, rows: Sequence[dict[str, Any]], end: str = "") -> None:
    (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows) + end)


def shown(cells: Sequence[CellRun], elapsed: float = 61.0, width: int = 160, height: int = 40) -> str:
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(drawn(cells, Progress(), elapsed, width, height))
    return console.export_text()


def line(text: str, part: str) -> str:
    (found,) = [row for row in text.splitlines() if part in row]
    return found


@pytest.fixture
def training(tmp_path: Path) -> CellRun:
    """A cell in its fifth step of ten, with a line of metrics that is being written."""
    running = cell(tmp_path / "training", {"reward": "format_answer"}, state="running", phase="train", step=5)
    rows = [
        {"step": step, "reward": 0.5, "rewards/format": 0.75, "rewards/answer": None, "accuracy": 0.25, "length": 12.0}
        for step in range(1, 6)
    ]
    write(running.folder, "metrics", rows, end='{"step": 6, "rew')
    write(running.folder, "timing", [{"step": step, "seconds": 2.0} for step in range(1, 6)])
    return running


def test_a_training_cell_is_shown_with_all_that_its_records_say(training: CellRun, tmp_path: Path) -> None:
    write(training.folder, "curve", [{"step": 0, "n": 50, "accuracy": 0.1}, {"step": 4, "n": 50, "accuracy": 0.4}])
    text = shown([training, cell(tmp_path / "b", state="pending")])
    assert "0 of 2 cells done, 1 running, 1 waiting; 61 s so far" in text
    heading, row = line(text, "dev accuracy").split(), line(text, "format_answer").split()
    assert heading == "cell seed state step reward format answer dev accuracy tokens/s left".split()
    # 8 completions of 12 tokens in 2 seconds; 5 steps of 2 seconds are left. `answer` is not known, which is no zero.
    assert row == "format_answer 0 train 5/10 0.50 0.75 - 40% (28 to 54) 48 10 s".split()
    assert line(text, "sparse").split() == "sparse 0 waiting".split()


def test_before_the_dev_split_is_measured_accuracy_is_that_of_training(training: CellRun) -> None:
    assert "25% in training" in shown([training])


@pytest.mark.parametrize(
    ("reading", "said"),
    [
        pytest.param(Reading(), "", id="nothing-yet"),
        pytest.param(Reading(metrics={"reward": 0.0, "accuracy": None}), "-", id="not-known-is-no-zero"),
        pytest.param(Reading(metrics={"reward": 0.0, "accuracy": 0.0}), "0% in training", id="zero-is-a-number"),
        pytest.param(Reading(metrics={"reward": None, "accuracy": float("nan")}), "-", id="nan"),
        pytest.param(Reading(metrics={"margin": 0.1, "accuracy": 0.9}), "", id="of-pairs-is-not-of-answers"),
        pytest.param(Reading(point={"accuracy": 0.0, "n": 100}), "0% (0 to 4)", id="interval-of-none-right"),
        pytest.param(Reading(point={"accuracy": None, "n": 0}), "", id="dev-without-a-scorable-gold"),
    ],
)
def test_accuracy(reading: Reading, said: str) -> None:
    assert words.accuracy(reading) == said


@given(right=st.integers(0, 200), wrong=st.integers(0, 200))
def test_the_interval_is_wilsons(right: int, wrong: int) -> None:
    if n := right + wrong:
        low, high = wilson(right, n)
        told = words.accuracy(Reading(point={"accuracy": right / n, "n": n}))
        assert told == f"{100 * right / n:.0f}% ({100 * low:.0f} to {100 * high:.0f})"


def test_time_left_is_told_once_a_cell_is_done(training: CellRun, tmp_path: Path) -> None:
    done = cell(tmp_path / "done", state="done", seconds=240.0)
    waiting = cell(tmp_path / "waiting", state="pending")
    training.status["seconds"] = 120.0
    # Nobody knows yet how long a cell takes besides its steps.
    assert "left" not in shown([training, waiting]).splitlines()[0]
    # The half of a cell of four minutes and a whole one, one at a time.
    assert "about 6 min left" in shown([done, training, waiting])
    # Two at a time: no sooner than the slower of them, though another one waits.
    assert "about 4 min left" in shown([done, training, cell(tmp_path / "c", state="running", phase="load")])


def test_a_cell_that_says_nothing_gets_nearer_to_its_end_all_the_same(training: CellRun) -> None:
    training.status["seconds"] = 60.0
    assert Progress().seconds_left(training, 240.0) == 180.0
    (training.folder / "status.json").write_text("{}")
    os.utime(training.folder / "status.json", (0, 1000.0))
    assert Progress(lambda: 1070.0).seconds_left(training, 240.0) == 110.0
    # The clock of another machine may be behind; and no cell ends before its steps do.
    assert Progress(lambda: 900.0).seconds_left(training, 240.0) == 180.0
    assert Progress(lambda: 9999.0).seconds_left(training, 240.0) == 10.0


def test_slow_steps_outweigh_what_other_cells_took(training: CellRun, tmp_path: Path) -> None:
    write(training.folder, "timing", [{"step": step, "seconds": 200.0} for step in range(1, 6)])
    assert "about 17 min left" in shown([cell(tmp_path / "done", state="done", seconds=240.0), training])


def test_an_evaluation_in_progress_is_counted(tmp_path: Path) -> None:
    grading = {"state": "running", "graded": 32, "to_grade": 64}
    assert "base 32/64" in shown([cell(tmp_path / "a", phase="base", **grading)])
    # What was graded last is no news of a cell that trains.
    assert "32/64" not in shown([cell(tmp_path / "a", phase="train", **grading)])


def test_a_failed_cell_is_red_with_its_reason_in_one_line(tmp_path: Path) -> None:
    error = {"type": "OutOfMemory", "message": "no memory\n[bold]left[/]\x1b[2J", "step": 7, "log": ["..."]}
    failed = cell(tmp_path / "a", state="failed", step=7, error=error)
    console = Console(width=120, force_terminal=True, color_system="standard", file=io.StringIO(), record=True)
    console.print(drawn([failed], Progress(), 1.0, 120, 40))
    styled = console.export_text(styles=True)
    assert "\x1b[31msparse, seed 0 failed at step 7/10: OutOfMemory: no memory [bold]left[/]\\x1b[2J" in styled
    assert "1 failed" in styled


def test_stages_are_shown_while_they_run(tmp_path: Path) -> None:
    running = stage(tmp_path / "s", state="running", phase="rollouts", graded=3, to_grade=9)
    # Each cell may have an object of its own for the same stage, of which one is kept up to date.
    cells = [
        cell(tmp_path / str(seed), {"seed": seed}, (needed,), state="pending")
        for seed, needed in enumerate([stage(tmp_path / "s", state="pending"), running])
    ]
    assert stages(cells) == [running]
    assert line(shown(cells), "rollouts of tiny").split() == "rollouts of tiny 0 rollouts 3/9".split()
    assert "0 of 2 cells done" in shown(cells)
    running.status = {"state": "done"}
    assert "rollouts" not in shown(cells)


@pytest.mark.parametrize(
    ("configs", "named"),
    [
        pytest.param([{"seed": 0}, {"seed": 1}], ["sparse", "sparse"], id="only-seeds-differ"),
        pytest.param([{}, {"reward": "random"}], ["sparse", "random"], id="rewards"),
        pytest.param([{}, {"objective": "dapo"}], ["grpo", "dapo"], id="objectives"),
        pytest.param([{}, {"variant": "train.learning_rate=1"}], ["", "train.learning_rate=1"], id="settings"),
        pytest.param(
            [{}, {"reward": "random", "model": {"name": "small", "path": "/s", "fingerprint": "s"}}],
            ["sparse / tiny", "random / small"],
            id="rewards-and-models",
        ),
    ],
)
def test_cells_are_called_by_what_differs(configs: list[dict[str, Any]], named: list[str], tmp_path: Path) -> None:
    assert names([cell(tmp_path / str(number), config) for number, config in enumerate(configs)]) == named


def test_training_runs_are_called_by_method_and_objective(tmp_path: Path) -> None:
    shared: dict[str, Any] = {
        "prompt": "bare",
        "model": ModelConfig(name="tiny", path="/m", fingerprint="m"),
        "data": DataConfig.model_validate(CONFIG["data"]),
        "optimizer": OptimizerConfig(steps=2, batch_size=8, learning_rate=1e-3),
    }
    runs = [
        TrainRun(method="sft", sft=SftConfig(), **shared),
        TrainRun(method="grpo", grpo=GrpoConfig(reward="sparse", objective="dapo"), **shared),
    ]
    assert names([CellRun(tmp_path, run) for run in runs]) == ["sft", "grpo / dapo"]


def test_components_fit_the_width(training: CellRun) -> None:
    wide, narrow = shown([training], width=160), shown([training], width=85)
    assert "format " in line(wide, "dev accuracy") and "answer " in line(wide, "dev accuracy")
    assert "answer " not in line(narrow, "dev accuracy")
    assert all(len(row.rstrip()) <= 85 for row in narrow.splitlines())


def test_in_a_narrow_terminal_names_give_way_to_numbers(training: CellRun, tmp_path: Path) -> None:
    longer = {"reward": "format_answer+0.1*length_linear(max_tokens=40)"}
    text = shown([training, cell(tmp_path / "b", longer, state="pending")], width=80)
    assert "...ax_tokens=40)" in text
    assert line(text, " train ").split()[-5:] == "25% in training 48 10 s".split()[-5:]
    assert all(len(row) <= 80 for row in text.splitlines())


def test_a_reward_of_one_component_has_no_column_of_its_own(tmp_path: Path) -> None:
    running = cell(tmp_path / "a", state="running", phase="train", step=1)
    write(running.folder, "metrics", [{"step": 1, "reward": 0.5, "rewards/sparse": 0.5}])
    assert line(shown([running]), "dev accuracy").split()[4:6] == ["reward", "dev"]


@pytest.mark.parametrize("height", [8, 12, 24])
def test_what_is_higher_than_the_terminal_collapses(tmp_path: Path, height: int) -> None:
    states = ["done"] * 12 + ["failed"] * 8 + ["running"] * 2 + ["pending"] * 10
    cells = [
        cell(tmp_path / str(number), {"seed": number}, state=state, seconds=1.0) for number, state in enumerate(states)
    ]
    text = shown(cells, height=height)
    assert len(text.splitlines()) <= height
    rows = [row.split() for row in text.splitlines()[2:]]
    assert [row[1] for row in rows if row[2:3] == ["start"]] == ["20", "21"]
    waiting = [int(row[1]) for row in rows if row[2:3] == ["waiting"]]
    assert waiting == list(range(22, 22 + len(waiting)))
    assert "12 of 32 cells done, 2 running, 8 failed, 10 waiting" in text
    hidden = line(text, "not shown")
    finished = sum(row[2:3] == ["done"] for row in rows)
    assert (f"{12 - finished} done" in hidden) == (finished < 12)
    assert (f"{10 - len(waiting)} waiting" in hidden) == (len(waiting) < 10)


def test_the_newest_of_the_finished_cells_stay(tmp_path: Path) -> None:
    cells = [cell(tmp_path / str(number), {"seed": number}, state="done", seconds=1.0) for number in range(9)]
    rows = [row.split() for row in shown(cells, height=8).splitlines()]
    assert [row[1] for row in rows if row[2:3] == ["done"]] == ["5", "6", "7", "8"]


def test_only_the_end_of_a_file_is_read_and_only_when_it_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = cell(tmp_path / "a", state="running", phase="train", step=9)
    rows = [{"step": step, "reward": step, "padding": "x" * 1000} for step in range(1000)]
    write(running.folder, "metrics", rows)
    progress, path = Progress(), running.folder / "metrics.jsonl"
    found = progress.rows(path)
    assert found == rows[-len(found) :] and TAIL_BYTES - 2000 < sum(len(json.dumps(row)) for row in found) < TAIL_BYTES
    with monkeypatch.context() as patched:
        patched.setattr(Path, "open", lambda *_: pytest.fail("read again"))
        assert progress.rows(path) is found
    with path.open("a") as file:
        file.write('{"step": 1000}\n{"step":')
    assert progress.rows(path)[-1] == {"step": 1000}


def test_a_line_that_cannot_be_read_does_not_end_the_run(training: CellRun) -> None:
    metrics = training.folder / "metrics.jsonl"
    metrics.write_text(metrics.read_text().replace('"step": 5', '"step": \x00') + "\n")
    assert "0.50" in shown([training])


def test_a_file_that_cannot_be_opened_does_not_end_the_run(tmp_path: Path) -> None:
    running = cell(tmp_path / "a", state="running", phase="train", step=5)
    (running.folder / "metrics.jsonl").mkdir()
    assert line(shown([running]), "sparse").split() == "sparse 0 train 5/10".split()


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def said() -> tuple[Lines, Clock, Callable[[], list[str]]]:
    """The plain view, its clock, and what it has said since it was last asked."""
    out, clock = io.StringIO(), Clock()

    def new() -> list[str]:
        lines = out.getvalue().splitlines()
        out.seek(0)
        out.truncate()
        return lines

    return Lines(Console(file=out, force_terminal=False, width=60), Progress(), clock), clock, new


Said = tuple[Lines, Clock, Callable[[], list[str]]]


def test_plain_lines_tell_changes_and_every_15_seconds_how_it_goes(
    said: Said, training: CellRun, tmp_path: Path
) -> None:
    lines, clock, new = said
    cells = [training, cell(tmp_path / "b", {"seed": 1}, state="done", seconds=1.0)]
    lines(cells)
    assert new() == ["format_answer / grpo / seed 0: train, step 5/10, reward 0.50, accuracy 25% in training"]
    clock.now = 14.0
    lines(cells)
    assert new() == []
    write(training.folder, "curve", [{"step": 4, "n": 50, "accuracy": 0.4}])
    clock.now = 15.0
    lines(cells)
    assert new() == [
        "format_answer / grpo / seed 0: train, step 5/10, reward 0.50, accuracy 40% (28 to 54)",
        "1 of 2 cells done, 1 running; 15 s so far, about 10 s left",
    ]
    training.status = {"state": "failed", "error": {"type": "ValueError", "message": "no"}}
    lines(cells)
    lines(cells)
    assert new() == ["format_answer / grpo / seed 0: failed: ValueError: no"]


def test_plain_lines_tell_of_stages(said: Said, tmp_path: Path) -> None:
    lines, _, new = said
    needed = stage(tmp_path / "s", state="running", phase="rollouts")
    cells = [cell(tmp_path / "a", None, (needed,), state="pending")]
    lines(cells)
    needed.status = {"state": "done"}
    lines(cells)
    assert new() == ["rollouts of tiny / seed 0: rollouts"]


def test_runs_whose_folders_have_one_name_are_told_apart(said: Said, tmp_path: Path) -> None:
    lines, _, new = said
    cells = [
        cell(tmp_path / "a" / "seed-0", state="done"),
        cell(tmp_path / "b" / "seed-0", state="running", phase="train", step=5),
    ]
    lines(cells)
    lines(cells)
    assert new() == ["sparse / grpo / seed 0: train, step 5/10"]


@pytest.mark.parametrize("terminal", [True, False], ids=["terminal", "pipe"])
def test_the_view_suits_where_it_is_shown(terminal: bool, tmp_path: Path) -> None:
    out = io.StringIO()
    with view(Console(file=out, force_terminal=terminal, width=100, height=20)) as watch:
        watch([cell(tmp_path / "a", state="running", phase="train", step=5)])
    assert ("dev accuracy" in out.getvalue()) == terminal
    assert ("sparse / grpo / seed 0: train, step 5/10" in out.getvalue()) != terminal


def test_thirty_cells_are_drawn_many_times_a_second(training: CellRun, tmp_path: Path) -> None:
    many = [(training.folder / "metrics.jsonl").read_text().splitlines()[0]] * 5000
    cells = []
    for number in range(30):
        running = cell(tmp_path / str(number), {"seed": number}, state="running", phase="train", step=5)
        (running.folder / "metrics.jsonl").write_text("\n".join(many) + "\n")
        cells.append(running)
    progress, began = Progress(), time.process_time()
    for _ in range(4):
        drawn(cells, progress, 1.0, 160, 50)
    assert time.process_time() - began < 1.0
