"""`harness eval`: the numbers and their files, the same command again, and what is refused in one line."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import typer
from typer.testing import CliRunner

from benchmarks.overlay import overlay
from evals.engines.decoding import Decoder
from evals.statistics import wilson
from harness import threads, tiny
from harness.cli.eval import evaluate_command
from harness.cli.watch import Watch
from harness.tiny import base, tokenizer
from harness.tiny.recipe import Recipe

ROOT = Path(__file__).parents[2]
PROBLEMS = [{"question": f"Tom has {n} apples. How many apples?", "answer": f"#### {n}"} for n in range(7)]
app = typer.Typer()
app.command()(evaluate_command)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained model: its answers are words at random, and its files are those of any checkpoint."""
    folder = tmp_path_factory.mktemp("models") / "untrained"
    tokens = tokenizer.build()
    torch.manual_seed(0)
    base.model(Recipe(hidden=32, mlp=64, layers=2, heads=2), tokens).save_pretrained(folder)
    tokens.save_pretrained(folder)
    return folder


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return written(tmp_path / "apples.jsonl", PROBLEMS)


def written(path: Path, rows: list[dict[str, str]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def run(*arguments: object, code: int = 0) -> tuple[str, str]:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert done.exit_code == code, done.output
    return done.stdout, done.stderr


def evaluated(model: Path, data: Path, out: Path, *more: object) -> dict[str, Any]:
    out_text, _ = run(model, "--data-path", data, "--out", out, "--max-new-tokens", 8, "--json", *more)
    found: dict[str, Any] = json.loads(out_text)
    return found


def test_report_and_files_agree(model: Path, data: Path, tmp_path: Path) -> None:
    report = evaluated(model, data, tmp_path / "e", "--samples", 3, "--temperature", 1, "--style", "gsm8k_cot_zeroshot")
    rows = [json.loads(line) for line in (tmp_path / "e/items.jsonl").read_text().splitlines()]
    assert [(row["id"], row["sample"]) for row in rows] == [(f"apples-{n}", s) for n in range(1, 8) for s in range(3)]
    assert (report["items"], report["samples"], report["completions"]) == (7, 3, 21)
    for name, field in (("accuracy", "correct"), ("strict", "strict"), ("flexible", "flexible")):
        assert report[name]["value"] == pytest.approx(sum(row[field] for row in rows) / 21)
        assert report[name]["low"] <= report[name]["value"] <= report[name]["high"]
    assert report["generated_tokens"] == sum(row["tokens"] for row in rows)
    assert report["truncated"]["value"] == sum(row["finish_reason"] == "length" for row in rows) / 21
    assert report["seconds"] > 0
    assert json.loads((tmp_path / "e/summary.json").read_text()) == report
    request = json.loads((tmp_path / "e/eval.json").read_text())
    assert request == report["request"]
    assert request["sampling"]["max_new_tokens"] == 8
    assert request["sampling"]["stop"] == ["Q:", "</s>", "<|im_end|>"]
    assert request["engine"]["dtype"] == "float32"
    assert request["prompt"]["template"] is None  # a raw-text style has no part in the chat template
    page = (tmp_path / "e/summary.md").read_text()
    assert "gsm8k_cot_zeroshot" in page and request["data"]["sha256"] in page


def test_text_output_has_three_accuracies_with_n(model: Path, data: Path, tmp_path: Path) -> None:
    out, err = run(model, "--data-path", data, "--out", tmp_path / "e", "--max-new-tokens", 4, "--limit", 5)
    assert [line.split()[0] for line in out.splitlines()[1:4]] == ["verified", "strict-match", "flexible-extract"]
    assert all(line.endswith("n=5") for line in out.splitlines()[1:4])
    assert "untrained on apples, style think, greedy, 5 items" in out
    assert "5/5" in err and "items/s" in err and "accuracy" in err


def test_the_same_command_finishes_what_is_missing(model: Path, data: Path, tmp_path: Path) -> None:
    sampled = ("--samples", 2, "--temperature", 1)
    evaluated(model, data, tmp_path / "e", *sampled)
    items = tmp_path / "e/items.jsonl"
    whole = items.read_bytes()
    half = whole[: len(whole) // 2]
    items.write_bytes(half)
    kept = half.count(b"\n")
    _, err = run(model, "--data-path", data, "--out", tmp_path / "e", "--max-new-tokens", 8, *sampled)
    assert f"{kept}/14 completions are there from before" in err
    assert items.read_bytes() == whole


def test_ctrl_c_keeps_what_is_done(model: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = evaluated(model, data, tmp_path / "whole", "--batch-size", 3)
    decode, calls = Decoder.decode, []

    def interrupted(*arguments: Any) -> Any:
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return decode(*arguments)

    monkeypatch.setattr(Decoder, "decode", interrupted)
    same = (model, "--data-path", data, "--out", tmp_path / "e", "--max-new-tokens", 8, "--batch-size", 3)
    _, err = run(*same, code=130)
    assert "interrupted; what is finished is in" in err
    assert (tmp_path / "e/items.jsonl").read_bytes().count(b"\n") == 3
    found = json.loads(run(*same, "--json")[0])
    assert found["accuracy"] == expected["accuracy"]
    assert len(calls) == 4
    assert (tmp_path / "e/items.jsonl").read_bytes() == (tmp_path / "whole/items.jsonl").read_bytes()


@pytest.mark.parametrize(
    ("flags", "name", "split"),
    [
        (("--data-path", "set"), "set", "train"),
        (("--data", "set"), "set", "train"),
        (("--data-path", "set/train.jsonl"), "train", "train"),
        (("--data", "gsm8k", "--data-path", "set"), "gsm8k", "train"),
    ],
    ids=["a folder", "a folder as data", "a file", "a named folder"],
)
def test_data_is_named(
    model: Path, tmp_path: Path, flags: tuple[str, ...], name: str, split: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "set").mkdir()
    written(tmp_path / "set" / "train.jsonl", PROBLEMS[:2])
    out, _ = run(model, *flags, "--split", "train", "--max-new-tokens", 2, "--json")
    data = json.loads(out)["request"]["data"]
    assert (data["name"], data["split"], data["items"]) == (name, split, 2)


def test_another_command_is_refused_with_the_difference(model: Path, data: Path, tmp_path: Path) -> None:
    evaluated(model, data, tmp_path / "e")
    _, err = run(model, "--data-path", data, "--out", tmp_path / "e", "--max-new-tokens", 9, code=2)
    assert "error:   sampling.max_new_tokens: 8 there, 9 asked" in err.splitlines()


def test_equal_commands_meet_in_a_default_folder(
    model: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for seed in (0, 0, 1):
        run(model, "--data-path", data, "--max-new-tokens", 4, "--seed", seed)
    folders = sorted(path.name for path in (tmp_path / "results" / "eval").iterdir())
    assert len(folders) == 2
    assert all(name.startswith("untrained-apples-think-") for name in folders)


def test_unscorable_golds_are_shown_and_in_no_accuracy(model: Path, tmp_path: Path) -> None:
    data = written(tmp_path / "mixed.jsonl", [*PROBLEMS[:3], {"question": "Why?", "answer": "because"}])
    report = evaluated(model, data, tmp_path / "e")
    assert (report["completions"], report["unscorable"], report["accuracy"]["n"]) == (4, 1, 3)
    assert report["statuses"]["unparseable_gold"] == 1
    out, err = run(model, "--data-path", data, "--out", tmp_path / "e", "--max-new-tokens", 8)
    assert "1 completions could not be scored and are in no accuracy" in out
    assert "1 golds are not one number and cannot be scored: mixed-4" in err


@pytest.mark.parametrize("limit", [(), ("--limit", "2")], ids=["all golds", "those asked for"])
def test_no_readable_gold_reports_no_number(model: Path, tmp_path: Path, limit: tuple[str, ...]) -> None:
    bad = [{"question": "Why?", "answer": "because"}] * 2
    data = written(tmp_path / "bad.jsonl", bad + (PROBLEMS[:1] if limit else []))
    out, err = run(model, "--data-path", data, "--out", tmp_path / "e", *limit, code=2)
    assert "one number" in err and err.count("\n") == 1
    assert "0.00 %" not in out and not (tmp_path / "e").exists()


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (("--engine", "tgi"), "--engine tgi: give transformers, vllm, server"),
        (("--engine", "server"), "--engine server and --base-url URL belong together"),
        (("--base-url", "http://x/v1"), "--engine server and --base-url URL belong together"),
        (("--samples", "4"), "--samples 4 at temperature 0 would all be equal; give --temperature"),
        (("--top-p", "0"), "--top-p 0.0: give more than 0 and at most 1"),
        (("--split", "validation"), "--split validation: give test, train, dev"),
        (("--check", "helm"), "--check helm: give lm-eval"),
        (("--style", "unknown"), "unknown: no such style or template file"),
        (("--style", "gsm8k"), "give a data folder with train.jsonl"),
        (("--data-path", "missing.jsonl"), "missing.jsonl: no such file"),
        (("--max-new-tokens", "100000"), "positions and the model has"),
        (
            ("--engine", "server", "--base-url", "http://127.0.0.1:9/v1", "--max-new-tokens", "4"),
            "gave up after 3 tries",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_bad_flags_are_one_line(model: Path, data: Path, tmp_path: Path, flags: tuple[str, ...], says: str) -> None:
    _, err = run(model, "--data-path", data, "--out", tmp_path / "e", *flags, code=2)
    assert says in err
    assert [line.startswith("error: ") for line in err.splitlines()] == [True]
    assert not (tmp_path / "e").exists()


@pytest.mark.parametrize("flag", [("--engine", "vllm"), ("--check", "lm-eval")], ids="=".join)
def test_a_missing_extra_is_named_before_anything_runs(
    model: Path, data: Path, tmp_path: Path, flag: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("evals.engines.vllm", "harness.cli.measurement"):
        monkeypatch.setattr(f"{module}.find_spec", lambda name: None)  # as if it were not installed, where it is
    _, err = run(model, "--data-path", data, "--out", tmp_path / "e", "--max-new-tokens", 4, *flag, code=2)
    assert "pip install 'reward-harness[" in err
    assert not (tmp_path / "e").exists()


def test_progress_counts_this_session_and_all_rows() -> None:
    from rich.console import Console

    now = [0.0]
    watch = Watch(8, Console(file=io.StringIO()), clock=lambda: now[0])
    rows = [{"correct": True, "tokens": 10}, {"correct": None, "tokens": 10}]
    watch(rows, True)
    now[0] = 4.0
    watch(rows, False)
    low, high = wilson(2, 2)
    assert watch.line() == (f"4/8, 0.50 items/s, 5 tokens/s, accuracy 100.0% ({low:.1%} to {high:.1%}), 0:08 left")


@pytest.mark.slow
def test_tiny_with_lm_eval_beside_it(tmp_path: Path) -> None:
    tiny.base_folder("default")
    code = "import typer; from harness.cli.eval import evaluate_command as e; a = typer.Typer(); a.command()(e); a()"
    done = subprocess.run(
        [
            *(sys.executable, "-P", "-c", code, "tiny", "--samples", "2", "--temperature", "1", "--check", "lm-eval"),
            *("--limit", "100", "--out", str(tmp_path / "e"), "--json"),
        ],
        env={**threads.environment(), "PYTHONPATH": f"{overlay('lm_eval')}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    report = json.loads(done.stdout)
    assert report["lm_eval"]["disagreements"] == 0
    assert report["lm_eval"]["flexible"] == round(report["flexible"]["value"] * 200)
    assert report["lm_eval"]["strict"] == round(report["strict"]["value"] * 200)
    assert report["accuracy"]["n"] == 200
