"""`harness doctor`: the checks of a model folder, for people and machines, and its exit codes."""

import json
from pathlib import Path

import pytest
import typer
from safetensors.numpy import save_file
from typer.testing import CliRunner, Result

from harness import chat
from harness.alignment import Finding
from harness.cli.doctor import doctor
from harness.doctor import capabilities, limits
from harness.doctor.capabilities import CAPABILITIES
from harness.doctor.verdict import Verdict
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


@pytest.fixture(autouse=True)
def on_any_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk or few open files of the machine that the tests run on are not what is tested here."""
    monkeypatch.setattr(limits, "checks", lambda results: [Finding("cores", "ok", "2")])


def test_an_aligned_model_passes(folder: Path) -> None:
    done = run("cpu", "--model", str(folder), "--style", "bare")
    assert done.exit_code == 0, done.output
    head = f"model mine, prompt bare, template {chat.template_hash(tokenizer.build())}"
    findings = done.stdout.split(f"{head}\n")[1].splitlines()
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
    assert "Example: harness doctor cpu --model tiny" in run("--help").stdout


def test_json_has_a_verdict_for_every_capability() -> None:
    told = json.loads(run("--json").stdout)
    assert [one["name"] for one in told["capabilities"]] == list(CAPABILITIES)
    for one in told["capabilities"]:
        assert set(one) == {"name", "status", "reason", "fix"}
        assert one["status"] in ("ok", "missing", "refused")
        assert bool(one["fix"]) == (one["status"] != "ok")
    assert told["machine"] == [{"name": "cores", "status": "ok", "message": "2"}]


@pytest.mark.parametrize(
    ("arguments", "statuses", "code"),
    [
        pytest.param((), {"cpu": "ok", "ray": "missing"}, 0, id="what nobody asked for may be missing"),
        pytest.param(("cpu",), {"cpu": "ok"}, 0, id="named and there"),
        pytest.param(("ray",), {"ray": "missing"}, 1, id="named and missing"),
        pytest.param((), {"cpu": "missing"}, 1, id="the default must be there"),
        pytest.param((), {"cpu": "ok", "vllm": "refused"}, 1, id="refused is never right"),
    ],
)
def test_exit_codes(
    monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], statuses: dict[str, str], code: int
) -> None:
    found = [Verdict(name, status, "so it is", "do this") for name, status in statuses.items()]  # type: ignore[arg-type]
    monkeypatch.setattr(capabilities, "verdicts", lambda asked, deep, done: found)
    assert run(*arguments).exit_code == code


def test_a_failing_machine_exits_with_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "checks", lambda results: [Finding("cache", "fail", "/: is a file")])
    done = run("cpu")
    assert done.exit_code == 1
    assert "  fail     cache          /: is a file" in done.stdout


def test_people_see_the_fix_under_the_reason() -> None:
    lines = run("lm-eval").stdout.splitlines()
    assert lines[:3] == [
        "Capabilities",
        "  missing  lm-eval    lm-eval is not installed",
        "                      fix: pip install 'reward-harness[lm-eval]'",
    ]


def test_an_unknown_capability_is_one_line() -> None:
    done = run("deepsped")
    assert done.exit_code == 2
    assert done.stderr.startswith("error: deepsped: did you mean deepspeed? There are cpu, cuda, ")
