"""A small model's tokenizer, data, and runs to export."""

import json
from pathlib import Path
from typing import Any

import tomli_w
from safetensors.numpy import save_file
from typer.testing import CliRunner, Result

from harness.cli import app
from harness.tiny import tokenizer
from harness.tiny.problems import write_split

RECIPE: dict[str, Any] = {
    "prompt": "bare",
    "optimizer": {"steps": 8, "batch_size": 16, "learning_rate": 1e-5},
    "grpo": {"reward": "format_answer", "group_size": 4, "max_new_tokens": 100, "kl": 0.0},
}


def make_home(folder: Path, tokens: Any = None) -> Path:
    """All that an export looks at; of the weights it only wants to know that there are some."""
    (tokens or tokenizer.build()).save_pretrained(folder / "model")
    (folder / "model" / "config.json").write_text(json.dumps({"model_type": "llama", "eos_token_id": 4}))
    save_file({}, folder / "model" / "model.safetensors")
    (folder / "data").mkdir()
    write_split(folder / "data" / "train.jsonl", "train", 40, 0, 1)
    write_split(folder / "data" / "test.jsonl", "test", 12, 0, 1)
    return folder


def export(home: Path, engine: str, *flags: str, recipe: dict[str, Any] = RECIPE, name: str = "run") -> Result:
    """`harness export` of a recipe on the home's model and data."""
    table = {"model": str(home / "model"), "data": str(home / "data"), **recipe}
    (home / f"{name}.toml").write_text(tomli_w.dumps(table))
    return CliRunner().invoke(app, ["export", engine, "--config", str(home / f"{name}.toml"), *flags])


def exported(home: Path, engine: str, *flags: str, name: str = "run", recipe: dict[str, Any] = RECIPE) -> Path:
    """The folder of an export that has to succeed."""
    folder = home / f"{engine}-{name}"
    done = export(home, engine, "--out", str(folder), *flags, recipe=recipe, name=name)
    assert done.exit_code == 0, done.output
    return folder


def manifest(folder: Path) -> dict[str, Any]:
    told: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    return told


def values(folder: Path) -> dict[str, Any]:
    """What the engine is told, by its own names."""
    return {setting["theirs"]: setting["value"] for setting in manifest(folder)["settings"]}
