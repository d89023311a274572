"""Generation engines: prompts in, completions with token counts, finish reason and seed out.

`transformers` runs anywhere, `vllm` where vLLM (or its CPU build) is installed, `server` asks any OpenAI-compatible
endpoint. They share this protocol and nothing else; each is imported only when it is used. Beside its engine, each
module has `facts`: version, dtype and determinism mode, which with the request decide the completions.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

FinishReason = Literal["stop", "length"]


class EngineError(RuntimeError):
    """An engine cannot start or go on; the message is one line that says the fix."""


@dataclass(frozen=True)
class Sampling:
    """How to sample.

    Attributes:
        temperature: 0 is greedy.
        seed: fixes the draws of an evaluation; every request gets a seed of its own from it (`request_seed`).
        top_p: sample from the smallest set of tokens with at least this probability (arXiv 1904.09751); 1 is all.
        stop: texts that end a completion; a completion never holds the stop that ended it.
    """

    max_new_tokens: int
    temperature: float = 1.0
    seed: int = 0
    top_p: float = 1.0
    stop: tuple[str, ...] = ()


@dataclass(frozen=True)
class Request:
    """One prompt as token ids, and the seed of the draws of its completion.

    Attributes:
        limit: most tokens of its completion, where that is less than the sampling's.
    """

    prompt: Sequence[int]
    seed: int = 0
    limit: int | None = None

    def tokens(self, sampling: Sampling) -> int:
        """Most tokens of its completion."""
        return sampling.max_new_tokens if self.limit is None else min(self.limit, sampling.max_new_tokens)


@dataclass(frozen=True)
class Completion:
    """One completion.

    Attributes:
        index: position of its request in the call.
        tokens: generated tokens, the end token or those of the stop text included, and what an environment wrote.
        finish_reason: `stop` at an end token or a stop text, `length` at `max_new_tokens`.
    """

    index: int
    text: str
    tokens: int
    finish_reason: FinishReason
    seed: int = 0


class Engine(Protocol):
    """Generates one completion for each request, yielding batches that are complete once yielded, in any order."""

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> Iterator[list[Completion]]: ...


class Environment(Protocol):
    """Writes into completions while they are sampled, as a calculator that fills in results."""

    def respond(self, text: str) -> str | None:
        """What it writes behind `text`, the completion so far; `None` where it has nothing to say."""


def request_seed(seed: int, item: str, sample: int) -> int:
    """31 bits hashed from the evaluation's seed, the item's id and the sample's number.

    So a completion does not depend on which others are asked for, and a resumed run draws what the whole would have.
    """
    hashed = hashlib.sha256(f"{seed}\0{item}\0{sample}".encode()).digest()
    return int.from_bytes(hashed[:4]) >> 1
