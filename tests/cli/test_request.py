"""The flags of the main job, parsed and checked before anything starts."""

from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from rich.console import Console

import rewards as registry
from ablations.plan import Plan
from harness.cli import request
from harness.cli.asked import asked
from harness.cli.errors import BadRequest, lines
from harness.cli.request import Request, check_space, planned, slug
from harness.config import RunConfig
from harness.doctor import preflight


def request_of(**flags: Any) -> Request:
    """The request, refused with all its problems."""
    changes = flags.pop("changes", [])
    found = Request(asked(None, {"rewards": "sparse", **flags}, changes))
    if found.problems:
        raise BadRequest("\n".join(found.problems))
    return found


def runs(plan: Plan) -> list[RunConfig]:
    return [one.run for one in plan.runs()]


def test_commas_inside_parentheses_belong_to_the_spec() -> None:
    found = request_of(rewards="format_answer(format=0.1,answer=0.9),sparse").rewards
    assert found == ("format_answer(format=0.1,answer=0.9)", "sparse")


def test_objectives_name_their_credit_and_a_learned_model_comes_by_flag(tmp_path: Path) -> None:
    found = request_of(objectives="grpo,grpo+min(process,weight=1),dapo+direct(vine)").objectives
    assert found == ("grpo", "grpo+min(process,weight=1)", "dapo+direct(vine)")
    (tmp_path / "config.json").write_text("{}")
    assert request_of(objectives="grpo+min(prm)", prm=str(tmp_path)).objectives == ("grpo+min(prm)",)
    with pytest.raises(BadRequest, match="no process reward model there"):
        request_of(objectives="grpo+min(prm)", prm="some/folder")
    with pytest.raises(BadRequest, match="give the learned model by --prm FOLDER"):
        request_of(objectives="grpo+min(prm)")
    with pytest.raises(BadRequest, match="did you mean min"):
        request_of(objectives="grpo+mim(process)")


def test_two_spellings_of_one_reward_are_one_cell() -> None:
    assert request_of(rewards=" format_answer( format = 0.20 ) ").rewards == request_of(rewards="format_answer").rewards


@pytest.mark.parametrize(("preset", "count"), [("smoke", 1), ("quick", 3), ("full", 5)])
def test_seeds_come_from_the_preset_where_not_given(preset: str, count: int) -> None:
    assert len(request_of(preset=preset).plan(None).seeds) == count
    assert request_of(preset=preset, seeds="7").plan(None).seeds == tuple(range(7))


def test_several_values_of_a_setting_are_an_axis() -> None:
    found = request_of(changes=["train.steps=9", "train.learning_rate=1e-5,3e-5", "grpo.updates=1,2"])
    assert [variant.name for variant in found.variants] == [
        "learning_rate=1e-05, updates=1",
        "learning_rate=1e-05, updates=2",
        "learning_rate=3e-05, updates=1",
        "learning_rate=3e-05, updates=2",
    ]
    assert {variant.changes["train.steps"] for variant in found.variants} == {9}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("train.stpes=3", "train.stpes: there is no such setting"),
        ("train.steps=three", "train.steps: Input should be a valid integer"),
        ("optimizer.learning_rate=1", "train.learning_rate"),
        ("grpo.nothing=1", "grpo.nothing: there is no such setting"),
        ("data.path=/x", "data.path"),
        ("model.lora_rank=x", "lora_rank: Input should be a valid integer"),
        ("grpo.reward=random", "the reward"),
    ],
)
def test_a_setting_is_checked_before_anything_runs(change: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(BadRequest) as caught:
        planned(asked(None, {"rewards": "sparse"}, [change]), tmp_path, Console())
    assert says in str(caught.value)
    assert not list(tmp_path.iterdir())


STUDY = """
name = "rates"
rewards = ["sparse", "format_answer"]
objectives = "grpo,dr_grpo"
seeds = 2
preset = "smoke"
[set.train]
learning_rate = [1e-4, 4e-4]
[[paired]]
name = "few"
train = {steps = 2, group_size = 4}
[[paired]]
name = "many"
train = {steps = 3, group_size = 8}
"""


def test_a_study_of_a_file_has_its_controls_and_flags_go_over_it(tmp_path: Path) -> None:
    file = tmp_path / "study.toml"
    file.write_text(STUDY)
    found = asked(file, {"seeds": "1", "rewards": None}, ["train.max_new_tokens=9"])
    plan = planned(found, tmp_path, Console(), make=False)
    assert plan.rewards == ("sparse", "format_answer", "random", "format_only")
    assert plan.baseline == "sparse"
    assert (plan.name, plan.preset, plan.seeds) == ("rates", "smoke", (0,))
    assert [variant.name for variant in plan.variants] == [
        f"learning_rate={rate}, {name}" for rate in ("0.0001", "0.0004") for name in ("few", "many")
    ]
    sizes = {(run.train.steps, run.train.group_size, run.train.max_new_tokens) for run in runs(plan)}
    assert sizes == {(2, 4, 9), (3, 8, 9)}
    assert asked(file, {"controls": False}, []).controls is False
    assert asked(None, {"rewards": "sparse"}, []).controls is False


def test_a_control_that_is_named_is_not_added_twice(tmp_path: Path) -> None:
    assert request_of(rewards="random,sparse", controls=True).rewards == ("random", "sparse", "format_only")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("rewards = [", "not TOML"),
        ("rewerds = 'sparse'", "rewerds: there is no such setting"),
        ("[[paired]]\ntrain.steps = 1\n[[paired]]\ntrain.group_size = 4\n", "same keys"),
        ("[set.train]\nsteps = []\n", "train.steps: give at least one value"),
        ("baseline = 'random'\ncontrols = false\n", "--baseline random: give one of sparse"),
    ],
    ids=["syntax", "unknown key", "unlike pairs", "no value", "baseline of another study"],
)
def test_a_file_that_cannot_be_used_says_why(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "study.toml"
    file.write_text(text)
    with pytest.raises((BadRequest, ValidationError)) as caught:
        planned(asked(file, {"rewards": "sparse"}, []), tmp_path, Console(), make=False)
    assert says in "\n".join(lines(caught.value))


def test_problems_of_every_kind_are_said_together(tmp_path: Path) -> None:
    flags = {
        "rewards": "spars,sparse",
        "objectives": "x",
        "model": str(tmp_path / "no"),
        "data": "tiny",
        "seeds": "0",
        "report_to": "foo",
    }
    with pytest.raises(BadRequest) as caught:
        planned(asked(None, flags, ["train.stpes=3"]), tmp_path / "results", Console())
    said = str(caught.value)
    for part in ("spars", "unknown objective", "neither a folder nor a hub id", "--seeds 0", "foo", "train.stpes"):
        assert part in said


def test_every_bad_setting_is_said_and_the_data_are_read_all_the_same(tmp_path: Path) -> None:
    """A setting that makes no run must not hide another one, nor a line of the data that cannot be read."""
    for name in ("train", "test"):
        (tmp_path / f"{name}.jsonl").write_text('{"question": "2 and 2?"}\n')
    changes = ["train.stpes=3", "evaluation.smaples=3"]
    with pytest.raises(BadRequest) as caught:
        planned(asked(None, {"rewards": "sparse", "data": str(tmp_path)}, changes), tmp_path / "results", Console())
    both = "\n".join(["train.stpes: there is no such setting", "evaluation.smaples: there is no such setting"])
    assert both in str(caught.value)
    assert "train.jsonl" in str(caught.value)
    paired = ({"name": "one", "train": {"steps": 0}}, {"name": "two", "train": {"steps": "few"}})
    with pytest.raises(BadRequest) as caught:
        planned(asked(None, {"rewards": "sparse", "paired": paired}, []), tmp_path / "results", Console())
    assert "greater than or equal to 1" in str(caught.value) and "valid integer" in str(caught.value)


def test_stages_are_shared_by_the_cells_that_need_them(tmp_path: Path) -> None:
    flags = {
        "rewards": "sparse,format_answer",
        "objectives": "grpo,dpo,ipo",
        "seeds": "2",
        "start": "examples/sft-tiny.toml",
    }
    plan = planned(asked(None, flags, []), tmp_path, Console(), make=False)
    needed = {(one.run.objective, one.run.seed): one.needs for one in plan.runs()}
    assert {stage.kind for stage in needed["grpo", 0]} == {"start"}
    assert [stage.kind for stage in needed["dpo", 0]] == ["start", "rollouts"]
    assert len({stages[0].id for stages in needed.values()}) == 1
    assert needed["dpo", 0] == needed["ipo", 0] != needed["dpo", 1]
    for one in plan.runs():
        assert one.run.model.path == str(one.needs[0].folder / "model")
        assert one.run.model.fingerprint == one.needs[0].id
        assert (one.run.rollouts is None) == (one.run.objective == "grpo")
        assert one.model.name == "tiny"


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
    monkeypatch.setattr(preflight.shutil, "disk_usage", lambda path: usage(100, 99, 1))

    plan = request_of(rewards="sparse,random", seeds="3").plan(None)
    with pytest.raises(BadRequest, match=r"needs about 0\.1 GB and .* has 0\.0 GB free"):
        check_space(tmp_path / "results" / "x", plan)
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
        found = {
            spec: request._plugins(spec) for spec in request_of(rewards="sparse,sparse+0.5*of_the_request").rewards
        }
    finally:
        registry.registry.restore(before)
    assert found["sparse"] == ()
    assert [(plugin.path, plugin.sha256) for plugin in found["sparse+0.5*of_the_request"]] == [
        (str(path), loaded.sha256)
    ]
