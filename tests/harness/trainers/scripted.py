"""Policies whose every probability is known, and just as much of a trainer as sampling reads."""

from types import SimpleNamespace
from typing import Any

import torch
from accelerate import Accelerator
from transformers import GenerationConfig, LlamaConfig

from evals.engines import Environment
from harness.tiny import tokenizer

TOKENS: Any = tokenizer.build()


def token(text: str) -> int:
    (found,) = TOKENS.encode(text, add_special_tokens=False)
    return int(found)


class Policy(torch.nn.Module):
    """What a decoder asks a causal model for, without a cache."""

    def __init__(self) -> None:
        super().__init__()
        self.config = LlamaConfig(num_hidden_layers=1)
        self.generation_config = GenerationConfig(eos_token_id=TOKENS.eos_token_id)
        self.device = torch.device("cpu")
        self.is_gradient_checkpointing = False

    def forward(self, input_ids: torch.Tensor, position_ids: torch.Tensor, **_: Any) -> Any:
        return SimpleNamespace(logits=self.logits(input_ids[:, -1], position_ids[:, -1])[:, None])

    def logits(self, tokens: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        """(rows, vocabulary) from the last token of each row, and its position."""
        raise NotImplementedError


class Markov(Policy):
    """The next token hangs on the last one alone: p(b | a) = chances[a][b]."""

    def __init__(self, chances: dict[str, dict[str, float]]) -> None:
        super().__init__()
        self.table = torch.full((len(TOKENS), len(TOKENS)), -torch.inf)
        for one, row in chances.items():
            for other, chance in row.items():
                self.table[token(one), token(other)] = torch.tensor(chance).log()

    def logits(self, tokens: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        return self.table[tokens]


class Script(Policy):
    """Writes the tokens of `lines`, line n behind a prompt of `length(n)` tokens, whatever has been written so far."""

    SPACE = 100

    def __init__(self, *lines: list[str]) -> None:
        super().__init__()
        self.script = torch.full((self.SPACE * (len(lines) + 1),), TOKENS.eos_token_id)
        for number, line in enumerate(lines):
            for place, text in enumerate(line):
                self.script[self.length(number) + place] = token(text)

    @classmethod
    def length(cls, number: int) -> int:
        return 1 + cls.SPACE * number

    def logits(self, tokens: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.one_hot(self.script[positions + 1], len(TOKENS)).float().log()


def trainer(model: Any, limit: int, environment: Environment | None = None) -> Any:
    """What `harness.trainers.rollouts.decoding` and its users read of a `GRPOTrainer`."""
    counted: dict[str, int] = {}

    def tokens(phase: str, count: int) -> None:
        counted[phase] = counted.get(phase, 0) + count

    return SimpleNamespace(
        model=model,
        model_wrapped=model,
        accelerator=Accelerator(cpu=True),
        args=SimpleNamespace(ds3_gather_for_generation=False),
        eos_token_ids=[TOKENS.eos_token_id],
        processing_class=TOKENS,
        temperature=1.0,
        top_p=1.0,
        max_completion_length=limit,
        environment=environment,
        phases=SimpleNamespace(tokens=tokens, counted=counted),
    )
