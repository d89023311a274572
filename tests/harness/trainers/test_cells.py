"""What a cell's config becomes as a training run: sizes, settings, and what is refused before anything starts."""

import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from harness.config import RunConfig, TrainConfig
from harness.trainers.cells import SAID, SettingRefused, training
from harness.trainers.losses import names
from harness.training import TrainRun

PLAIN: dict[str, Any] = {
    "reward": "format_answer",
    "objective": "dr_grpo",
    "seed": 3,
    "prompt": "bare",
    "model": {"name": "m", "path": "/m", "fingerprint": "m"},
    "data": {"name": "d", "train": "/t", "test": "/e", "fingerprint": "d"},
    "train": {"steps": 5, "prompts_per_step": 2, "group_size": 4, "learning_rate": 1e-3, "max_new_tokens": 8},
    "evaluation": {"test_items": 6, "samples": 2, "dev_items": 4, "every": 4},
    "code": "c",
}


def trained(settings: dict[str, Any] | None = None, **changes: Any) -> TrainRun:
    return training(RunConfig.model_validate({**PLAIN, "settings": settings or {}, **changes}))


def sized(**sizes: Any) -> dict[str, Any]:
    return {"train": {**PLAIN["train"], **sizes}}


def test_a_cell_of_grpo() -> None:
    run = trained(report_to=("tensorboard",), **sized(micro_batch=4, beta=0.1))
    assert (run.method, run.seed, run.report_to) == ("grpo", 3, ("tensorboard",))
    assert run.grpo is not None
    assert (run.grpo.reward, run.grpo.objective, run.grpo.kl) == ("format_answer", "dr_grpo", 0.1)
    assert (run.optimizer.batch_size, run.optimizer.micro_batch, run.steps) == (8, 4, 5)
    assert run.adapter is None
    assert run.evaluation is not None
    assert (run.evaluation.samples, run.evaluation.temperature, run.evaluation.before) == (2, 1.0, True)


def test_an_adapter_has_twice_its_rank_as_alpha() -> None:
    adapter = trained(model={**PLAIN["model"], "lora_rank": 4}).adapter
    assert adapter is not None
    assert (adapter.rank, adapter.alpha) == (4, 8)


@pytest.mark.parametrize(
    ("settings", "table", "key", "value"),
    [
        pytest.param({"optimizer.weight_decay": 0.1}, "optimizer", "weight_decay", 0.1, id="of the optimiser"),
        pytest.param({"optimizer.beta2": 0.9}, "optimizer", "beta2", 0.9, id="over what a cell says by default"),
        pytest.param({"grpo.entropy": 0.01}, "grpo", "entropy", 0.01, id="of the method"),
        pytest.param({"checkpoint.every": 3}, "checkpoint", "every", 3, id="of checkpoints"),
    ],
)
def test_a_setting_is_over_all_else(settings: dict[str, Any], table: str, key: str, value: Any) -> None:
    changed = trained(settings).model_dump()
    assert changed[table].pop(key) == value
    assert changed[table].items() <= trained().model_dump()[table].items()


def test_settings_reach_tables_within_tables() -> None:
    run = trained({"dpo.settings.beta": 0.3, "dpo.pairs.policy": "hard"}, objective="dpo")
    assert run.dpo is not None
    assert (run.dpo.settings, run.dpo.pairs.policy, run.dpo.pairs.reward) == ({"beta": 0.3}, "hard", "format_answer")


@pytest.mark.parametrize(
    ("settings", "every"),
    [
        pytest.param({}, 4, id="where the curve has a point"),
        pytest.param({"grpo.updates": 2}, 4, id="no batch is cut there"),
        pytest.param({"grpo.updates": 3}, 6, id="the next step that begins with new completions"),
        pytest.param({"grpo.updates": 3, "checkpoint.every": 3}, 3, id="as it is asked for"),
    ],
)
def test_when_a_cell_saves(settings: dict[str, Any], every: int) -> None:
    checkpoint = trained(settings).checkpoint
    assert (checkpoint.every, checkpoint.keep) == (every, 1)


@pytest.mark.parametrize("key", SAID)
def test_what_the_config_says_already_is_refused_with_the_key_that_says_it(key: str) -> None:
    with pytest.raises(SettingRefused, match=key) as caught:
        trained({key: 1})
    assert SAID[key] in str(caught.value)


def test_what_is_said_exists() -> None:
    for by in (word for text in SAID.values() for word in text.split() if word.startswith("train.")):
        assert by.removeprefix("train.") in TrainConfig.model_fields


@pytest.mark.parametrize(
    ("settings", "changes", "says"),
    [
        pytest.param({"grpo.credit.weight": 1.0}, {}, "the objective", id="inside what an axis says"),
        pytest.param({"updates": 2}, {}, "no setting updates", id="without its table"),
        pytest.param({"grpo": {}}, {}, "no setting grpo", id="a whole table"),
        pytest.param({"shard.processes": 2}, {}, "no setting shard.processes", id="a cell is one process"),
        pytest.param({"evaluation.samples": 2}, {}, "no setting evaluation.samples", id="measured alike"),
        pytest.param({"adapter.alpha": 8}, {}, "needs model.lora_rank", id="an adapter that is not there"),
        pytest.param({"grpo.updates": 2}, {"objective": "ipo"}, "needs an objective of grpo, not dpo", id="of another"),
    ],
)
def test_what_is_no_setting_is_refused(settings: dict[str, Any], changes: dict[str, Any], says: str) -> None:
    with pytest.raises(SettingRefused) as caught:
        trained(settings, **changes)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "place"),
    [
        pytest.param({"grpo.update": 2}, ("grpo", "update"), id="unknown key"),
        pytest.param({"optimizer.beta2": "much"}, ("optimizer", "beta2"), id="no number"),
        pytest.param({"grpo.updates": 0}, ("grpo", "updates"), id="out of range"),
        pytest.param({"optimizer.beta2.x": 1}, ("optimizer", "beta2"), id="a table where a number belongs"),
    ],
)
def test_a_bad_value_is_told_with_its_place(settings: dict[str, Any], place: tuple[str, ...]) -> None:
    with pytest.raises(ValidationError) as caught:
        trained(settings)
    assert [error["loc"] for error in caught.value.errors()] == [place]


@pytest.mark.parametrize("loss", names())
def test_every_preference_loss_is_an_objective_of_a_cell(loss: str) -> None:
    run = trained(objective=loss, rollouts={"path": "/rollouts", "fingerprint": "r"})
    assert (run.method, run.grpo) == ("dpo", None)
    assert run.dpo is not None
    assert (run.dpo.loss, run.dpo.pairs.rollouts) == (loss, ("/rollouts",))
    assert run.dpo.pairs.policy == "best_worst"


def test_pairs_that_are_sampled_here_cost_as_many_completions_as_grpo_samples() -> None:
    run = trained(objective="dpo")
    assert run.dpo is not None
    pairs = run.dpo.pairs
    assert (pairs.questions, pairs.samples) == (5 * 2, 4)
    assert (pairs.rollouts, pairs.temperature, pairs.max_new_tokens) == ((), 1.0, 8)


@given(prompts=st.integers(1, 9), group=st.integers(2, 9), data=st.data())
def test_a_step_of_a_preference_loss_trains_on_as_many_sequences(prompts: int, group: int, data: Any) -> None:
    completions = prompts * group
    divisors = [micro for micro in range(1, completions + 1) if completions % micro == 0]
    micro = data.draw(st.sampled_from([0, *divisors]))
    sizes = sized(prompts_per_step=prompts, group_size=group, micro_batch=micro)
    pairs, grpo = trained(objective="dpo", **sizes).optimizer, trained(**sizes).optimizer
    assert grpo.batch_size == completions
    assert 2 * pairs.batch_size in (completions, completions - 1)
    assert grpo.micro_batch == micro
    # A pass never holds more sequences than GRPO's, but for one pair, which cannot be divided.
    assert 2 * pairs.micro_batch <= max(2, micro)


def test_planning_with_it_is_cheap() -> None:
    code = "import sys, harness.trainers.cells; print(*sorted({'torch', 'transformers', 'trl'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
