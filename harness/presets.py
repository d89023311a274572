"""Sizes of a study by preset, for the embedded model (`tiny`) and for any other one (`model`)."""

from typing import Any, Literal

Preset = Literal["smoke", "quick", "full"]
PRESETS: tuple[Preset, ...] = ("smoke", "quick", "full")
Tables = dict[str, dict[str, Any]]

SEEDS: dict[Preset, int] = {"smoke": 1, "quick": 3, "full": 5}

_TINY_TRAIN = {"prompts_per_step": 8, "group_size": 8, "learning_rate": 4e-4, "max_new_tokens": 40}
_MODEL_TRAIN = {"learning_rate": 1e-5, "max_new_tokens": 256}

_SIZES: dict[str, dict[Preset, Tables]] = {
    "tiny": {
        "smoke": {
            "train": {**_TINY_TRAIN, "steps": 4, "prompts_per_step": 2, "group_size": 4},
            "evaluation": {"test_items": 16, "samples": 2, "dev_items": 8, "every": 2},
        },
        "quick": {
            "train": {**_TINY_TRAIN, "steps": 60},
            "evaluation": {"test_items": 250, "samples": 4, "dev_items": 100, "every": 10},
        },
        "full": {
            "train": {**_TINY_TRAIN, "steps": 120},
            "evaluation": {"test_items": 500, "samples": 4, "dev_items": 200, "every": 10},
        },
    },
    "model": {
        "smoke": {
            "train": {**_MODEL_TRAIN, "steps": 2, "prompts_per_step": 2, "group_size": 4, "max_new_tokens": 96},
            "evaluation": {"test_items": 8, "samples": 1, "dev_items": 4, "every": 2, "batch_size": 32},
        },
        "quick": {
            "train": {**_MODEL_TRAIN, "steps": 50, "prompts_per_step": 8, "group_size": 8, "micro_batch": 16},
            "evaluation": {"test_items": 200, "samples": 1, "dev_items": 50, "every": 10, "batch_size": 32},
        },
        "full": {
            "train": {**_MODEL_TRAIN, "steps": 300, "prompts_per_step": 16, "group_size": 8, "micro_batch": 16},
            "evaluation": {"test_items": 1319, "samples": 4, "dev_items": 200, "every": 25, "batch_size": 64},
        },
    },
}
LORA_RANK = 16


def preset_sizes(preset: Preset, model: str) -> Tables:
    """`train` and `evaluation` tables of a preset; `model` is the name the user gave."""
    chosen = _SIZES["tiny" if model == "tiny" else "model"][preset]
    return {table: dict(values) for table, values in chosen.items()}
