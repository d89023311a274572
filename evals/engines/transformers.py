"""Generation by `transformers`, batched by length: for machines without vLLM, and for the tiny default."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.metadata import version
from typing import Any

import torch

from evals.engines import Completion, Environment, Request, Sampling
from evals.engines.decoding import Decoder


class TransformersEngine:
    """Wraps a loaded causal model and tokenizer. Leaves the model's mode and the global random state as they were.

    Args:
        batch_size: prompts decoded together. Memory grows with it; completions change only by float rounding.
        environment: writes into the completions.
    """

    def __init__(
        self, model: Any, tokenizer: Any, batch_size: int = 128, environment: Environment | None = None
    ) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.batch_size = batch_size
        self.environment = environment

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> Iterator[list[Completion]]:
        """Longest prompts first, so that padding is small and a batch too big for memory fails at once."""
        order = sorted(range(len(requests)), key=lambda i: -len(requests[i].prompt))
        for start in range(0, len(order), self.batch_size):
            yield self._batch(order[start : start + self.batch_size], requests, sampling)

    def _batch(self, chosen: list[int], requests: Sequence[Request], sampling: Sampling) -> list[Completion]:
        training = self.model.training
        self.model.eval()
        try:
            with torch.inference_mode():
                decoder = Decoder(self.model, self.tokenizer, self._ends(), self.environment)
                rows = decoder.decode([requests[i] for i in chosen], sampling)
        finally:
            self.model.train(training)
        return [
            Completion(index, row.text, len(row.tokens), row.reason or "length", requests[index].seed)
            for index, row in zip(chosen, rows, strict=True)
        ]

    def _ends(self) -> frozenset[int]:
        """The tokenizer's end token and those of the model's generation config, as vLLM has it."""
        configured = getattr(self.model.generation_config, "eos_token_id", None)
        several = configured if isinstance(configured, list) else [configured]
        return frozenset({self.tokenizer.eos_token_id, *several} - {None})


def facts(dtype: str, device: str, batch_size: int) -> dict[str, str]:
    """What `eval.json` says of this engine."""
    return {
        "version": version("transformers"),
        "torch": version("torch"),
        "dtype": dtype,
        "device": device,
        "determinism": f"seeded per request, batches of {batch_size}",
    }
