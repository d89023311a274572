"""From the flags of `harness estimate`, and a file of `harness train`, to the setup that is estimated."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.cli.recipe import read
from harness.duration import PROMPT_TOKENS
from harness.estimate import hardware, known
from harness.estimate.architecture import Architecture, from_sizes
from harness.estimate.memory import Setup
from harness.training import METHODS, Settings

SIZES = ("layers", "hidden", "heads", "kv_heads", "vocab")
DEFAULTS: dict[str, Any] = {
    "objective": "grpo",
    "method": "full",
    "rank": 16,
    "gpus": 1,
    "zero": 0,
    "sequence": 1024,
    "micro_batch": 4,
    "group": 8,
    "engine_share": 0.3,
    "tensor_parallel": 1,
    "reward_model": False,
}
# Rows of a step where nobody says.
BATCH = 256
# What a run's `grpo.rollout` is to an estimate; the others sample on the weights in training.
ROLLOUTS = {"vllm": "colocated", "server": "separate"}
STAGES = {"ddp": 0, "zero1": 1, "zero2": 2, "zero3": 3, "fsdp": 3}


class BadForecast(ValueError):
    """One or more flags cannot be used; each line of the message is one problem and its fix."""


@dataclass(frozen=True)
class Forecast:
    """What is estimated. `steps` is None where nobody said how many."""

    model: Architecture
    setup: Setup
    steps: int | None


def forecast(model: str, config: Path | None, given: Mapping[str, Any]) -> Forecast:
    """The setup: flags that are not None go over the file, the file over the defaults.

    Raises:
        BadForecast, BadRecipe, UnknownArchitecture, UnknownAccelerator, UnknownObjective, UnknownLoss, or pydantic's
            `ValidationError`.
    """
    flags = {name: value for name, value in given.items() if value is not None}
    recipe = read(config, []) if config else None
    gpu = _gpu(flags)
    said = {**(from_recipe(recipe, gpu.is_cpu) if recipe else {}), **flags}
    model = model or (recipe.model if recipe else "")
    return Forecast(_model(model, flags), setup(said, gpu), said.get("steps"))


def _gpu(flags: dict[str, Any]) -> hardware.Accelerator:
    found = hardware.accelerator(flags.pop("gpu", "h100"))
    return replace(found, memory_gb=flags.pop("gpu_gb", found.memory_gb))


def _model(name: str, flags: Mapping[str, Any]) -> Architecture:
    sizes = {size: flags[size] for size in SIZES if size in flags}
    if "params" in flags:
        return from_sizes(int(flags["params"]), **sizes)
    if sizes:
        raise BadForecast(f"--{next(iter(sizes)).replace('_', '-')} goes with --params, the number of parameters")
    if not name:
        raise BadForecast("give a model (folder, config.json or hub id), --params 7e9, or --config FILE.toml")
    return known.find(name)


def from_recipe(recipe: Settings, on_cpu: bool) -> dict[str, Any]:
    """What a file of `harness train` says, in the words of the flags; precision as `harness train` has it.

    On a GPU weights are loaded in bf16: DeepSpeed and FSDP keep fp32 masters of them, plain data parallelism none.
    """
    methods = [name for name in METHODS if getattr(recipe, name) is not None]
    if len(methods) != 1:
        raise BadForecast(f"the file needs exactly one of the tables {', '.join(f'[{name}]' for name in METHODS)}")
    optimizer, shard, adapter = recipe.optimizer, recipe.shard, recipe.adapter
    method = "full" if adapter is None else "qlora" if adapter.kind == "qlora" else "lora"
    said: dict[str, Any] = {
        "objective": methods[0],
        "method": method,
        "rank": adapter.rank if adapter else DEFAULTS["rank"],
        "gpus": shard.processes,
        "zero": STAGES[shard.strategy],
        "batch": optimizer.batch_size,
        "micro_batch": recipe.micro_batch,
        "steps": optimizer.steps,
        **_method(recipe),
    }
    if not on_cpu and method == "full" and shard.strategy == "ddp":
        said["precision"] = "bfloat16"
    return said


def _method(recipe: Settings) -> dict[str, Any]:
    """What the table of the method says; GSM8K prompts are taken to have their usual length."""
    from harness.trainers import losses, objectives

    if recipe.sft:
        return {"sequence": recipe.sft.max_length}
    if recipe.dpo:
        return {"sequence": recipe.dpo.max_length, "kl": not losses.loss(recipe.dpo.loss).reference_free}
    if recipe.prm:
        raise BadForecast(
            "[prm] samples far more than it trains, which is not estimated; its training needs at most what supervised "
            f"training does: harness estimate MODEL --objective sft --sequence {recipe.prm.max_length}"
        )
    assert recipe.grpo is not None
    grpo = recipe.grpo
    return {
        "kl": objectives.objective(grpo.objective).beta(grpo.kl) > 0,
        "group": grpo.group_size,
        "completion": grpo.max_new_tokens,
        "sequence": grpo.max_new_tokens + PROMPT_TOKENS,
        "rollout": ROLLOUTS.get(grpo.rollout, "transformers"),
    }


def setup(told: Mapping[str, Any], gpu: hardware.Accelerator) -> Setup:
    """Fills in what nobody said or depends on something else, and checks what goes together. Raises `BadForecast`."""
    rollout = "transformers" if gpu.is_cpu else "colocated"
    said = {**DEFAULTS, "rollout": rollout, **told}
    gpus, micro, sequence = said["gpus"], said["micro_batch"], said["sequence"]
    width = gpus * micro
    batch = said.get("batch") or max(width, BATCH // width * width)
    completion = said.get("completion") or max(1, sequence - min(256, sequence // 2))
    kl = said.get("kl")
    problems = list(_problems(said, batch, completion, gpu))
    if problems:
        raise BadForecast("\n".join(problems))
    fields = ("objective", "method", "rank", "reward_model", "rollout", "engine_share", "tensor_parallel", "zero")
    return Setup(
        gpu=gpu,
        **{name: said[name] for name in (*fields, "sequence", "micro_batch", "group", "gpus")},
        kl=said["objective"] in ("dpo", "ppo") if kl is None else kl,
        precision=said.get("precision") or ("float32" if gpu.is_cpu else "mixed"),
        checkpointing=said.get("checkpointing", not gpu.is_cpu),
        accumulation=batch // width,
        completion=completion,
        rollout_gpus=said.get("rollout_gpus") or said["tensor_parallel"] * max(1, gpus // 4),
    )


def _problems(said: Mapping[str, Any], batch: int, completion: int, gpu: hardware.Accelerator) -> list[str]:
    gpus, micro, group = said["gpus"], said["micro_batch"], said["group"]
    samples = said["objective"] in ("grpo", "ppo")
    found = []
    if batch % (gpus * micro):
        found.append(f"--batch {batch}: give a multiple of --gpus {gpus} x --micro-batch {micro}")
    if said["objective"] == "grpo" and batch % group:
        found.append(f"--group {group}: give a divisor of --batch {batch}")
    if samples and completion >= said["sequence"]:
        found.append(f"--completion {completion}: give less than --sequence {said['sequence']}, prompt included")
    if said["objective"] == "sft" and said.get("kl"):
        found.append("--kl: supervised training has no reference model; leave it out")
    if said["reward_model"] and not samples:
        found.append(f"--reward-model: {said['objective']} has none; leave it out")
    if said["rollout"] == "colocated" and gpus % said["tensor_parallel"]:
        found.append(f"--tensor-parallel {said['tensor_parallel']}: give a divisor of --gpus {gpus}")
    if said["method"] == "qlora" and said.get("precision") == "float32" and not gpu.is_cpu:
        found.append("--precision float32: QLoRA computes in bf16 on a GPU; leave it out")
    return found
