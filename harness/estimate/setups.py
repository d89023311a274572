"""A setup from the few things that somebody said of it: what is left out is filled in, what cannot be is told."""

from collections.abc import Mapping
from typing import Any

from harness.estimate import hardware, machine
from harness.estimate.memory import GB, Setup

DEFAULTS: dict[str, Any] = {
    "objective": "grpo",
    "method": "full",
    "rank": 16,
    "gpus": 1,
    "zero": 0,
    "sequence": 1024,
    "micro_batch": 4,
    "group": 8,
    "updates": 1,
    "tensor_parallel": 1,
    "reward_model": False,
}
# Of a GPU, as TRL and `harness train` have it.
ENGINE_SHARE = 0.3
# Rows of a step where nobody says.
BATCH = 256


class BadSetup(ValueError):
    """One or more settings cannot be estimated; each line of the message is one problem and its fix."""


def setup(told: Mapping[str, Any], gpu: hardware.Accelerator) -> Setup:
    """Fills in what nobody said or depends on something else, and checks what goes together. Raises `BadSetup`."""
    rollout = "transformers" if gpu.is_cpu else "colocated"
    share = machine.vllm_cache() / GB / gpu.memory_gb if gpu.is_cpu else ENGINE_SHARE
    said = {**DEFAULTS, "rollout": rollout, "engine_share": share, **told}
    gpus, micro, sequence = said["gpus"], said["micro_batch"], said["sequence"]
    width = gpus * micro
    batch = said.get("batch") or max(width, BATCH // width * width)
    completion = said.get("completion") or max(1, sequence - min(256, sequence // 2))
    kl = said.get("kl")
    problems = list(_problems(said, batch, completion, gpu))
    if problems:
        raise BadSetup("\n".join(problems))
    fields = ("objective", "method", "rank", "reward_model", "rollout", "engine_share", "tensor_parallel", "zero")
    return Setup(
        gpu=gpu,
        **{name: said[name] for name in (*fields, "sequence", "micro_batch", "group", "updates", "gpus")},
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
