"""`harness verify`: exit codes, the JSON that others read, the tables, and what is said of bad input."""

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

from harness.cli.verify import verify

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)
app.command()(verify)

ROWS: list[dict[str, Any]] = [
    {"id": "g1", "category": "marker", "completion": "#### 18", "gold": "18", "domain": "gsm8k", "label": True},
    {"id": "g2", "category": "marker", "completion": "#### 19", "gold": "18", "domain": "gsm8k", "label": False},
    {"id": "g3", "category": "boxed", "completion": r"\boxed{18}", "gold": "18", "domain": "gsm8k", "label": True},
    {"id": "g4", "category": "[bold]", "completion": "\x1b[J none", "gold": "18", "domain": "gsm8k", "label": True},
    {"id": "m1", "category": "box", "completion": r"$\boxed{x+1}$", "gold": "1+x", "domain": "math", "label": True},
]
STRANGER = """
import time

def always(completion, gold, domain):
    return True

def hang(completion, gold, domain):
    while "18" in completion:
        time.sleep(0.01)
    return False

def crash(completion, gold, domain):
    raise KeyError("no such thing")
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current directory with cases and with a stranger's module."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cases.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    (tmp_path / "a_stranger.py").write_text(STRANGER)
    return tmp_path


def run(*flags: str, code: int = 0) -> Result:
    done = CliRunner().invoke(app, ["--cases", "cases.jsonl", *flags])
    assert done.exit_code == code, (done.stdout, done.stderr, done.exception)
    return done


def report(*flags: str, code: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run("--json", *flags, code=code).stdout)
    return found


def test_json_holds_what_others_read() -> None:
    found = report("--domain", "gsm8k")
    gsm8k = found["domains"].pop("gsm8k")
    assert not found["domains"]
    assert {"n": 4, "accuracy": 0.75, "false_accepts": 0.0, "timeouts": 0, "errors": 0}.items() <= gsm8k.items()
    assert gsm8k["false_rejects"] == pytest.approx(1 / 3)
    assert found["seconds"] > 0
    assert [{key: case[key] for key in ("id", "label", "correct", "status")} for case in found["cases"]] == [
        {"id": "g1", "label": True, "correct": True, "status": "correct"},
        {"id": "g2", "label": False, "correct": False, "status": "wrong"},
        {"id": "g3", "label": True, "correct": True, "status": "correct"},
        {"id": "g4", "label": True, "correct": False, "status": "no_answer"},
    ]
    assert found["categories"]["gsm8k"]["boxed"]["false_accepts"] is None


@pytest.mark.parametrize("verifier", ["ours", "lm-eval-strict"])
def test_thread_gives_the_same_verdicts(verifier: str) -> None:
    def verdicts(*flags: str) -> list[tuple[Any, Any]]:
        return [(case["correct"], case["status"]) for case in report("--verifier", verifier, *flags)["cases"]]

    assert verdicts() == verdicts("--thread")


def test_table_shows_every_category_with_its_n_and_the_misjudged() -> None:
    shown = run("--domain", "gsm8k").stdout
    rows = {line.split()[0]: line for line in shown.splitlines() if line.strip()}
    assert "3/4 75.0%" in rows["gsm8k"]
    assert "2/2 100.0%" in rows["marker"]
    assert "n/a" in rows["boxed"]
    assert "[bold]" in rows
    assert "misjudged: 1" in shown
    assert "g4 [gsm8k, [bold]]: labelled right, judged no_answer" in shown
    assert "\x1b[J" not in shown
    assert r"\x1b[J none" in shown


def test_a_few_misjudged_cases_are_shown_and_all_on_demand(folder: Path) -> None:
    rows = [ROWS[1] | {"id": f"w{i}", "label": True, "completion": f"{i} #### {i}"} for i in range(9)]
    (folder / "cases.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    few, every = run().stdout, run("--failures").stdout
    assert "misjudged: 9, the first 5" in few
    assert ("w4 [" in few, "w5 [" in few) == (True, False)
    assert all(f"w{i} [" in every for i in range(9))


def test_a_verifier_of_the_current_directory(folder: Path) -> None:
    found = report("--verifier", "a_stranger:always")
    assert found["domains"]["gsm8k"]["false_accepts"] == 1.0
    assert found["domains"]["math"]["false_accepts"] is None


def test_a_hanging_verifier_is_killed_and_counted() -> None:
    found = report("--verifier", "a_stranger:hang", "--deadline", "1", "--domain", "gsm8k")
    assert {"timeouts": 2, "hangs": 2, "errors": 0}.items() <= found["domains"]["gsm8k"].items()
    assert [case["status"] for case in found["cases"]] == ["timeout", "wrong", "timeout", "wrong"]


def test_a_crashing_verifier_is_counted_with_its_message() -> None:
    found = report("--verifier", "a_stranger:crash")
    assert found["domains"]["gsm8k"]["errors"] == 4
    assert all("no such thing" in case["reason"] for case in found["cases"])


def test_a_verifier_without_a_score_for_a_domain_has_no_rates_there() -> None:
    math = report("--verifier", "lm-eval-flexible")["domains"]["math"]
    assert (math["n"], math["unscored"], math["accuracy"], math["false_rejects"]) == (1, 1, None, None)
    assert "n/a (no case was scored)" in run("--verifier", "lm-eval-flexible").stdout


def test_several_verifiers_become_one_markdown_table() -> None:
    lines = run("--verifier", "ours,lm-eval-strict,a_stranger:always").stdout.splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[:5]]
    assert cells[0][:3] == ["verifier", "gsm8k accuracy", "gsm8k false accepts"]
    assert [row[0] for row in cells[2:]] == ["`ours`", "`lm-eval-strict`", "`a_stranger:always`"]
    assert [row[1] for row in cells[2:]] == ["75.0%", "50.0%", "75.0%"]
    assert cells[3][7] == "n/a"
    assert len({len(line) for line in lines[:5]}) == 1
    assert "gsm8k n=4 (3 right, 1 wrong)" in lines[-1]


def test_several_verifiers_as_json_are_kept_by_name() -> None:
    found = report("--verifier", "ours,lm-eval-strict")["verifiers"]
    assert list(found) == ["ours", "lm-eval-strict"]
    assert found["lm-eval-strict"]["domains"]["gsm8k"]["false_rejects"] == pytest.approx(2 / 3)


def test_a_baseline_is_written_then_held(folder: Path) -> None:
    assert "rewritten" in run("--baseline", "base.json", "--update-baseline").stdout
    assert "0 regressions, 0 repairs, 0 new, 0 vanished" in run("--baseline", "base.json").stdout


def test_a_regression_exits_with_1_and_names_the_case(folder: Path) -> None:
    known = {row["id"]: {"correct": row["label"], "status": "correct"} for row in ROWS if row["domain"] == "gsm8k"}
    del known["g1"]
    (folder / "base.json").write_text(json.dumps(known | {"old": {"correct": True, "status": "correct"}}))
    flags = ("--domain", "gsm8k", "--baseline", "base.json")
    shown = run(*flags, code=1).stdout
    assert "1 regressions, 0 repairs, 1 new, 1 vanished" in shown
    assert "regression, was correct:\n- g4 " in shown
    assert "new: g1" in shown
    assert "vanished: old" in shown
    assert report(*flags, code=1)["baseline"] == {
        "regressions": ["g4"],
        "repairs": [],
        "new": ["g1"],
        "vanished": ["old"],
    }
    run("--baseline", "base.json", "--update-baseline")
    assert set(json.loads((folder / "base.json").read_text())) == {row["id"] for row in ROWS}
    run(*flags)


def test_misjudged_cases_alone_are_no_failure() -> None:
    assert run().exit_code == 0


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--verifier", "mathverify"], "--verifier mathverify: give ours, math-verify, trl"),
        (["--verifier", "no_such_module:f"], "no_such_module:f cannot be loaded: ModuleNotFoundError"),
        (["--verifier", "a_stranger:nobody"], "a_stranger:nobody cannot be loaded: AttributeError"),
        (["--verifier", ":f"], "--verifier :f"),
        (["--verifier", "ours,trl", "--baseline", "base.json"], "give one --verifier"),
        (["--baseline", "base.json"], "base.json: there is no such baseline; make it with --update-baseline"),
        (["--baseline", "cases.jsonl"], "cases.jsonl: cannot be read as JSON"),
        (["--update-baseline"], "--update-baseline needs --baseline FILE"),
        (["--domain", "gms8k"], "--domain gms8k: no case is of it; there are gsm8k, math"),
        (["--domain", "math", "--baseline", "b", "--update-baseline"], "would forget the other domains"),
        (["--deadline", "0"], "--deadline 0"),
        (["--cases", "nowhere.jsonl"], "nowhere.jsonl: cannot be read"),
        (["--cases", "a_stranger.py"], "a_stranger.py:2: not JSON"),
        (["--cases", "cases.jsonl"], "cases.jsonl:1: the id 'g1' was taken at cases.jsonl:1"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
@pytest.mark.parametrize("as_json", [False, True], ids=["table", "json"])
def test_bad_input_is_one_line_and_exit_code_2(flags: list[str], says: str, as_json: bool) -> None:
    done = run(*flags, *(["--json"] if as_json else []), code=2)
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1
