"""A run's identity: what changes it, what does not, and the config's way to disk and back."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from harness.config import RunConfig


def changed(config: RunConfig, **tables: Any) -> RunConfig:
    plain = config.model_dump()
    for name, value in tables.items():
        plain[name] = {**plain[name], **value} if isinstance(value, dict) else value
    return RunConfig.model_validate(plain)


def test_round_trip_through_toml(config: RunConfig, tmp_path: Path) -> None:
    config.write(tmp_path / "config.toml")
    assert RunConfig.read(tmp_path / "config.toml") == config


@pytest.mark.parametrize(
    "change",
    [
        {"reward": "sparse"},
        {"seed": 4},
        {"code": "other"},
        {"model": {"fingerprint": "n"}},
        {"data": {"fingerprint": "e"}},
        {"train": {"learning_rate": 2e-3}},
        {"evaluation": {"samples": 3}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_identity_changes_with_all_that_decides_the_numbers(config: RunConfig, change: dict[str, Any]) -> None:
    assert changed(config, **change).identity() != config.identity()


def test_identity_is_the_same_wherever_the_files_lie(config: RunConfig) -> None:
    moved = changed(config, model={"path": "/elsewhere"}, data={"train": "/a", "test": "/b", "dev": "/c"})
    assert moved.identity() == config.identity()


@pytest.mark.parametrize(
    "change",
    [{"train": {"group_size": 1}}, {"train": {"micro_batch": 3}}, {"train": {"stpes": 3}}, {"seed": -1}],
    ids=["a group of one has no baseline", "micro batch must divide", "unknown key", "negative seed"],
)
def test_impossible_configs_are_refused(config: RunConfig, change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        changed(config, **change)
