"""The flags of the main job, parsed and checked before anything starts."""

from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest

import rewards as registry
from harness.cli import request
from harness.cli.request import BadRequest, Request, check_space, checked, slug


def asked(**flags: Any) -> Request:
    sizes = {"seeds": None, "preset": "quick", "overrides": [], "jobs": 0}
    return checked(**{"rewards": "sparse", "objectives": "grpo", "prm": "", "name": "", **sizes, **flags})


def test_commas_inside_parentheses_belong_to_the_spec() -> None:
    found = asked(rewards="format_answer(format=0.1,answer=0.9),sparse").rewards
    assert found == ("format_answer(format=0.1,answer=0.9)", "sparse")


def test_objectives_name_their_credit_and_a_learned_model_comes_by_flag(tmp_path: Path) -> None:
    found = asked(objectives="grpo,grpo+min(process,weight=1),dapo+direct(vine)").objectives
    assert found == ("grpo", "grpo+min(process,weight=1)", "dapo+direct(vine)")
    (tmp_path / "config.json").write_text("{}")
    assert asked(objectives="grpo+min(prm)", prm=str(tmp_path)).objectives == ("grpo+min(prm)",)
    with pytest.raises(BadRequest, match="no process reward model there"):
        asked(objectives="grpo+min(prm)", prm="some/folder")
    with pytest.raises(BadRequest, match="give the learned model by --prm FOLDER"):
        asked(objectives="grpo+min(prm)")
    with pytest.raises(BadRequest, match="did you mean min"):
        asked(objectives="grpo+mim(process)")


def test_two_spellings_of_one_reward_are_one_cell() -> None:
    assert asked(rewards=" format_answer( format = 0.20 ) ").rewards == asked(rewards="format_answer").rewards


@pytest.mark.parametrize(("preset", "count"), [("smoke", 1), ("quick", 3), ("full", 5)])
def test_seeds_come_from_the_preset_where_not_given(preset: str, count: int) -> None:
    assert asked(preset=preset).seeds == count
    assert asked(preset=preset, seeds="7").seeds == 7


def test_set_takes_tables_and_refuses_what_is_resolved() -> None:
    assert asked(overrides=["train.steps=9", "model.lora_rank=4"]).changes == (
        ("train", "steps", "9"),
        ("model", "lora_rank", "4"),
    )
    with pytest.raises(BadRequest, match=r"--set model\.path=/x"):
        asked(overrides=["model.path=/x"])


@pytest.mark.parametrize(
    ("parts", "name"),
    [
        (["tiny", "tiny", "sparse", "grpo", "quick"], "tiny-sparse-grpo-quick"),
        (["owner/Model", "format_answer(format=0.1)"], "owner-Model-format_answer-format-0.1"),
        (["../../etc", "x"], "..-..-etc-x"),
    ],
    ids=["plain", "spec and hub id", "no way out of the results folder"],
)
def test_names_are_made_from_the_flags(parts: list[str], name: str) -> None:
    assert slug(parts) == name


def test_a_full_disk_is_told_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(request.shutil, "disk_usage", lambda path: usage(100, 99, 1))

    class Plan:
        rewards, objectives, seeds = ("a", "b"), ("grpo",), (0, 1, 2)
        model = namedtuple("model", "path lora_rank")(str(tmp_path), 0)

    with pytest.raises(BadRequest, match=r"needs about 0\.1 GB and .* has 0\.0 GB free"):
        check_space(tmp_path / "results" / "x", Plan())  # type: ignore[arg-type]
    assert not (tmp_path / "results").exists()


def test_a_spec_knows_the_plugins_it_comes_from(tmp_path: Path) -> None:
    source = (
        "from dataclasses import dataclass\nimport rewards\nfrom rewards.reward import Reward\n"
        "@rewards.register('of_the_request')\n@dataclass(frozen=True)\nclass Own(Reward):\n"
        "    def score(self, batch):\n        return {self.name: [1.0 for _ in batch.completions]}\n"
    )
    path = tmp_path / "own.py"
    path.write_text(source)
    before = registry.registry.snapshot()
    try:
        loaded = registry.plugins.load(path)
        found = {spec: request._plugins(spec) for spec in asked(rewards="sparse,sparse+0.5*of_the_request").rewards}
    finally:
        registry.registry.restore(before)
    assert found["sparse"] == ()
    assert [(plugin.path, plugin.sha256) for plugin in found["sparse+0.5*of_the_request"]] == [
        (str(path), loaded.sha256)
    ]
