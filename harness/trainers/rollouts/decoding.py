"""Sampling by the evaluations' own decoder on the model in training: finished completions leave the batch."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from trl.models.utils import unwrap_model_for_generation

from evals.engines import Environment, Request, Sampling
from evals.engines.decoding import Decoder, Row


def decoded(trainer: Any, prompts: Sequence[Sequence[int]]) -> list[list[int]]:
    """One completion (token ids, the end token included) for each prompt of a `GRPOTrainer`, in their order."""
    return [row.tokens for row in rows(trainer, prompts)]


def rows(trainer: Any, prompts: Sequence[Sequence[int]], environment: Environment | None = None) -> list[Row]:
    """The same with what the decoder knows of every completion, in which `environment` may write.

    Every completion draws from a generator of its own, seeded from torch's global one, which is part of a checkpoint.
    """
    seeds = torch.randint(1 << 31, (len(prompts),)).tolist()
    requests = [Request(prompt, seed) for prompt, seed in zip(prompts, seeds, strict=True)]
    with policy(trainer) as model:
        ends = frozenset(trainer.eos_token_ids)
        return Decoder(model, trainer.processing_class, ends, environment).decode(requests, sampling(trainer))


def sampling(trainer: Any, seed: int = 0) -> Sampling:
    """How the trainer samples completions."""
    return Sampling(trainer.max_completion_length, trainer.temperature, seed, trainer.top_p)


@contextmanager
def policy(trainer: Any) -> Iterator[Any]:
    """The model in training, ready to sample from; afterwards it is in the mode that it was in."""
    gather = trainer.args.ds3_gather_for_generation
    unwrapped = unwrap_model_for_generation(trainer.model_wrapped, trainer.accelerator, gather_deepspeed3_params=gather)
    with unwrapped as model, torch.no_grad():
        training = model.training
        model.eval()
        try:
            yield model
        finally:
            model.train(training)
