"""Generation by `transformers`: left-padded batches of prompts of similar length. For machines without vLLM."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch
from transformers import GenerationConfig

from evals.engines import Completion, Sampling


class TransformersEngine:
    """Wraps a loaded model and tokenizer. Leaves the model's mode and the global random state as it found them."""

    def __init__(self, model: Any, tokenizer: Any, batch_size: int = 128) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.batch_size = batch_size

    def generate(self, prompts: Sequence[Sequence[int]], sampling: Sampling) -> Iterator[list[Completion]]:
        """Longest prompts first, so that padding is small and a batch too big for memory fails at once."""
        order = sorted(range(len(prompts)), key=lambda i: -len(prompts[i]))
        for start in range(0, len(order), self.batch_size):
            batch = order[start : start + self.batch_size]
            seeded = replace(sampling, seed=sampling.seed + start)
            rows = self._rows([list(prompts[i]) for i in batch], seeded)
            yield [self._completion(index, row) for index, row in zip(batch, rows, strict=True)]

    def _rows(self, prompts: list[list[int]], sampling: Sampling) -> list[list[int]]:
        """New token ids of a batch, (prompts, at most max_new_tokens), padded after the end token."""
        padded = self.tokenizer.pad({"input_ids": prompts}, padding_side="left", return_tensors="pt")
        padded = padded.to(self.model.device)
        training = self.model.training
        self.model.eval()
        # An evaluation in the middle of training must not change what the training samples next.
        with torch.random.fork_rng(), torch.inference_mode():
            torch.manual_seed(sampling.seed)
            output = self.model.generate(**padded, generation_config=self._config(sampling))
        self.model.train(training)
        new: list[list[int]] = output[:, padded["input_ids"].shape[1] :].tolist()
        return new

    def _config(self, sampling: Sampling) -> GenerationConfig:
        """Neutral values for all that a checkpoint's own generation config may carry: the request alone decides."""
        chosen = {"temperature": sampling.temperature, "top_k": 0, "top_p": 1.0} if sampling.temperature > 0 else {}
        return GenerationConfig(
            max_new_tokens=sampling.max_new_tokens,
            do_sample=sampling.temperature > 0,
            pad_token_id=self.tokenizer.pad_token_id,
            eos_token_id=self.tokenizer.eos_token_id,
            **chosen,
        )

    def _completion(self, index: int, row: list[int]) -> Completion:
        end = self.tokenizer.eos_token_id
        stopped = end in row
        ids = row[: row.index(end) + 1] if stopped else row
        text = self.tokenizer.decode(ids, skip_special_tokens=True)
        return Completion(index, text, len(ids), "stop" if stopped else "length")
