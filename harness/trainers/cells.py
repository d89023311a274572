"""The training run of a study's cell: what the cell's config says in the words of `harness.training`. No torch.

A cell of a preference loss costs about what one of GRPO does: a pair is two sequences, so a step trains on half as many
pairs as there would be completions. Its pairs are the `best_worst` of the starting model's completions by the cell's
reward, right against worse: a reward that is correctness alone pairs any right answer with any wrong one. They come
from `rollouts`; without, the model answers as many questions as the steps of GRPO would ask, `group_size` times each.
"""

import math
from typing import Any

from harness.config import RunConfig
from harness.trainers import losses, objectives
from harness.trainers.process import checks
from harness.training import TrainRun

Tables = dict[str, Any]

TABLES = ("optimizer", "adapter", "checkpoint", "dpo", "grpo")

SAID = {
    "optimizer.steps": "train.steps",
    "optimizer.batch_size": "train.prompts_per_step and train.group_size",
    "optimizer.learning_rate": "train.learning_rate",
    "optimizer.micro_batch": "train.micro_batch",
    "adapter.rank": "model.lora_rank",
    "grpo.reward": "the reward",
    "grpo.objective": "the objective",
    "grpo.credit": "the objective, as grpo+among_correct(process)",
    "grpo.group_size": "train.group_size",
    "grpo.max_new_tokens": "train.max_new_tokens",
    "grpo.temperature": "train.temperature",
    "grpo.kl": "train.beta",
    "dpo.loss": "the objective",
    "dpo.pairs.reward": "the reward",
    "dpo.pairs.rollouts": "the rollouts",
    "dpo.pairs.samples": "train.group_size",
    "dpo.pairs.max_new_tokens": "train.max_new_tokens",
    "dpo.pairs.temperature": "train.temperature",
}
"""By dotted key of a setting, what of a cell's config says the same."""


class SettingRefused(ValueError):
    """A setting is no key of a cell's training run, or the cell's config says the same by another name."""


def training(config: RunConfig) -> TrainRun:
    """The training run inside a cell, measured before and after; `config.settings` over all else.

    Without `checkpoint.every` it saves wherever the dev curve has a point, or at the next step that begins with new
    completions.

    Raises:
        SettingRefused: a setting that `train` or an axis already says, or of no table of such a run.
        UnknownObjective, BadCredit: the objective cannot be read.
        pydantic.ValidationError: an unknown key or a bad value.
    """
    method = _preference(config) if config.objective in losses.names() else _grpo(config)
    tables = {**_shared(config), **method}
    for key, value in config.settings.items():
        _set(tables, key, value)
    run = TrainRun.model_validate(tables)
    if "checkpoint.every" in config.settings:
        return run
    updates = run.grpo.updates if run.grpo else 1
    every = math.ceil(config.evaluation.every / updates) * updates
    return run.model_copy(update={"checkpoint": run.checkpoint.model_copy(update={"every": every})})


def _shared(config: RunConfig) -> Tables:
    train, evaluation, rank = config.train, config.evaluation, config.model.lora_rank
    return {
        **config.model_dump(include={"seed", "prompt", "model", "plugins", "report_to"}),
        "data": config.data.model_copy(update={} if config.data.dev else {"held_out": evaluation.dev_items}),
        "adapter": {"rank": rank, "alpha": 2 * rank} if rank else None,
        "checkpoint": {"keep": 1},
        "evaluation": {
            **evaluation.model_dump(include={"test_items", "samples", "batch_size"}),
            "temperature": train.temperature,
            "max_new_tokens": train.max_new_tokens,
            "before": True,
        },
    }


def _optimizer(config: RunConfig, completions: int) -> Tables:
    """The optimiser's table where each of the sequences that its sizes count is so many `completions`."""
    train = config.train
    batch = train.prompts_per_step * train.group_size // completions
    return {
        "steps": train.steps,
        "learning_rate": train.learning_rate,
        "beta2": 0.98,
        "batch_size": batch,
        "micro_batch": train.micro_batch and math.gcd(batch, max(1, train.micro_batch // completions)),
    }


def _grpo(config: RunConfig) -> Tables:
    train = config.train
    objective, credit = objectives.split(config.objective)
    if credit and config.prm:
        credit = checks.with_model(credit, config.prm.path)
    return {
        "method": "grpo",
        "optimizer": _optimizer(config, completions=1),
        "grpo": {
            "reward": config.reward,
            "objective": objective.name,
            "credit": credit,
            "group_size": train.group_size,
            "max_new_tokens": train.max_new_tokens,
            "temperature": train.temperature,
            "kl": train.beta,
        },
    }


def _preference(config: RunConfig) -> Tables:
    train = config.train
    pairs = {
        "rollouts": (config.rollouts.path,) if config.rollouts else (),
        "policy": "best_worst",
        "reward": config.reward,
        "questions": train.steps * train.prompts_per_step,
        "samples": train.group_size,
        "temperature": train.temperature,
        "max_new_tokens": train.max_new_tokens,
    }
    table = {"loss": config.objective, "pairs": pairs}
    return {"method": "dpo", "optimizer": _optimizer(config, completions=2), "dpo": table}


def _set(tables: Tables, key: str, value: Any) -> None:
    """Sets a value by its dotted key; whether it is a good one, validation tells."""
    for said, by in SAID.items():
        if f"{key}.".startswith(f"{said}."):
            raise SettingRefused(f"setting {key}: {by} says it; set that instead")
    first, *inner, last = key.split(".") if "." in key else (key, "")
    if first not in TABLES or not last:
        raise SettingRefused(f"no setting {key}: give TABLE.KEY of {', '.join(TABLES)}, as optimizer.weight_decay")
    table = tables.get(first)
    if table is None:
        needs = "model.lora_rank" if first == "adapter" else f"an objective of {first}, not {tables['method']}"
        raise SettingRefused(f"setting {key} needs {needs}")
    for name in inner:
        table[name] = table[name] if isinstance(table.get(name), dict) else {}
        table = table[name]
    table[last] = value
