"""Plans: which cells there are, what may continue under one name, what is refused and how that is said."""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from ablations.plan import Plan, PlanConflict, conflicts, lay
from harness.config import RunConfig
from harness.trainers.cells import training
from harness.training import CreditConfig

PLUGIN = {"path": "/mine.py", "sha256": "aa"}
DATA = {"name": "tiny", "train": "/t", "test": "/e", "fingerprint": "dd"}
OTHER = {"name": "other", "path": "/o", "fingerprint": "oo"}


def runs(plan: Plan) -> list[RunConfig]:
    return [one.run for one in plan.runs()]


def plan(**changes: Any) -> Plan:
    plain: dict[str, Any] = {
        "name": "study",
        "preset": "smoke",
        "baseline": "sparse",
        "rewards": ("sparse", "format_answer"),
        "objectives": ("grpo",),
        "seeds": (0, 1),
        "starts": (start(),),
        "datasets": (DATA,),
        "code": "cc",
    }
    return Plan.model_validate(plain | changes)


def start(**changes: Any) -> dict[str, Any]:
    plain = {
        "prompt": "bare",
        "model": {"name": "tiny", "path": "/m", "fingerprint": "mm"},
        "train": {"steps": 2, "prompts_per_step": 2, "group_size": 4, "learning_rate": 1e-4, "max_new_tokens": 8},
        "evaluation": {"test_items": 4, "samples": 1, "dev_items": 2, "every": 1},
    }
    return plain | changes


def test_cells_are_the_product_of_the_axes_seed_by_seed(tmp_path: Path) -> None:
    planned = runs(plan())
    assert [(run.reward, run.seed) for run in planned] == [
        ("sparse", 0),
        ("format_answer", 0),
        ("sparse", 1),
        ("format_answer", 1),
    ]
    cells = lay(tmp_path, plan())
    assert [cell.name for cell in cells] == [run.identity() for run in planned]
    listed = json.loads((tmp_path / "manifest.json").read_text())["cells"]
    assert [(row["id"], row["seed"]) for row in listed] == [
        (c.name, r.seed) for c, r in zip(cells, planned, strict=True)
    ]
    assert tomllib.loads((tmp_path / "plan.toml").read_text())["baseline"] == "sparse"


def test_the_same_plan_continues_and_its_axes_may_grow(tmp_path: Path) -> None:
    before = lay(tmp_path, plan())
    assert lay(tmp_path, plan()) == before
    more = lay(tmp_path, plan(rewards=("sparse", "format_answer", "random"), seeds=(0, 1, 2)))
    assert set(before) < set(more)
    assert len(more) == 9


def test_files_elsewhere_are_no_other_plan(tmp_path: Path) -> None:
    before = lay(tmp_path, plan())
    moved = plan(starts=(start(model={"name": "tiny", "path": "/elsewhere", "fingerprint": "mm"}),))
    assert lay(tmp_path, moved) == before


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"rewards": ("sparse",)}, "rewards: it has format_answer, which this command leaves out"),
        ({"seeds": (0,)}, "seeds: it has 1, which this command leaves out"),
        ({"preset": "quick"}, "preset: smoke there, quick here"),
        ({"code": "other"}, "code: cc there, other here"),
        ({"datasets": ({**DATA, "fingerprint": "x"},)}, "settings.data.tiny.fingerprint: dd there, x here"),
        ({"starts": (start(prompt="think"),)}, "settings.models.tiny.prompt: bare there, think here"),
        ({"variants": ({"name": "steps=3", "changes": {"train.steps": 3}},)}, "variants: it has the settings without"),
    ],
    ids=["reward dropped", "seed dropped", "other sizes", "other code", "other data", "other prompt", "other settings"],
)
def test_another_plan_of_that_name_is_refused_and_nothing_is_written(
    tmp_path: Path, change: dict[str, Any], says: str
) -> None:
    lay(tmp_path, plan())
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(PlanConflict, match=r"another study") as caught:
        lay(tmp_path, plan(**change))
    assert says in str(caught.value)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_equal_plans_have_no_conflicts() -> None:
    assert conflicts(plan().record(), plan().record()) == []


def test_only_the_cells_of_its_reward_have_a_plugin_and_a_changed_one_is_a_new_cell(tmp_path: Path) -> None:
    before = lay(tmp_path, plan())
    first = lay(tmp_path, plan(rewards=("sparse", "format_answer", "mine"), plugins={"mine": [PLUGIN]}))
    changed = {"mine": [PLUGIN | {"sha256": "bb"}]}
    second = lay(tmp_path, plan(rewards=("sparse", "format_answer", "mine"), plugins=changed))
    assert set(before) == set(first) & set(second)
    assert len(set(first) | set(second)) == len(before) + 2 * 2
    assert "/mine.py" not in (tmp_path / "plan.toml").read_text()


def test_a_learned_model_belongs_to_the_cells_that_name_it_and_counts_by_its_weights() -> None:
    model = {"name": "prm", "path": "/prm", "fingerprint": "pp"}
    objectives = ("grpo", "grpo+min(prm)")
    plain, learned = runs(plan(rewards=("sparse",), objectives=objectives, seeds=(0,), prm=model))
    assert (plain.prm, learned.prm and learned.prm.fingerprint) == (None, "pp")
    (alone,) = runs(plan(rewards=("sparse",), seeds=(0,)))
    assert plain.identity() == alone.identity()
    moved, other = (
        runs(plan(rewards=("sparse",), objectives=objectives, seeds=(0,), prm={**model, **change}))[1]
        for change in ({"path": "/elsewhere"}, {"fingerprint": "qq"})
    )
    assert moved.identity() == learned.identity() != other.identity()


def test_a_cell_trains_with_the_credit_that_its_objective_names() -> None:
    model = {"name": "prm", "path": "/prm", "fingerprint": "pp"}
    (run,) = runs(plan(rewards=("sparse",), objectives=("dr_grpo+min(prm,weight=2)",), seeds=(0,), prm=model))
    grpo = training(run).grpo
    assert grpo is not None
    assert grpo.objective == "dr_grpo"
    assert grpo.credit == CreditConfig(rule="min", scorer='prm(model="/prm")', weight=2)


def test_models_data_and_settings_are_axes_that_may_grow(tmp_path: Path) -> None:
    before = lay(tmp_path, plan(rewards=("sparse",), seeds=(0,)))
    starts, datasets = (start(), start(model=OTHER)), (DATA, {**DATA, "name": "more", "fingerprint": "ee"})
    variants = ({}, {"name": "steps=3", "changes": {"train.steps": 3, "grpo.updates": 2}})
    grown = plan(rewards=("sparse",), seeds=(0,), starts=starts, datasets=datasets, variants=variants)
    after = lay(tmp_path, grown)
    assert len(set(after)) == 8
    assert set(before) < set(after)
    listed = json.loads((tmp_path / "manifest.json").read_text())["cells"]
    assert {(row["model"], row["data"], row["variant"]) for row in listed} == {
        (model, data, variant)
        for model in ("tiny", "other")
        for data in ("tiny", "more")
        for variant in ("", "steps=3")
    }
    changed = [run for run in runs(grown) if run.variant]
    assert {(run.train.steps, run.settings["grpo.updates"]) for run in changed} == {(3, 2)}


def test_the_label_of_a_variant_is_no_part_of_a_cell() -> None:
    plain, named = (
        runs(plan(variants=({"name": name, "changes": {"train.steps": 3}},)))[0] for name in ("", "steps=3")
    )
    assert plain.identity() == named.identity()
    assert named.label == "sparse / grpo / steps=3 / seed 0"
