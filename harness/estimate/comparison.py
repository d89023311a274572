"""What every objective and method takes of a GPU under every ZeRO stage, everything else as it is."""

from dataclasses import replace
from typing import Any

from harness.estimate import largest, memory
from harness.estimate.architecture import Architecture
from harness.estimate.memory import GB, Setup

ALONE: dict[str, Any] = {"kl": False, "reward_model": False, "method": "full"}
# What each run is called, and what of a setup it is.
RUNS: dict[str, dict[str, Any]] = {
    "SFT": {**ALONE, "objective": "sft"},
    "SFT, LoRA": {**ALONE, "objective": "sft", "method": "lora"},
    "SFT, QLoRA": {**ALONE, "objective": "sft", "method": "qlora"},
    "DPO": {**ALONE, "objective": "dpo", "kl": True},
    "DPO, LoRA": {**ALONE, "objective": "dpo", "kl": True, "method": "lora"},
    "GRPO": {**ALONE, "objective": "grpo"},
    "GRPO with KL": {**ALONE, "objective": "grpo", "kl": True},
    "GRPO, LoRA": {**ALONE, "objective": "grpo", "method": "lora"},
    "GRPO, QLoRA": {**ALONE, "objective": "grpo", "method": "qlora"},
    "PPO, reward by rule": {**ALONE, "objective": "ppo", "kl": True},
    "PPO, reward model": {**ALONE, "objective": "ppo", "kl": True, "reward_model": True},
}


def compared(model: Architecture, setup: Setup) -> list[dict[str, Any]]:
    """For every run its name, what it is, and by stage GB of the states, GB at the peak, and whether it fits."""
    return [
        {"run": name, **run, "stages": [_stage(model, replace(setup, **run, zero=zero)) for zero in range(4)]}
        for name, run in RUNS.items()
    ]


def _stage(model: Architecture, setup: Setup) -> dict[str, Any]:
    found = memory.per_gpu(model, setup)
    return {
        "zero": setup.zero,
        "states_gb": found.states / GB,
        "peak_gb": found.total / GB,
        "fits": largest.fits(model, setup),
    }
