"""Sampling by the evaluations' own decoder on the model in training: finished completions leave the batch."""

from collections.abc import Sequence
from typing import Any

import torch
from trl.models.utils import unwrap_model_for_generation

from evals.engines import Request, Sampling
from evals.engines.decoding import Decoder


def decoded(trainer: Any, prompts: Sequence[Sequence[int]]) -> list[list[int]]:
    """One completion (token ids, the end token included) for each prompt of a `GRPOTrainer`, in their order.

    Every completion draws from a generator of its own, seeded from torch's global one, which is part of a checkpoint.
    """
    seeds = torch.randint(1 << 31, (len(prompts),)).tolist()
    requests = [Request(prompt, seed) for prompt, seed in zip(prompts, seeds, strict=True)]
    sampling = Sampling(trainer.max_completion_length, trainer.temperature, top_p=trainer.top_p)
    gather = trainer.args.ds3_gather_for_generation
    unwrapped = unwrap_model_for_generation(trainer.model_wrapped, trainer.accelerator, gather_deepspeed3_params=gather)
    with unwrapped as model, torch.no_grad():
        training = model.training
        model.eval()
        try:
            rows = Decoder(model, trainer.processing_class, frozenset(trainer.eos_token_ids)).decode(requests, sampling)
        finally:
            model.train(training)
    return [row.tokens for row in rows]
