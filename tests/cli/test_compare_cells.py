"""`harness compare` of two cells of a study: how they are named, what is said of them, and of what is not there."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

from harness.cli.compare import compare

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)
app.command()(compare)

CELLS = {"0be5": ("sparse", 0, [1, 1, 1, 0]), "0bff": ("format_answer", 0, [1, 0, 0, 0]), "7d1e": ("sparse", 1, None)}


@pytest.fixture(autouse=True)
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current directory with a study of two finished cells and one that runs."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "results" / "mine"
    for name, (reward, seed, grades) in CELLS.items():
        cell = folder / "cells" / name
        cell.mkdir(parents=True)
        (cell / "config.toml").write_text(
            f'reward = "{reward}"\nobjective = "grpo"\nseed = {seed}\n[model]\nname = "tiny"\n[data]\nname = "sums"\n'
        )
        state = "running" if grades is None else "done"
        (cell / "status.json").write_text(json.dumps({"state": state}))
        for file in ("items", "items_greedy"):
            if grades is not None:
                write(cell / f"{file}.jsonl", grades)
    (folder / "plan.toml").write_text('rewards = ["sparse"]\n')
    return folder


def write(path: Path, grades: list[int]) -> None:
    rows: list[dict[str, Any]] = [
        {"id": f"test-{number}", "question": f"q{number}", "gold": "1", "completion": "1", "correct": bool(grade)}
        for number, grade in enumerate(grades)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def run(*arguments: str, code: int = 0) -> Result:
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == code, (done.stdout, done.stderr, done.exception)
    return done


@pytest.mark.parametrize(
    "pair",
    [
        pytest.param(("mine:0be5", "mine:0bff"), id="study-and-id"),
        pytest.param(("mine:0be", "mine:0bf"), id="start-of-an-id"),
        pytest.param(("results/mine/cells/0be5", "mine:0bff"), id="folder"),
        pytest.param(("results/mine/cells/0be5/items.jsonl", "mine:0bff"), id="file"),
    ],
)
def test_two_cells(pair: tuple[str, str]) -> None:
    shown = run(*pair).stdout
    assert "mine:0be5 (sparse / grpo / seed 0, tiny on sums)" in shown
    assert "mine:0bff (format_answer / grpo / seed 0, tiny on sums)" in shown
    assert "n = 4 questions, the same in both" in shown
    assert "A - B: +50.00" in shown
    found = json.loads(run(*pair, "--json").stdout)
    assert found["a_name"] == "mine:0be5 (sparse / grpo / seed 0, tiny on sums)"
    assert (found["n"], found["a"], found["b"]) == (4, 0.75, 0.25)


def test_other_completions_of_a_cell_say_which() -> None:
    cell = "results/mine/cells/0be5"
    shown = run(cell, f"{cell}/items_greedy.jsonl").stdout
    assert "mine:0be5 items_greedy (sparse / grpo / seed 0, tiny on sums)" in shown
    assert "A - B: +0.00" in shown


def test_results_elsewhere(study: Path, tmp_path: Path) -> None:
    shutil.move(study.parent, tmp_path / "elsewhere")
    assert "mine:0be5" in run("mine:0be5", "mine:0bff", "--results", "elsewhere").stdout


def test_more_than_two_cells_are_compared_in_pairs(study: Path) -> None:
    write(study / "cells" / "7d1e" / "items.jsonl", [0, 0, 0, 1])
    found = json.loads(run("mine:0be5", "mine:0bff", "mine:7d", "--json").stdout)
    assert len(found["pairs"]) == 3


def test_cells_on_other_questions_are_refused_unless_asked(study: Path) -> None:
    write(study / "cells" / "0bff" / "items.jsonl", [1, 0, 0])
    assert "--intersect" in run("mine:0be5", "mine:0bff", code=2).stderr
    shown = run("mine:0be5", "mine:0bff", "--intersect").stdout
    assert "n = 3 questions\n" in shown and "only in A 1" in shown


@pytest.mark.parametrize(
    ("source", "said"),
    [
        pytest.param("mine:zz", ["0 cells", "mine:0be5  sparse / grpo / seed 0, tiny", "mine:7d1e"], id="no-id"),
        pytest.param("mine:0b", ["2 cells", "mine:0be5  sparse", "mine:0bff  format_answer"], id="two-begin-so"),
        pytest.param("mien:0be5", ["no study mien in results", "did you mean mine?"], id="no-study"),
        pytest.param("mine:7d1e", ["seed 1, tiny on sums is running and has no graded completions"], id="not-done"),
        pytest.param("mine:x/items.jsonl", ["not found"], id="a-path"),
    ],
)
def test_what_cannot_be_compared(source: str, said: list[str]) -> None:
    failed = run("mine:0be5", source, code=2)
    assert not failed.stdout
    for part in said:
        assert part in failed.stderr


def test_a_config_that_cannot_be_read_is_named(study: Path) -> None:
    (study / "cells" / "0bff" / "config.toml").write_text("reward = ")
    assert "0bff/config.toml: not TOML" in run("mine:0be5", "mine:0bff", code=2).stderr
