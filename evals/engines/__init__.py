"""Generation engines: token ids of prompts in, completions out."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Sampling:
    """How to sample. `temperature` 0 is greedy. `seed` fixes the draws of one call."""

    max_new_tokens: int
    temperature: float = 1.0
    seed: int = 0


@dataclass(frozen=True)
class Completion:
    """One completion. `index` is the position of its prompt in the call; `tokens` counts the end token if any."""

    index: int
    text: str
    tokens: int
    finish_reason: str


class Engine(Protocol):
    """Generates one completion for each prompt, yielding in batches that are complete once yielded."""

    def generate(self, prompts: Sequence[Sequence[int]], sampling: Sampling) -> Iterator[list[Completion]]: ...
