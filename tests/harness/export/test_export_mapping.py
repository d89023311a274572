"""Every setting and every objective is translated, refused, or said to be left out; none is dropped."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.cli.recipe import Recipe
from harness.export import openrlhf, verl, verl_objective
from harness.export.folder import ENGINES
from harness.export.mapping import BadExport, Place, Translation
from harness.trainers.objectives import names, objective
from harness.training import Settings

DOCUMENT = (Path(__file__).parents[3] / "docs" / "export.md").read_text(encoding="utf-8")
PLACE = Place("run", "owner/model", 1000, 30, 2, 2)
ACTOR = "actor_rollout_ref.actor"
# Only one value of these is accepted, or none: `problems` says so (the tests below).
HELD = {
    "verl": {"grpo.credit", "grpo.environment", "adapter.dropout", "evaluation.max_new_tokens"},
    "openrlhf": {"grpo.credit", "grpo.environment", "adapter"},
}
# Said where they matter.
TOLD = {"grpo.sampling_rounds": {"grpo.objective": "dapo"}, "grpo.server": {"grpo.rollout": "server"}}
# Tables of other methods, and the files that the exporter resolves: data_path and plugins are in the folder.
ELSEWHERE = {"sft", "dpo", "prm", "data_path", "plugins"}


def run(engine: str = "verl", **changes: Any) -> Settings:
    """A run that uses every table the engine has; `changes` by dotted key, `__` for the dot."""
    table: dict[str, Any] = {
        "optimizer": {"steps": 8, "batch_size": 16, "learning_rate": 1e-5},
        "grpo": {"reward": "format_answer", "objective": "grpo", "group_size": 4, "max_new_tokens": 100, "kl": 0.0},
        "evaluation": {"test_items": 10, "max_new_tokens": 100},
        "report_to": ["tensorboard"],
    }
    if engine == "verl":
        table["adapter"] = {"kind": "lora"}
    for key, value in changes.items():
        *path, last = key.split("__")
        place = table
        for part in path:
            place = place.setdefault(part, {})
        place[last] = value
    return Recipe.model_validate({name: value for name, value in table.items() if value is not None})


def translated(engine: str, **changes: Any) -> Translation:
    settings = run(engine, **changes)
    assert list(ENGINES[engine].problems(settings, 2, 2)) == []
    return ENGINES[engine].translation(settings, PLACE)


def fields(model: Any, prefix: str = "") -> Iterator[str]:
    """Dotted names of all settings of a recipe, of the tables that are given."""
    for name in type(model).model_fields:
        value = getattr(model, name)
        if prefix == "" and name in ELSEWHERE:
            continue
        if hasattr(type(value), "model_fields"):
            yield from fields(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


@pytest.mark.parametrize("engine", ENGINES)
def test_no_setting_is_dropped(engine: str) -> None:
    found = translated(engine)
    known = {setting.ours for setting in found.settings} | set(found.left_out) | HELD[engine] | set(TOLD)
    lost = [name for name in fields(run(engine)) if not any(name == one or name.startswith(f"{one}.") for one in known)]
    assert lost == []


@pytest.mark.parametrize("setting", TOLD)
def test_settings_that_matter_only_sometimes_are_told_then(setting: str) -> None:
    ((key, value),) = TOLD[setting].items()
    more = {"grpo__server": "http://127.0.0.1:8000/v1"} if value == "server" else {}
    assert setting in translated("verl", **{key.replace(".", "__"): value}, **more).left_out


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", names())
def test_every_objective_is_mapped_or_refused_with_what_works(engine: str, name: str) -> None:
    losses, refused = (
        (verl_objective.LOSSES, verl_objective.REFUSED) if engine == "verl" else (openrlhf.LOSSES, openrlhf.REFUSED)
    )
    assert (name in losses) != (name in refused)
    problems = list(ENGINES[engine].problems(run(engine, grpo__objective=name), 2, 2))
    assert bool(problems) == (name in refused)
    for problem in problems:
        nearest = re.findall(r"(?:nearest is|take) (\w+)", problem)
        assert nearest, problem
        assert nearest[0] in losses


@pytest.mark.parametrize("name", names())
def test_the_document_says_what_becomes_of_it(name: str) -> None:
    row = re.search(rf"^\| `{name}` \|(.*)$", DOCUMENT, re.MULTILINE)
    assert row, f"docs/export.md has no row for {name}"
    in_verl, in_openrlhf = row[1].split("|")[:2]
    loss = verl_objective.LOSSES.get(name)
    assert in_verl.strip() == (f"`{loss.estimator}`, `{loss.mode}`, `{loss.average}`" if loss else "refused")
    own = openrlhf.LOSSES.get(name)
    assert in_openrlhf.strip() == (f"`{own.estimator}`, `{own.kind}`, `{own.average}`" if own else "refused")


VERL = {
    "grpo": {f"{ACTOR}.clip_ratio_high": 0.2, "algorithm.norm_adv_by_std_in_grpo": True},
    "dr_grpo": {f"{ACTOR}.loss_scale_factor": 100, "algorithm.norm_adv_by_std_in_grpo": False},
    "dapo": {f"{ACTOR}.clip_ratio_high": 0.28, "algorithm.filter_groups.enable": True},
    "gspo": {f"{ACTOR}.clip_ratio_low": 3e-4, f"{ACTOR}.clip_ratio_high": 4e-4},
    "cispo": {f"{ACTOR}.clip_ratio_low": 1.0, f"{ACTOR}.clip_ratio_high": 4.0},
    "sapo": {f"{ACTOR}.tau_pos": 1.0, f"{ACTOR}.tau_neg": 1.05},
    "rloo": {"algorithm.use_kl_in_reward": False, f"{ACTOR}.clip_ratio_c": 1e9},
    "reinforce_pp": {"algorithm.adv_estimator": "reinforce_plus_plus"},
}


@pytest.mark.parametrize("name", VERL)
def test_an_objectives_constants_arrive(name: str) -> None:
    told = {one.theirs: one.value for one in translated("verl", grpo__objective=name).settings}
    assert told | VERL[name] == told


@pytest.mark.parametrize(
    ("name", "kl", "told"),
    [
        pytest.param("grpo", None, {f"{ACTOR}.kl_loss_type": "low_var_kl", f"{ACTOR}.kl_loss_coef": 0.04}, id="k3"),
        pytest.param("dr_grpo", 0.1, {f"{ACTOR}.kl_loss_type": "low_var_kl+"}, id="weighed by the ratio, which is 1"),
        pytest.param("rloo", None, {"algorithm.kl_ctrl.kl_coef": 0.05, "algorithm.kl_penalty": "kl"}, id="in reward"),
        pytest.param("dapo", None, {f"{ACTOR}.use_kl_loss": False}, id="none"),
    ],
)
def test_the_divergence_is_where_the_objective_has_it(name: str, kl: float | None, told: dict[str, Any]) -> None:
    found = {one.theirs: one.value for one in translated("verl", grpo__objective=name, grpo__kl=kl).settings}
    assert found | told == found


def test_sizes_are_counted_as_the_engines_count_them() -> None:
    many = {"grpo__updates": 4, "checkpoint__every": 8, "optimizer__schedule": "constant_with_warmup"}
    told = {one.theirs: one.value for one in translated("verl", optimizer__warmup_steps=4, **many).settings}
    assert told["data.train_batch_size"] == 16, "prompts of a sampling"
    assert told[f"{ACTOR}.ppo_mini_batch_size"] == 4, "prompts of an update"
    assert told[f"{ACTOR}.ppo_micro_batch_size_per_gpu"] == 4, "completions of a GPU"
    assert told["trainer.total_training_steps"] == 2, "samplings"
    assert told["trainer.save_freq"] == 2
    assert told[f"{ACTOR}.optim.lr_warmup_steps"] == 1
    flags = {one.theirs: one.value for one in translated("openrlhf", optimizer__warmup_steps=4, **many).settings}
    assert (flags["--rollout.batch_size"], flags["--train.batch_size"]) == (16, 16)
    assert flags["--ckpt.save_steps"] == 2
    assert flags["--actor.num_gpus_per_node"], flags["--actor.num_nodes"] == (2, 2)


@pytest.mark.parametrize("warmup", [0, 1, 3, 10])
def test_openrlhf_rounds_the_share_of_warm_up_to_the_steps(warmup: int) -> None:
    import math

    found = translated("openrlhf", optimizer__steps=300, optimizer__warmup_steps=warmup)
    share = next(one.value for one in found.settings if one.theirs == "--actor.lr_warmup_ratio")
    assert math.ceil(300 * share) == warmup


CREDIT = {"rule": "among_correct", "scorer": "process"}
DRAWN = {"test_items": 10, "max_new_tokens": 50}


@pytest.mark.parametrize(
    ("engine", "changes", "says"),
    [
        pytest.param("verl", {"grpo__credit": CREDIT}, "remove [grpo.credit]", id="credit within a completion"),
        pytest.param("verl", {"grpo__reward": "length_linear"}, "neither token ids nor prompt groups", id="tokens"),
        pytest.param("verl", {"grpo__reward": 'prm(model="x")'}, "leave prm out", id="a model in the reward"),
        pytest.param("verl", {"adapter__kind": "dora"}, "lora only", id="an adapter that it lacks"),
        pytest.param("verl", {"adapter__dropout": 0.1}, "set 0", id="dropout"),
        pytest.param("verl", {"adapter__rank": 600}, "at most 512", id="rank"),
        pytest.param("verl", {"optimizer__schedule": "linear"}, "constant_with_warmup, cosine", id="schedule"),
        pytest.param("verl", {"grpo__entropy": 0.1}, "take dapo", id="entropy averaged as another loss"),
        pytest.param("verl", {"evaluation": DRAWN}, "set 100", id="another length at the evaluation"),
        pytest.param("verl", {"grpo__updates": 3}, "optimizer.steps 8 must be a multiple", id="a part of a sampling"),
        pytest.param("verl", {"grpo__objective": "gspo", "grpo__kl": 0.1}, "take grpo", id="divergence by completion"),
        pytest.param(
            "verl",
            {"grpo__objective": "dapo", "grpo__kl": 0.1, "grpo__updates": 2},
            "grpo.updates to 1",
            id="divergence weighed by a ratio",
        ),
        pytest.param("openrlhf", {"adapter": {"rank": 8}}, "harness export verl has it", id="adapter"),
        pytest.param("openrlhf", {"grpo__kl": 0.1}, "set grpo.kl to 0", id="divergence averaged as another loss"),
        pytest.param("openrlhf", {"optimizer__batch_size": 12}, "2 GPUs", id="GPUs that do not divide"),
    ],
)
def test_what_an_engine_cannot_do_is_refused_with_the_fix(engine: str, changes: dict[str, Any], says: str) -> None:
    problems = list(ENGINES[engine].problems(run(engine, **changes), 2, 4 if "12" in str(changes) else 2))
    assert any(says in problem.replace("8 GPUs", "2 GPUs") for problem in problems), problems


def test_too_few_questions_and_blanks_in_a_flag_are_refused() -> None:
    few = Place("run", "owner/model", 3, 30, 2, 2)
    with pytest.raises(BadExport, match="3 questions are fewer than the 4"):
        verl.translation(run(), few)
    blank = Place("run", "my model", 100, 30, 2, 2)
    with pytest.raises(BadExport, match="blanks"):
        openrlhf.translation(run("openrlhf"), blank)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        pytest.param("Qwen/Qwen2.5-7B", "Qwen/Qwen2.5-7B", id="plain"),
        pytest.param("a b=c", "'a b=c'", id="quoted"),
        pytest.param("it's", r"'it\'s'", id="escaped"),
        pytest.param([0.9, "x y"], "[0.9,'x y']", id="list"),
        pytest.param(True, "True", id="truth"),
    ],
)
def test_values_are_written_in_hydras_grammar(value: Any, text: str) -> None:
    assert verl.written(value) == text


def test_objectives_settings_are_all_used() -> None:
    """What `GRPOConfig` is told for an objective is known to the translation: a new argument has to be looked at."""
    known = {
        "loss_type",
        "epsilon",
        "epsilon_high",
        "importance_sampling_level",
        "sapo_temperature_pos",
        "sapo_temperature_neg",
        "use_bias_correction_kl",
    }
    assert {key for name in names() for key in objective(name).settings} == known
