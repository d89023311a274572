"""`harness export`: what it says, to people and machines, and what it refuses before anything is looked for."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from safetensors.numpy import save_file
from typer.testing import CliRunner, Result

from harness.cli import app
from harness.tiny import tokenizer
from harness.tiny.problems import write_split

EXAMPLES = Path(__file__).parents[2] / "examples"
RECIPE: dict[str, Any] = {
    "prompt": "bare",
    "optimizer": {"steps": 4, "batch_size": 16, "learning_rate": 1e-5},
    "grpo": {"reward": "format_answer", "group_size": 4, "max_new_tokens": 60, "kl": 0.0},
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("command")
    tokenizer.build().save_pretrained(folder / "model")
    (folder / "model" / "config.json").write_text(json.dumps({"model_type": "llama", "eos_token_id": 4}))
    save_file({}, folder / "model" / "model.safetensors")
    (folder / "data").mkdir()
    write_split(folder / "data" / "train.jsonl", "train", 20, 0, 1)
    write_split(folder / "data" / "test.jsonl", "test", 6, 0, 1)
    return folder


def export(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["export", *arguments])


def written(home: Path, **changes: Any) -> Path:
    table = {"model": str(home / "model"), "data": str(home / "data"), **RECIPE, **changes}
    (home / "mine.toml").write_text(tomli_w.dumps(table))
    return home / "mine.toml"


def test_people_are_told_where_it_lies_and_how_it_goes_on(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)
    done = export("verl", "--config", str(written(home)), "--gpus", "2", "--machines", "2")
    assert done.exit_code == 0, done.output
    folder = Path("results/export/verl-mine")
    assert done.stdout.startswith(f"{folder}: grpo with format_answer for verl 0.9.1 on 2 x 2 GPUs\n")
    assert "left out: grpo.reward_seconds" in done.stdout
    assert f"cd {folder} && bash setup.sh --check-only && .venv/bin/python check.py" in done.stdout
    assert (folder / "run.sh").is_file()
    assert not folder.with_name("verl-mine.partial").exists()


def test_machines_get_every_setting(home: Path, tmp_path: Path) -> None:
    done = export("openrlhf", "--config", str(written(home)), "--out", str(tmp_path / "there"), "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["folder"] == str(tmp_path / "there")
    assert {"ours": "seed", "theirs": "--train.seed", "value": 0} in told["settings"]
    assert told["left_out"]["grpo.reward_seconds"]
    assert told["place"]["model"] == str(home / "model")


@pytest.mark.parametrize(
    ("engine", "file", "flags", "says"),
    [
        pytest.param("trl", "grpo-7b", (), "trl: give verl or openrlhf", id="engine"),
        pytest.param("verl", "sft-7b", (), "harness train", id="method"),
        pytest.param("verl", "none", (), "No such file", id="file"),
        pytest.param("openrlhf", "grpo-7b", (), "harness export verl has it", id="objective"),
        pytest.param("verl", "grpo-7b", ("--gpus", "3"), "must be a multiple of 3 GPUs", id="GPUs"),
        pytest.param("verl", "grpo-7b", ("--set", "grpo.reward=length_linear"), "neither token ids", id="reward"),
        pytest.param("verl", "grpo-7b", ("--set", "grpo.reward=sparce"), "did you mean sparse", id="spelling"),
        pytest.param("verl", "grpo-7b", ("--set", "grpo.objective=grop"), "did you mean grpo", id="objective spelling"),
        pytest.param("verl", "grpo-7b", ("--set", "grpo.groups=3"), "there is no such setting", id="setting"),
        pytest.param("verl", "grpo-calculator", (), "remove [grpo.credit]", id="credit"),
    ],
)
def test_bad_input_ends_in_one_line_with_the_fix(
    engine: str, file: str, flags: tuple[str, ...], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = export(engine, "--config", str(EXAMPLES / f"{file}.toml"), *flags)
    assert done.exit_code == 2
    assert says in done.stderr, done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("tracker", ["wandb", "trackio"])
def test_trackers_need_not_be_here(home: Path, tmp_path: Path, tracker: str) -> None:
    done = export("verl", "--config", str(written(home, report_to=[tracker])), "--out", str(tmp_path / "out"), "--json")
    assert done.exit_code == 0, done.output
    loggers = [one["value"] for one in json.loads(done.stdout)["settings"] if one["theirs"] == "trainer.logger"]
    assert loggers == [["console", tracker]]


def test_help_has_an_example() -> None:
    assert "Example: harness export verl --config examples/grpo-7b.toml" in export("--help").stdout


@pytest.mark.slow
def test_of_a_hub_id_no_weights_are_needed_and_the_engine_gets_the_id(home: Path, tmp_path: Path) -> None:
    """The hub's cache holds what an export downloads: configs and tokenizer."""
    hub = tmp_path / "hub" / "models--owner--small"
    snapshot = hub / "snapshots" / "0123456789012345678901234567890123456789"
    shutil.copytree(home / "model", snapshot, ignore=shutil.ignore_patterns("*.safetensors"))
    (hub / "refs").mkdir()
    (hub / "refs" / "main").write_text(snapshot.name)
    command = [sys.executable, "-m", "harness", "export", "verl", "--config", str(written(home, model="owner/small"))]
    done = subprocess.run(
        [*command, "--out", str(tmp_path / "out"), "--json"],
        env={**os.environ, "HF_HUB_CACHE": str(tmp_path / "hub"), "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["place"]["model"] == "owner/small"
    assert (tmp_path / "out" / "tokenizer" / "tokenizer.json").is_file()
