"""`harness train`: what it refuses and how, and a run from the command line to its weights and its accuracy."""

import json
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from typer.testing import CliRunner, Result

from harness.cli import app
from harness.cli.recipe import BadRecipe, read
from harness.config import DataConfig, ModelConfig
from harness.tiny import base, tokenizer
from harness.tiny.problems import write_split
from harness.tiny.recipe import Recipe as TinyRecipe
from harness.trainers.sharding import deepspeed
from harness.training import Method, Settings, TrainRun

EXAMPLES = Path(__file__).parents[2] / "examples"
RECIPE: dict[str, Any] = {
    "optimizer": {"steps": 2, "batch_size": 4, "learning_rate": 1e-3},
    "sft": {"max_length": 128},
    "evaluation": {"test_items": 4, "max_new_tokens": 4, "before": True},
}
DIVIDED = {"strategy": "zero3", "processes": 2}
GRPO = {"reward": "format_answer", "group_size": 2, "max_new_tokens": 4}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model with random weights, and data beside it."""
    import torch

    folder = tmp_path_factory.mktemp("train")
    tokens = tokenizer.build()
    torch.manual_seed(0)
    base.model(TinyRecipe(hidden=32, mlp=64, layers=1, heads=2), tokens).save_pretrained(folder / "model")
    tokens.save_pretrained(folder / "model")
    (folder / "data").mkdir()
    write_split(folder / "data" / "train.jsonl", "train", 24, 0, 1)
    write_split(folder / "data" / "test.jsonl", "test", 6, 0, 1)
    return folder


def train(home: Path, method: str, recipe: dict[str, Any], *flags: str) -> Result:
    table = {"model": str(home / "model"), "data": str(home / "data"), "prompt": "bare", **recipe}
    (home / "recipe.toml").write_text(tomli_w.dumps(table))
    return CliRunner().invoke(app, ["train", method, "--config", str(home / "recipe.toml"), *flags])


def without(recipe: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in recipe.items() if name not in names}


def test_a_run_from_the_command_line_leaves_weights_records_and_its_accuracy(home: Path) -> None:
    out = home / "run"
    done = train(home, "sft", RECIPE, "--out", str(out), "--json")
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert report["state"] == "done"
    assert report["step"] == 2
    assert report["evaluation"]["items"] == 4
    assert report["before"]["items"] == 4
    assert [json.loads(line)["step"] for line in (out / "metrics.jsonl").read_text().splitlines()] == [1, 2]
    assert (out / "model" / "model.safetensors").is_file()
    assert len((out / "items.jsonl").read_text().splitlines()) == 4

    again = train(home, "sft", RECIPE, "--out", str(out))
    assert again.exit_code == 0, again.output
    assert "2 steps" in again.stdout
    other = train(home, "sft", RECIPE, "--out", str(out), "--set", "optimizer.steps=3")
    assert other.exit_code == 2
    assert "optimizer.steps: 2 there, 3 here" in other.stderr


@pytest.mark.parametrize(
    ("method", "recipe", "flags", "says"),
    [
        ("ppo", RECIPE, (), "ppo: give sft, dpo, grpo"),
        ("dpo", RECIPE, (), "harness train dpo needs a table [dpo]"),
        ("sft", {**RECIPE, "grpo": GRPO}, (), "harness train sft has no use for the table [grpo]"),
        ("sft", {**RECIPE, "speed": 3}, (), "speed: there is no such setting"),
        ("sft", without(RECIPE, "optimizer"), (), "optimizer"),
        ("sft", RECIPE, ("--set", "optimizer.steps=0"), "optimizer.steps"),
        ("sft", RECIPE, ("--set", "steps"), "--set steps: give KEY=VALUE"),
        ("sft", RECIPE, ("--set", "seed=1", "--set", "seed.x=1"), "seed is a value, not a table"),
        ("sft", {**RECIPE, "model": "/nowhere/at/all"}, (), "/nowhere/at/all"),
        ("sft", {**RECIPE, "data": "/nowhere"}, (), "/nowhere"),
        ("grpo", {**without(RECIPE, "sft"), "grpo": {**GRPO, "reward": "spars"}}, (), "did you mean sparse"),
        ("grpo", {**without(RECIPE, "sft"), "grpo": {**GRPO, "objective": "grop"}}, (), "did you mean grpo"),
        ("dpo", {**without(RECIPE, "sft"), "dpo": {"loss": "simp"}}, (), "did you mean simpo"),
        ("dpo", {**without(RECIPE, "sft"), "dpo": {"pairs": {"rollouts": ["gone"]}}}, (), "gone: no such file"),
        ("dpo", {**without(RECIPE, "sft"), "dpo": {"loss": "simpo", "settings": {"alpha": 1}}}, (), "alpha"),
        ("dpo", {**without(RECIPE, "sft"), "dpo": {}, "shard": {"processes": 2}}, (), "sample first"),
        ("sft", {**RECIPE, "adapter": {"kind": "qlora"}, "shard": DIVIDED}, (), "not with shard.strategy"),
        ("grpo", {**without(RECIPE, "sft"), "grpo": {**GRPO, "rollout": "server"}}, (), "belong together"),
        ("sft", RECIPE, ("--set", "optimizer.micro_batch=3"), "multiple"),
        ("sft", RECIPE, ("--set", "plugins=['gone.py']"), "gone.py"),
    ],
    ids=[
        "unknown method", "missing table", "table of another method", "unknown key", "no optimizer", "no steps",
        "--set without =", "--set below a value", "no such model", "no such data", "unknown reward",
        "unknown objective", "unknown loss", "no such rollouts",
        "setting of another loss", "sampling on several processes", "qlora divided", "server without url",
        "batch does not divide", "no such plugin",
    ],
)  # fmt: skip
def test_bad_input_is_one_line_with_the_fix(
    home: Path, method: str, recipe: dict[str, Any], flags: tuple[str, ...], says: str
) -> None:
    done = train(home, method, recipe, *flags, "--out", str(home / "refused"))
    assert done.exit_code == 2, done.output
    assert says in done.stderr
    assert all(line.startswith("error: ") for line in done.stderr.strip().splitlines())
    assert not (home / "refused").exists()


def test_a_missing_and_a_broken_file_say_so(tmp_path: Path) -> None:
    with pytest.raises(BadRecipe, match="give a TOML file"):
        read(tmp_path / "gone.toml", [])
    (tmp_path / "broken.toml").write_text("optimizer = [")
    with pytest.raises(BadRecipe, match=r"broken\.toml: not TOML"):
        read(tmp_path / "broken.toml", [])


@pytest.mark.parametrize(
    ("change", "found"),
    [("seed=4", 4), ('model="a b"', "a b"), ("model=owner/name", "owner/name"), ("optimizer.learning_rate=1e-4", 1e-4)],
    ids=["number", "quoted text", "text without quotes", "in a table"],
)
def test_a_change_is_read_as_toml_and_else_as_text(tmp_path: Path, change: str, found: Any) -> None:
    (tmp_path / "recipe.toml").write_text(tomli_w.dumps(RECIPE))
    value: Any = read(tmp_path / "recipe.toml", [change]).model_dump()
    for key in change.split("=")[0].split("."):
        value = value[key]
    assert value == found


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.toml")), ids=lambda path: path.stem)
def test_every_example_is_a_valid_recipe(path: Path) -> None:
    recipe = read(path, [])
    method = path.stem.split("-")[0]
    assert getattr(recipe, method) is not None


@pytest.mark.parametrize("method", ["sft", "dpo", "grpo"])
def test_the_recipes_for_7b_make_a_sharded_config_that_fits_its_gpus(method: Method) -> None:
    path = EXAMPLES / f"{method}-7b.toml"
    recipe = read(path, [])
    run = TrainRun(
        method=method,
        prompt="think",
        model=ModelConfig(name=recipe.model, path="", fingerprint=""),
        data=DataConfig(name="gsm8k", train="", test="", fingerprint=""),
        **{name: getattr(recipe, name) for name in Settings.model_fields},
    )
    config = deepspeed(run, on_cpu=False)
    assert config["zero_optimization"]["stage"] == 3
    assert config["bf16"] == {"enabled": True}
    share = config["train_micro_batch_size_per_gpu"] * config["gradient_accumulation_steps"]
    assert share * run.shard.processes == config["train_batch_size"] == run.optimizer.batch_size

    done = CliRunner().invoke(app, ["estimate", "--config", str(path), "--gpu-gb", "80", "--json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["fits"] is True
    assert found["per_gpu_gb"]["total"] < 80
