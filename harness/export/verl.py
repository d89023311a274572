"""A run as overrides of verl's `ppo_trainer` (0.9.1, `trainer.use_v1`), one per line."""

import math
import re
from collections.abc import Iterator
from typing import Any

from harness.export import mapping, verl_objective
from harness.export.mapping import FOLDER, Place, Setting, Translation
from harness.export.verl_objective import ACTOR
from harness.training import Settings

NAME = "verl"
ROLLOUT, MODEL, REF = (f"actor_rollout_ref.{part}" for part in ("rollout", "model", "ref"))
PLAIN = re.compile(r"[\w./+-]+")
# vLLM's largest; verl rounds up to those that it has.
MOST_RANK = 512
SCHEDULES = ("constant", "constant_with_warmup", "cosine")
# What no setting asks for, and verl's default would do otherwise.
OWN = {
    "data.filter_overlong_prompts": False,
    "data.truncation": "error",
    "trainer.project_name": "harness",
    f"{ROLLOUT}.tensor_model_parallel_size": 1,
}
LEFT_OUT = {
    "grpo.reward_seconds": "verl waits for a reward as long as it takes",
    "evaluation.batch_size": "vLLM makes its own batches",
}


def problems(run: Settings, gpus: int, machines: int) -> Iterator[str]:
    """Why verl cannot train `run`, each with a fix; nothing where it can."""
    yield from mapping.problems(run, NAME, gpus * machines)
    if run.grpo is None:
        return
    yield from verl_objective.problems(run)
    if run.optimizer.schedule not in SCHEDULES:
        yield f"optimizer.schedule {run.optimizer.schedule}: verl has {', '.join(SCHEDULES)}"
    yield from _adapter_problems(run)
    if run.evaluation and run.evaluation.max_new_tokens != run.grpo.max_new_tokens:
        yield (
            f"evaluation.max_new_tokens {run.evaluation.max_new_tokens}: verl measures with as many as it trains with: "
            f"set {run.grpo.max_new_tokens}"
        )


def _adapter_problems(run: Settings) -> Iterator[str]:
    if run.adapter is None:
        return
    if run.adapter.kind != "lora":
        yield f"adapter.kind {run.adapter.kind}: verl's FSDP engine has lora only"
    if run.adapter.dropout:
        yield f"adapter.dropout {run.adapter.dropout:g}: verl's FSDP engine has none: set 0"
    if run.adapter.rank > MOST_RANK:
        yield f"adapter.rank {run.adapter.rank}: vLLM takes at most {MOST_RANK}"


def translation(run: Settings, place: Place) -> Translation:
    """All settings. `problems` has found none. Raises `BadExport` where there are too few questions for a step."""
    size = mapping.prompts(run) * mapping.table(run).updates
    if place.questions < size:
        raise mapping.BadExport(
            f"{place.questions} questions are fewer than the {size} of one sampling: lower optimizer.batch_size"
        )
    settings = [
        *_model(run, place),
        *_sizes(run, place),
        *_optimizer(run),
        *verl_objective.settings(run),
        *_sampling(run),
        *_records(run, place),
        *_evaluation(run),
        *(Setting("", key, value) for key, value in OWN.items()),
    ]
    return Translation(tuple(settings), dict(_left_out(run)), tuple(_differs(run)))


def lines(settings: tuple[Setting, ...]) -> list[str]:
    """What `overrides.txt` holds, in Hydra's grammar."""
    return [f"{setting.theirs}={written(setting.value)}" for setting in settings]


def written(value: Any) -> str:
    """A value in Hydra's grammar: what it would not read as one plain word is quoted."""
    if isinstance(value, list):
        return f"[{','.join(map(written, value))}]"
    if not isinstance(value, str) or PLAIN.fullmatch(value):
        return str(value)
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _model(run: Settings, place: Place) -> Iterator[Setting]:
    yield Setting("model", f"{MODEL}.path", place.model)
    yield Setting("model", f"{MODEL}.tokenizer_path", f"{FOLDER}/tokenizer")
    yield Setting("data", "data.train_files", f"{FOLDER}/data/train.parquet")
    yield Setting("data", "data.val_files", f"{FOLDER}/data/test.parquet")
    yield Setting("prompt", "data.max_prompt_length", place.prompt_tokens)
    for name, text in place.template.items():
        yield Setting("prompt", f"+data.apply_chat_template_kwargs.{name}", text)
    if run.adapter:
        yield Setting("adapter.rank", f"{MODEL}.lora_rank", run.adapter.rank)
        yield Setting("adapter.alpha", f"{MODEL}.lora_alpha", run.adapter.alpha)
        yield Setting("adapter.kind", f"{MODEL}.target_modules", "all-linear")
        # vLLM puts the adapter on weights that it has to load first.
        yield Setting("adapter.kind", f"{ROLLOUT}.load_format", "safetensors")


def _sizes(run: Settings, place: Place) -> Iterator[Setting]:
    grpo, steps = mapping.table(run), mapping.samplings(run)
    prompts, micro = mapping.prompts(run), mapping.micro_batch(run, place.devices)
    yield Setting("grpo.updates", "data.train_batch_size", prompts * grpo.updates)
    yield Setting("optimizer.batch_size", f"{ACTOR}.ppo_mini_batch_size", prompts)
    yield Setting("grpo.group_size", f"{ROLLOUT}.n", grpo.group_size)
    yield Setting("optimizer.micro_batch", f"{ACTOR}.ppo_micro_batch_size_per_gpu", micro)
    for part in (ROLLOUT, REF):
        yield Setting("optimizer.micro_batch", f"{part}.log_prob_micro_batch_size_per_gpu", micro)
    yield Setting("optimizer.steps", "trainer.total_training_steps", steps)
    per_epoch = place.questions // (prompts * grpo.updates)
    yield Setting("optimizer.steps", "trainer.total_epochs", math.ceil(steps / per_epoch))
    yield Setting("shard.processes", "trainer.n_gpus_per_node", place.gpus)
    yield Setting("shard.processes", "trainer.nnodes", place.machines)
    divided = run.shard.strategy in ("zero3", "fsdp")
    for part in (ACTOR, REF):
        yield Setting("shard.strategy", f"{part}.fsdp_config.reshard_after_forward", divided)
    for key in (f"{ACTOR}.data_loader_seed", f"{ACTOR}.fsdp_config.seed", f"{ROLLOUT}.seed", "data.seed"):
        yield Setting("seed", key, run.seed)


def _optimizer(run: Settings) -> Iterator[Setting]:
    optimizer = run.optimizer
    warms, cosine = optimizer.schedule != "constant", optimizer.schedule == "cosine"
    warmup = optimizer.warmup_steps / mapping.table(run).updates if warms else 0
    yield Setting("optimizer.learning_rate", f"{ACTOR}.optim.lr", optimizer.learning_rate)
    yield Setting("optimizer.schedule", f"{ACTOR}.optim.lr_scheduler_type", "cosine" if cosine else "constant")
    yield Setting("optimizer.warmup_steps", f"{ACTOR}.optim.lr_warmup_steps", round(warmup))
    yield Setting("optimizer.weight_decay", f"{ACTOR}.optim.weight_decay", optimizer.weight_decay)
    yield Setting("optimizer.beta2", f"{ACTOR}.optim.betas", [0.9, optimizer.beta2])
    yield Setting("optimizer.max_grad_norm", f"{ACTOR}.optim.clip_grad", optimizer.max_grad_norm)
    yield Setting("optimizer.max_grad_norm", f"{ACTOR}.grad_clip", optimizer.max_grad_norm)


def _sampling(run: Settings) -> Iterator[Setting]:
    grpo = mapping.table(run)
    yield Setting("grpo.max_new_tokens", "data.max_response_length", grpo.max_new_tokens)
    yield Setting("grpo.temperature", f"{ROLLOUT}.temperature", grpo.temperature)
    yield Setting("grpo.rollout", f"{ROLLOUT}.name", "vllm")


def _records(run: Settings, place: Place) -> Iterator[Setting]:
    # verl writes no weights but in checkpoints: where the run asks for none, the last step makes one.
    every = run.checkpoint.every // mapping.table(run).updates or mapping.samplings(run)
    yield Setting("checkpoint.every", "trainer.save_freq", every)
    yield Setting("checkpoint.keep", "trainer.max_actor_ckpt_to_keep", run.checkpoint.keep)
    yield Setting("checkpoint.every", "trainer.default_local_dir", f"{FOLDER}/checkpoints")
    yield Setting("report_to", "trainer.logger", ["console", *run.report_to])
    yield Setting("", "trainer.experiment_name", place.name)
    if mapping.table(run).keep_completions:
        yield Setting("grpo.keep_completions", "trainer.rollout_data_dir", f"{FOLDER}/completions")


def _evaluation(run: Settings) -> Iterator[Setting]:
    measured = run.evaluation
    yield Setting("evaluation.before", "trainer.val_before_train", bool(measured and measured.before))
    # verl measures after the last step wherever it measures at all.
    yield Setting("evaluation", "trainer.test_freq", mapping.samplings(run) if measured else -1)
    if measured:
        # verl would draw them: data/test.parquet holds the first ones, and is taken whole.
        yield Setting("evaluation.test_items", "data.val_max_samples", -1)
        yield Setting("evaluation.samples", f"{ROLLOUT}.val_kwargs.n", measured.samples)
        yield Setting("evaluation.temperature", f"{ROLLOUT}.val_kwargs.temperature", measured.temperature)
        yield Setting("evaluation.temperature", f"{ROLLOUT}.val_kwargs.do_sample", measured.temperature > 0)


def _left_out(run: Settings) -> Iterator[tuple[str, str]]:
    grpo = mapping.table(run)
    yield from ((name, why) for name, why in LEFT_OUT.items() if run.evaluation or name.startswith("grpo"))
    if mapping.chosen(run).dynamic_sampling:
        yield (
            "grpo.sampling_rounds",
            "verl samples until a batch is full, however long: a model that never or always answers right never ends",
        )
    if grpo.rollout == "server":
        yield "grpo.server", "verl starts its own engines on the training GPUs"
    if grpo.keep_completions:
        yield "grpo.keep_completions", "how many steps: verl keeps the completions of all"


def _differs(run: Settings) -> Iterator[str]:
    grpo, optimizer = mapping.table(run), run.optimizer
    yield from verl_objective.differs(run)
    if grpo.updates > 1 and optimizer.schedule != "constant":
        yield "The learning rate moves once a sampling, not at each of its updates."
    if optimizer.weight_decay:
        yield "Weight decay acts on biases and norms as well."
    if grpo.rollout in ("vllm", "server"):
        yield mapping.ENGINE.format(name=NAME, flag="algorithm.rollout_correction.*")
    if run.shard.strategy not in ("zero3", "fsdp"):
        yield f"FSDP divides the weights between passes also where shard.strategy is {run.shard.strategy}."
    if "trackio" in run.report_to:
        yield "trackio is not among verl's requirements: .venv/bin/python -m pip install trackio."
    yield mapping.UNSCORABLE
