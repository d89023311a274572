"""Sizes of a study by preset, for the embedded model and what was trained from it (`tiny`), and for any other one."""

from pathlib import Path
from typing import Any, Literal

Preset = Literal["smoke", "quick", "full"]
PRESETS: tuple[Preset, ...] = ("smoke", "quick", "full")
Tables = dict[str, Any]

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
# Twice the embedded base.
SMALL_BYTES = 4_000_000

_TINY_ROAD: Tables = {
    "group_size": 8,
    "max_new_tokens": 40,
    "max_length": 128,
    "sft": {"steps": 6, "batch_size": 32, "learning_rate": 3e-4, "beta2": 0.98},
    "dpo": {"steps": 40, "batch_size": 32, "learning_rate": 2e-5, "beta2": 0.98},
    "grpo": {"steps": 40, "batch_size": 64, "learning_rate": 4e-4, "beta2": 0.98},
    "pairs": {"questions": 200, "samples": 8, "temperature": 1.0, "max_new_tokens": 40},
    "evaluation": {"test_items": 250, "samples": 4, "max_new_tokens": 40},
}
_SMOKE_LEG = {"steps": 2, "batch_size": 4, "learning_rate": 1e-4, "beta2": 0.98}
_MODEL_ROAD: Tables = {
    "group_size": 8,
    "max_new_tokens": 256,
    "max_length": 1024,
    "sft": {"steps": 200, "batch_size": 32, "micro_batch": 4, "learning_rate": 2e-4, "schedule": "cosine"},
    "dpo": {"steps": 100, "batch_size": 32, "micro_batch": 4, "learning_rate": 5e-6},
    "grpo": {"steps": 100, "batch_size": 64, "micro_batch": 8, "learning_rate": 1e-5},
    "pairs": {"samples": 8, "temperature": 0.8, "max_new_tokens": 256},
    "evaluation": {"test_items": 200, "max_new_tokens": 256, "batch_size": 32},
}
_ROADS: dict[str, Tables] = {"tiny": _TINY_ROAD, "model": _MODEL_ROAD}
_FULL_LEGS = {
    "tiny": {"sft": 6, "dpo": 80, "grpo": 120, "test_items": 500},
    "model": {"sft": 1000, "dpo": 400, "grpo": 300, "test_items": 1319},
}


def small(model: str) -> bool:
    """Whether `model`, as the user gave it, is the embedded base or a folder with weights as few: trained from it, say.

    Such a model trains in seconds a step whatever it learns, so it has the embedded sizes, and all its weights train.
    """
    weights = sum(path.stat().st_size for path in Path(model).expanduser().glob("*.safetensors"))
    return model == "tiny" or 0 < weights < SMALL_BYTES


def preset_sizes(preset: Preset, model: str) -> Tables:
    """`train` and `evaluation` tables of a preset; `model` is the name the user gave."""
    chosen = _SIZES["tiny" if small(model) else "model"][preset]
    return {table: dict(values) for table, values in chosen.items()}


def road_sizes(preset: Preset, model: str) -> Tables:
    """Sizes of the legs of a road (`ablations.road.Sizes`); `model` is the name the user gave."""
    kind = "tiny" if small(model) else "model"
    sizes: Tables = {name: value.copy() if isinstance(value, dict) else value for name, value in _ROADS[kind].items()}
    legs = ("sft", "dpo", "grpo")
    if preset == "smoke":
        fewer = {"group_size": 2, "pairs": {**sizes["pairs"], "samples": 4}}
        few = {**sizes["evaluation"], "test_items": 8, "samples": 1}
        return {**sizes, **fewer, **{leg: dict(_SMOKE_LEG) for leg in legs}, "evaluation": few}
    if preset == "full":
        longer = _FULL_LEGS[kind]
        for leg in legs:
            sizes[leg]["steps"] = longer[leg]
        sizes["evaluation"]["test_items"] = longer["test_items"]
    return sizes
