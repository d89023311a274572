"""`harness eval`: the numbers and their files, the same command again, and what is refused in one line."""

import io
import json
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import typer
from transformers import AutoTokenizer
from typer.testing import CliRunner

from benchmarks.overlay import overlay
from evals.engines.decoding import Decoder
from evals.statistics import wilson
from harness import chat, threads, tiny
from harness.cli.eval import evaluate_command
from harness.cli.watch import Watch
from harness.doctor import capabilities
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
    weights = base.model(Recipe(hidden=32, mlp=64, layers=2, heads=2), tokens)
    weights.config.max_position_embeddings = 8192  # eight worked examples take their room
    weights.save_pretrained(folder)
    tokens.save_pretrained(folder)
    chat.save_template_hash(folder, tokens, "bare")
    return folder


@pytest.fixture
def base_model(model: Path, tmp_path: Path) -> Path:
    """The same without a chat template, as base models come."""
    folder = tmp_path / "base-model"
    shutil.copytree(model, folder, ignore=lambda _, names: {"chat_template.jinja"} & set(names))
    assert not AutoTokenizer.from_pretrained(folder).chat_template
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
    assert "untrained on apples, style bare, greedy, 5 items" in out
    assert "5/5" in err and "items/s" in err and "accuracy" in err


def test_another_template_than_that_of_training_is_refused_and_recorded_where_it_is_asked_for(
    model: Path, data: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    shutil.copytree(model, other)
    template = other / "chat_template.jinja"
    template.write_text(template.read_text() + "{# another #}")
    asked = (other, "--data-path", data, "--out", tmp_path / "e", "--max-new-tokens", 4)
    _, err = run(*asked, code=2)
    assert "trained with chat template" in err and "--any-template" in err
    out, _ = run(*asked, "--any-template", "--json")
    assert "trained with chat template" in json.loads(out)["request"]["prompt"]["doubts"][0]


def test_another_prompt_style_than_that_of_training_is_refused(model: Path, data: Path, tmp_path: Path) -> None:
    _, err = run(model, "--data-path", data, "--out", tmp_path / "e", "--style", "think", code=2)
    assert "trained with prompt style bare, asked for think" in err


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


def test_a_full_disk_is_one_line_with_the_fix(model: Path, data: Path, tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        done = CliRunner().invoke(app, [str(model), "--data", str(data), "--out", str(tmp_path / "out")])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert done.exit_code == 1
    line = done.stderr.splitlines()[-1]
    assert line.startswith("error: NoSpace: [Errno 27] File too large")
    assert "make room where the results and the caches are" in line


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


def test_a_base_model_is_measured_with_raw_text_and_only_with_it(base_model: Path, data: Path, tmp_path: Path) -> None:
    report = evaluated(base_model, data, tmp_path / "e", "--style", "gsm8k_cot", "--limit", 2)
    assert (report["completions"], report["request"]["prompt"]["template"]) == (2, None)
    for flags in (("--style", "think"), ("--style", "gsm8k_cot", "--chat", "single")):
        _, err = run(base_model, "--data-path", data, "--out", tmp_path / "f", *flags, code=2)
        assert "no chat template" in err and err.count("\n") == 1


def test_a_style_of_lm_evals_becomes_a_conversation(model: Path, data: Path, tmp_path: Path) -> None:
    found = {}
    for form in ("none", "single", "multiturn"):
        report = evaluated(model, data, tmp_path / form, "--style", "gsm8k_cot", "--limit", 1, "--chat", form)
        found[form] = report["request"]["prompt"]
    assert [prompt["chat"] for prompt in found.values()] == list(found)
    assert [prompt["template"] is None for prompt in found.values()] == [True, False, False]
    assert len({prompt["digest"] for prompt in found.values()}) == 3
    assert "style gsm8k_cot, chat single," in (tmp_path / "single/summary.md").read_text()


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (("--style", "think"), "lm-eval has no task think; give --style gsm8k, gsm8k_cot"),
        (("--style", "gsm8k_cot", "--temperature", "1"), "lm-eval's tasks are greedy; leave --temperature out"),
        (
            ("--style", "gsm8k_cot", "--engine", "server", "--base-url", "http://127.0.0.1:9/v1"),
            "loads the model itself, which a server has; take --check lm-eval",
        ),
    ],
    ids=["not its task", "sampled", "a server's model"],
)
def test_what_lm_eval_cannot_run_is_refused(
    model: Path, data: Path, tmp_path: Path, flags: tuple[str, ...], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.doctor.preflight.refused", lambda names: [])  # as if lm-eval were installed
    _, err = run(model, "--data-path", data, "--out", tmp_path / "e", "--check", "lm-eval-run", *flags, code=2)
    assert err.startswith("error: --check lm-eval-run: ") and says in err and err.count("\n") == 1
    assert not (tmp_path / "e").exists()


def test_kinds_of_problems_are_told_apart(model: Path, tmp_path: Path) -> None:
    kinds = ["digit expansion", "distraction insertion", "digit expansion"]
    rows = [{**row, "perturbation_type": kind} for row, kind in zip(PROBLEMS, kinds, strict=False)]
    report = evaluated(model, written(tmp_path / "plus.jsonl", rows), tmp_path / "e")
    items = [json.loads(line) for line in (tmp_path / "e/items.jsonl").read_text().splitlines()]
    assert [item["kind"] for item in items] == kinds
    assert {kind: found["n"] for kind, found in report["by_kind"].items()} == {kinds[0]: 2, kinds[1]: 1}
    page = (tmp_path / "e/summary.md").read_text()
    assert "## Accuracy by kind of problem" in page and "| distraction insertion |" in page


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
    assert all(name.startswith("untrained-apples-bare-") for name in folders)


def test_unscorable_golds_are_shown_and_in_no_accuracy(model: Path, tmp_path: Path) -> None:
    data = written(tmp_path / "mixed.jsonl", [*PROBLEMS[:3], {"question": "Why?", "answer": "because"}])
    report = evaluated(model, data, tmp_path / "e")
    assert (report["completions"], report["unscorable"], report["accuracy"]["n"]) == (4, 1, 3)
    assert report["statuses"]["unparseable_gold"] == 1
    out, err = run(model, "--data-path", data, "--out", tmp_path / "e", "--max-new-tokens", 8)
    assert "1 completions could not be scored and are in no accuracy" in out
    assert "1 golds are not one number and cannot be scored: mixed-4" in err
    page = (tmp_path / "e/summary.md").read_text()
    assert "| notes | mixed: 1 golds are not one number and cannot be scored: mixed-4 |" in page


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
        (("--check", "helm"), "--check helm: give lm-eval, lm-eval-run"),
        (("--chat", "yes"), "--chat yes: give none, single, multiturn"),
        (("--chat", "none"), "bare: makes a conversation; leave the chat option out"),
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


@pytest.mark.parametrize(
    "flag",
    [("--engine", "vllm"), ("--check", "lm-eval"), ("--style=gsm8k_cot", "--check=lm-eval-run")],
    ids="=".join,
)
def test_a_missing_extra_is_named_before_anything_runs(
    model: Path, data: Path, tmp_path: Path, flag: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    here = capabilities.version  # as if it were not installed, where it is
    monkeypatch.setattr(capabilities, "version", lambda name: here(name) if name in ("torch", "trl") else None)
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


def with_lm_eval(*arguments: object) -> subprocess.CompletedProcess[str]:
    """`harness eval` in a process in which lm-eval is laid over this environment."""
    code = "import typer; from harness.cli.eval import evaluate_command as e; a = typer.Typer(); a.command()(e); a()"
    return subprocess.run(
        [sys.executable, "-P", "-c", code, *map(str, arguments)],
        env={**threads.environment(), "PYTHONPATH": f"{overlay('lm_eval')}{os.pathsep}{ROOT}", "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
    )


@pytest.mark.slow
def test_tiny_with_lm_eval_beside_it(tmp_path: Path) -> None:
    tiny.base_folder("default")
    flags = ("--samples", 2, "--temperature", 1, "--limit", 100, "--out", tmp_path / "e", "--json")
    done = with_lm_eval("tiny", "--check", "lm-eval", *flags)
    assert done.returncode == 0, done.stderr[-3000:]
    report = json.loads(done.stdout)
    assert report["lm_eval"]["disagreements"] == 0
    assert report["lm_eval"]["flexible"] == round(report["flexible"]["value"] * 200)
    assert report["lm_eval"]["strict"] == round(report["strict"]["value"] * 200)
    assert report["accuracy"]["n"] == 200


@pytest.mark.slow
def test_lm_eval_runs_the_model_itself(tmp_path: Path) -> None:
    tiny.base_folder("default")
    flags = ("--style", "gsm8k_cot_zeroshot", "--chat", "multiturn", "--limit", 16, "--max-new-tokens", 5)
    done = with_lm_eval("tiny", "--check", "lm-eval-run", "--out", tmp_path / "e", *flags)
    assert done.returncode == 0, done.stderr[-3000:]
    said = done.stdout.splitlines()
    assert "lm-eval's own generation: 16 of 16 completions identical to ours" in said
    assert said[-1] == "0 of 32 grades differ"
    items = [json.loads(line) for line in (tmp_path / "e/items.jsonl").read_text().splitlines()]
    assert len({item["completion"] for item in items}) > 4
    assert max(item["tokens"] for item in items) == 5  # the limit that was asked for, not lm-eval's own
