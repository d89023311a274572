"""`harness compare`: the JSON that others read, the tables, what flipped, and what is said of bad input."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

from harness.cli.compare import compare

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)
app.command()(compare)

DATA = Path(os.environ.get("HARNESS_GSM8K", Path(__file__).parents[2] / "../shared/data/gsm8k"))
SOLUTIONS = DATA / "example_model_solutions.jsonl"
GRADES = {"a": [1, 1, 1, 0, 0, 1, 1, 1], "b": [1, 0, 0, 1, 0, 1, 0, 0], "c": [0, 0, 0, 0, 0, 0, 0, 1]}
CONTRACT = {"n", "a", "b", "delta", "low", "high", "p", "test", "a_only", "b_only"}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current directory with three evaluations."""
    monkeypatch.chdir(tmp_path)
    for name, grades in GRADES.items():
        rows = [
            {
                "id": f"test-{number}",
                "question": f"How many? [bold] {number}",
                "gold": "#### 18",
                "completion": f"\x1b[J{name} thinks " + "of eggs " * 50 + f"\n#### {number}",
                "correct": bool(grade),
                "strict": False,
                "sample": 0,
            }
            for number, grade in enumerate(grades)
        ]
        write(tmp_path / name / "items.jsonl", rows)
    return tmp_path


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def run(*arguments: str, code: int = 0) -> Result:
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == code, (done.stdout, done.stderr, done.exception)
    return done


def test_json_holds_what_others_read() -> None:
    found = json.loads(run("a", "b/items.jsonl", "--json").stdout)
    assert set(found) >= CONTRACT
    assert (found["n"], found["a"], found["b"], found["delta"]) == (8, 0.75, 0.375, 0.375)
    assert (found["a_only"], found["b_only"], found["p"], found["test"]) == (4, 1, 0.375, "exact McNemar")
    assert found["low"] < 0.375 < found["high"]
    assert (found["a_name"], found["b_name"]) == ("a", "b/items.jsonl")
    assert [flip["id"] for flip in found["flips"]["a_only"]] == ["test-1", "test-2", "test-6", "test-7"]
    assert set(found["flips"]["b_only"][0]) == {"id", "sample", "question", "gold", "a", "b"}


def test_two_evaluations() -> None:
    shown = run("a", "b", "--flips", "2").stdout
    assert "75.00%" in shown and "37.50%" in shown and "n = 8 questions" in shown
    assert "A - B: +37.50" in shown and "p = 0.3750 (exact McNemar)" in shown
    assert "graded higher: A on 4, B on 1, neither on 3" in shown
    assert "A answered better, 2 of 4" in shown and "B answered better, 1 of 1" in shown
    assert "How many? [bold] 1" in shown and "#### 1" in shown and "80 % power" in shown
    # Texts are shortened, and cannot steer a terminal.
    assert "\x1b" not in shown and max(map(len, shown.splitlines())) < 240
    assert "answered better" not in run("a", "b", "--flips", "0").stdout


def test_table_of_all_pairs() -> None:
    shown = run("a", "b", "c").stdout
    assert "p (Holm)" in shown and "Holm over 3 pairs" in shown
    found = json.loads(run("a", "b", "c", "--json").stdout)
    assert [(each["name"], each["accuracy"]) for each in found["evaluations"]] == [
        ("a", 0.75),
        ("b", 0.375),
        ("c", 0.125),
    ]
    assert [(pair["a_name"], pair["b_name"]) for pair in found["pairs"]] == [("a", "b"), ("a", "c"), ("b", "c")]
    # 5 to 0, 3 to 1 and 4 to 1 discordant.
    assert [pair["p"] for pair in found["pairs"]] == [0.375, 0.0625, 0.625]
    assert [pair["p_holm"] for pair in found["pairs"]] == [0.75, 0.1875, 0.75]
    only = json.loads(run("a", "b", "c", "--only", "c,a", "--json").stdout)
    assert (only["a_name"], only["b_name"], only["delta"]) == ("c", "a", -0.625)


def test_missing_items_are_told(folder: Path) -> None:
    rows = [json.loads(line) for line in (folder / "b/items.jsonl").read_text(encoding="utf-8").splitlines()]
    rows[0]["correct"] = None
    write(folder / "b/items.jsonl", rows[:7])
    assert "A has 8 completions and B 7, 7 in both" in run("a", "b", code=2).stderr
    shown = run("a", "b", "--intersect").stdout
    assert "n = 6 questions" in shown
    assert "no grade on A 0, on B 1" in shown and "only in A 1, only in B 0" in shown


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(["a"], "only one evaluation, a: give two or more", id="one"),
        pytest.param(["a", "none"], "none: not found", id="missing"),
        pytest.param(["a", "b", "--metric", "reward"], "--metric reward: give correct, strict, flexible", id="metric"),
        pytest.param(["a", "b", "--metric", "flexible"], "A = a, B = b: A: test-0 has no `flexible`", id="no-metric"),
        pytest.param(["a", "b", "--only", "a,d"], "--only d: no such evaluation; there are a, b", id="only"),
    ],
)
def test_bad_input_is_one_line(arguments: list[str], said: str) -> None:
    done = run(*arguments, code=2)
    assert said in done.stderr and done.stderr.count("\n") == 1 and not done.stdout


def test_an_evaluation_with_itself() -> None:
    found = json.loads(run("a", "a", "--json").stdout)
    assert (found["delta"], found["p"], found["b_name"]) == (0, 1, "a (2)")


def test_help_has_an_example() -> None:
    assert "Example: harness compare" in run("--help").stdout


@pytest.mark.skipif(not SOLUTIONS.exists(), reason=f"no {SOLUTIONS.name}: set HARNESS_GSM8K to its folder")
def test_four_real_models() -> None:
    shown = run(str(SOLUTIONS)).stdout
    assert all(f"{share}%" in shown for share in (21.68, 39.04, 34.72, 56.25))
    (closest,) = (line for line in shown.splitlines() if line.startswith("6b_verification  175b_finetuning"))
    assert closest.split()[-4:] == ["209", "152", "0.0032", "0.0032"]
    pair = run(str(SOLUTIONS), "--only", "6b_verification,175b_finetuning").stdout
    assert "A - B: +4.32 [+1.50, +7.13] points, p = 0.0032 (exact McNemar)" in pair
    assert "A answered better, 10 of 209" in pair and "B answered better, 10 of 152" in pair
    assert pair.count("    gold ") == 20
