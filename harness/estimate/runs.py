"""A run of `harness train` as a setup: every row and completion at the full length that the run allows."""

from typing import Any

from harness.duration import PROMPT_TOKENS
from harness.estimate.hardware import Accelerator
from harness.estimate.memory import Setup
from harness.estimate.setups import BadSetup, setup
from harness.training import METHODS, Settings

# What a run's `grpo.rollout` is to an estimate; the others sample on the weights in training.
ROLLOUTS = {"vllm": "colocated", "server": "separate"}
STAGES = {"ddp": 0, "zero1": 1, "zero2": 2, "zero3": 3, "fsdp": 3}


def setup_of(run: Settings, gpu: Accelerator) -> Setup:
    """The setup of a run on a device. Raises `BadSetup`, `UnknownObjective` or `UnknownLoss`."""
    return setup(words(run, gpu.is_cpu), gpu)


def words(run: Settings, on_cpu: bool) -> dict[str, Any]:
    """What a run says, in the words of `harness estimate`'s flags; precision as `harness train` has it.

    On a GPU weights are loaded in bf16: DeepSpeed and FSDP keep fp32 masters of them, plain data parallelism none.
    """
    methods = [name for name in METHODS if getattr(run, name) is not None]
    if len(methods) != 1:
        raise BadSetup(f"the file needs exactly one of the tables {', '.join(f'[{name}]' for name in METHODS)}")
    optimizer, shard, adapter = run.optimizer, run.shard, run.adapter
    method = "full" if adapter is None else "qlora" if adapter.kind == "qlora" else "lora"
    said: dict[str, Any] = {
        "objective": methods[0],
        "method": method,
        **({"rank": adapter.rank} if adapter else {}),
        "gpus": shard.processes,
        "zero": STAGES[shard.strategy],
        "batch": optimizer.batch_size,
        "micro_batch": run.micro_batch,
        "steps": optimizer.steps,
        **_method(run),
    }
    if not on_cpu and method == "full" and shard.strategy == "ddp":
        said["precision"] = "bfloat16"
    return said


def _method(run: Settings) -> dict[str, Any]:
    """What the table of the method says; GSM8K prompts are taken to have their usual length."""
    from harness.trainers import losses, objectives

    if run.sft:
        return {"sequence": run.sft.max_length}
    if run.dpo:
        return {"sequence": run.dpo.max_length, "kl": not losses.loss(run.dpo.loss).reference_free}
    if run.prm:
        raise BadSetup(
            "[prm] samples far more than it trains, which is not estimated; its training needs at most what supervised "
            f"training does: harness estimate MODEL --objective sft --sequence {run.prm.max_length}"
        )
    assert run.grpo is not None
    grpo = run.grpo
    return {
        "kl": objectives.objective(grpo.objective).beta(grpo.kl) > 0,
        "group": grpo.group_size,
        "completion": grpo.max_new_tokens,
        "updates": grpo.updates,
        "sequence": grpo.max_new_tokens + PROMPT_TOKENS,
        "rollout": ROLLOUTS.get(grpo.rollout, "transformers"),
    }
