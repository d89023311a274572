"""A model of the embedded architecture with random weights: real files, no training."""

from pathlib import Path

import pytest

from harness.config import DataConfig, EvaluationConfig, ModelConfig, RunConfig, TrainConfig
from harness.tiny import base, tokenizer
from harness.tiny.problems import write_split
from harness.tiny.recipe import Recipe
from harness.training import GrpoConfig, OptimizerConfig, TrainRun


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch

    folder = tmp_path_factory.mktemp("model")
    tokens = tokenizer.build()
    torch.manual_seed(0)
    base.model(Recipe(hidden=32, mlp=64, layers=1, heads=2), tokens).save_pretrained(folder)
    tokens.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def data_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_split(folder / "train.jsonl", "train", 40, 0, 1)
    write_split(folder / "test.jsonl", "test", 12, 0, 1)
    return folder


@pytest.fixture
def config(model_folder: Path, data_folder: Path) -> RunConfig:
    """Two GRPO steps of two groups of four, on twelve problems."""
    return RunConfig(
        reward="format_answer",
        objective="grpo",
        seed=3,
        prompt="bare",
        model=ModelConfig(name="random", path=str(model_folder), fingerprint="m"),
        data=DataConfig(
            name="tiny",
            train=str(data_folder / "train.jsonl"),
            test=str(data_folder / "test.jsonl"),
            fingerprint="d",
        ),
        train=TrainConfig(steps=2, prompts_per_step=2, group_size=4, learning_rate=1e-3, max_new_tokens=8),
        evaluation=EvaluationConfig(test_items=6, samples=2, dev_items=4, every=1),
        code="c",
    )


@pytest.fixture
def run(config: RunConfig) -> TrainRun:
    """The GRPO training of `config`, as `harness train grpo` would run it."""
    return TrainRun(
        method="grpo",
        seed=config.seed,
        prompt="bare",
        model=config.model,
        data=config.data,
        optimizer=OptimizerConfig(steps=2, batch_size=8, learning_rate=1e-3),
        grpo=GrpoConfig(reward="format_answer", group_size=4, max_new_tokens=8),
    )
