"""`harness doctor`: the checks of a model folder, for people and machines, and its exit codes."""

import json
from pathlib import Path

import pytest
import typer
from safetensors.numpy import save_file
from typer.testing import CliRunner, Result

from harness import chat
from harness.cli.doctor import doctor
from harness.tiny import tokenizer

app = typer.Typer()
app.command()(doctor)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """All that the checks look at; of the weights they only want to know that there are some."""
    path = tmp_path / "mine"
    tokenizer.build().save_pretrained(path)
    (path / "config.json").write_text(json.dumps({"model_type": "llama", "eos_token_id": 4}))
    save_file({}, path / "model.safetensors")
    return path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def with_template(folder: Path, old: str, new: str) -> None:
    template = folder / "chat_template.jinja"
    assert old in template.read_text()
    template.write_text(template.read_text().replace(old, new))


def test_an_aligned_model_passes(folder: Path) -> None:
    done = run("--model", str(folder), "--style", "bare")
    assert done.exit_code == 0, done.output
    head, *findings = done.stdout.splitlines()
    assert head == f"model mine, prompt bare, template {chat.template_hash(tokenizer.build())}"
    assert len(findings) == 11
    assert all(line.startswith("ok ") for line in findings)


def test_a_failure_shows_tokens_and_exits_with_one(folder: Path) -> None:
    with_template(folder, "'<|assistant|>\\n'", "'<|assistant|>\\n<think>'")
    done = run("--model", str(folder), "--style", "bare")
    assert done.exit_code == 1
    assert "fail  think        the generation prompt already writes <think>" in done.stdout
    assert "        -'<think>'" in done.stdout.splitlines()


def test_json_has_every_finding(folder: Path) -> None:
    with_template(folder, "message['content']", "message['content'].split('</think>')[-1]")
    done = run("--model", str(folder), "--style", "bare", "--json")
    assert done.exit_code == 1
    told = json.loads(done.stdout)
    assert (told["model"], told["prompt"]) == ("mine", "bare")
    assert {one["name"]: one["status"] for one in told["alignment"] if one["status"] != "ok"} == {"think": "fail"}
    thought = next(one for one in told["alignment"] if one["name"] == "think")
    assert set(thought) == {"name", "status", "message", "diff"}
    assert "+'<think>'" in thought["diff"]


def test_the_style_decides_what_is_checked(folder: Path) -> None:
    """The embedded tokenizer lacks the words of the system prompt, which only `think` has."""
    assert run("--model", str(folder)).exit_code == 1  # think, as `harness eval` takes for any folder
    assert "fail  vocabulary" in run("--model", str(folder)).stdout


def test_the_stop_tokens_are_the_folders_own(folder: Path) -> None:
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps({**settings, "eos_token": tokenizer.PAD}))
    assert run("--model", str(folder), "--style", "bare").exit_code == 0
    (folder / "config.json").write_text(json.dumps({"model_type": "llama", "eos_token_id": 0}))
    done = run("--model", str(folder), "--style", "bare")
    assert done.exit_code == 1
    assert "answers end with <|end|>, generation stops at <|pad|>" in done.stdout


def test_a_model_that_is_none_is_one_line(tmp_path: Path) -> None:
    done = run("--model", str(tmp_path))
    assert done.exit_code == 2
    assert done.stderr.startswith("error: ") and "no config.json" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_the_help_has_an_example() -> None:
    assert "Example: harness doctor --model tiny" in run("--help").stdout
