"""`harness pairs` from the command line: the file, the report, and refusals without a traceback."""

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from harness.cli.pairs import pairs
from harness.trainers.pairs import read_pairs

# The command alone, as `harness` registers it.
app = typer.Typer()
app.command()(pairs)


def row(sample: int, text: str, correct: bool | None, tokens: int) -> dict[str, Any]:
    return {
        "id": "q1",
        "question": "Anna has 3 pens and buys 4. How many has she?",
        "gold": "7",
        "completion": text,
        "correct": correct,
        "status": {True: "correct", False: "wrong", None: "timeout"}[correct],
        "answer": text.rpartition("#### ")[2],
        "tokens": tokens,
        "finish_reason": "stop",
        "sample": sample,
        "seed": sample,
    }


ROWS = [row(0, "3+4=7\n#### 7", True, 10), row(1, "#### 8", False, 40), row(2, "#### 9", False, 11)]


@pytest.fixture
def rollouts(tmp_path: Path) -> Path:
    folder = tmp_path / "evaluation"
    folder.mkdir()
    rows = [*ROWS, row(3, "?", None, 5)]
    (folder / "items.jsonl").write_text("".join(json.dumps(one) + "\n" for one in rows))
    (folder / "eval.json").write_text(json.dumps({"model": {"fingerprint": "f1"}, "prompt": {"style": "bare"}}))
    return folder


def test_it_writes_the_pairs_and_tells_what_became_of_the_rest(rollouts: Path, tmp_path: Path) -> None:
    out = tmp_path / "pairs.jsonl"
    done = CliRunner().invoke(app, [str(rollouts), "--out", str(out), "--length-ratio", "1.5", "--prompt", "bare"])
    assert done.exit_code == 0
    (pair,) = read_pairs(out)
    assert (pair.chosen.sample, pair.rejected.sample, pair.chosen.generator) == (0, 2, "f1")
    told = done.stdout.splitlines()
    assert told[0] == "1 pairs of 1 questions from 4 rollouts, policy random, reward sparse"
    assert told[1] == "  rollouts left out: 1 unscorable: timeout"
    assert told[2] == "  before length control: 2 pairs, tokens 10.0 chosen, 25.5 rejected, ratio 0.477"
    assert told[3] == "  after length control: 1 pairs, tokens 10.0 chosen, 11.0 rejected, ratio 0.909"


def test_json_is_the_report_and_lies_beside_the_pairs(rollouts: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, [str(rollouts), "--out", str(tmp_path / "p.jsonl"), "--json"])
    report = json.loads(done.stdout)
    assert report["pairs"] == 2
    assert report["generators"] == ["f1"]
    assert json.loads((tmp_path / "p.json").read_text()) == report


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nowhere"], "error: nowhere: not found"),
        (["--length-ratio", "0.5"], "length_ratio 0.5 would keep no pair"),
        (["--length-ratio", "1.05"], "error: no pairs from 4 rollouts of 1 questions"),
        (["--reward", "spars"], "spars"),
        (["--reward", "repetition"], 'write repetition(unit="word")'),
        (["--out", "/nowhere/pairs.jsonl"], "error: "),
    ],
    ids=["no file", "ratio below one", "nothing left", "unknown reward", "token ids", "no folder"],
)
def test_bad_input_is_one_line_and_exit_code_2(rollouts: Path, tmp_path: Path, arguments: list[str], says: str) -> None:
    given = [] if arguments[0] == "nowhere" else [str(rollouts)]
    done = CliRunner().invoke(app, [*given, "--out", str(tmp_path / "pairs.jsonl"), *arguments])
    assert done.exit_code == 2
    assert says in done.stderr
    assert "Traceback" not in done.output


def test_help_has_an_example() -> None:
    assert "Example: harness pairs" in CliRunner().invoke(app, ["--help"]).stdout
