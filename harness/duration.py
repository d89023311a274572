"""A rough time of one cell on two CPU cores, said before a large model starts."""

import json
import struct
from math import prod
from pathlib import Path

from harness.config import RunConfig

# Measured with a 135M-parameter Llama in float32 on one AVX2 core: generation of 8 sequences 13 GFLOP/s, passes 55.
GENERATION_FLOPS = 13e9
TRAINING_FLOPS = 55e9
PROMPT_TOKENS = 150


def parameters(folder: Path) -> int:
    """Number of weights, read from the headers of the safetensors files."""
    count = 0
    for path in folder.glob("*.safetensors"):
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            header = json.loads(file.read(length))
        count += sum(prod(entry["shape"]) for name, entry in header.items() if name != "__metadata__")
    return count


def rough_minutes(config: RunConfig) -> float:
    """Minutes = (2 N tokens generated + 6 N tokens trained on) over measured FLOP/s; answers taken as full length."""
    train, evaluation = config.train, config.evaluation
    sampled = train.steps * train.prompts_per_step * train.group_size
    points = train.steps // evaluation.every + 2
    graded = 2 * evaluation.test_items * (evaluation.samples + 1)
    graded += points * evaluation.dev_items * evaluation.dev_samples
    flops_per_token = 2 * parameters(Path(config.model.path))
    generated = (sampled + graded) * train.max_new_tokens * flops_per_token / GENERATION_FLOPS
    trained = 3 * sampled * (train.max_new_tokens + PROMPT_TOKENS) * flops_per_token / TRAINING_FLOPS
    return (generated + trained) / 60
