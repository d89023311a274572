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
        {"plugins": [{"path": "/mine.py", "sha256": "a"}]},
    ],
    ids=lambda change: next(iter(change)),
)
def test_identity_changes_with_all_that_decides_the_numbers(config: RunConfig, change: dict[str, Any]) -> None:
    assert changed(config, **change).identity() != config.identity()


def test_identity_is_the_same_wherever_the_files_lie(config: RunConfig) -> None:
    moved = changed(config, model={"path": "/elsewhere"}, data={"train": "/a", "test": "/b", "dev": "/c"})
    assert moved.identity() == config.identity()


def test_a_plugin_counts_by_its_bytes(config: RunConfig, tmp_path: Path) -> None:
    with_plugin = changed(config, plugins=[{"path": "/mine.py", "sha256": "a"}])
    assert changed(config, plugins=[{"path": "/moved.py", "sha256": "a"}]).identity() == with_plugin.identity()
    assert changed(config, plugins=[{"path": "/mine.py", "sha256": "b"}]).identity() != with_plugin.identity()
    with_plugin.write(tmp_path / "config.toml")
    assert RunConfig.read(tmp_path / "config.toml") == with_plugin


def test_a_run_without_plugins_has_the_identity_it_had_before_there_were_any() -> None:
    study = Path(__file__).parents[2] / "results" / "sparse-vs-format_answer"
    cells = [path.parent for path in study.glob("cells/*/config.toml")]
    assert cells and all(RunConfig.read(cell / "config.toml").identity() == cell.name for cell in cells)


@pytest.mark.parametrize(
    "change",
    [{"train": {"group_size": 1}}, {"train": {"micro_batch": 3}}, {"train": {"stpes": 3}}, {"seed": -1}],
    ids=["a group of one has no baseline", "micro batch must divide", "unknown key", "negative seed"],
)
def test_impossible_configs_are_refused(config: RunConfig, change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        changed(config, **change)
