"""Worked examples before the question: always the same ones, or drawn as lm-eval draws them."""

import hashlib
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

Shot = tuple[str, str]
"""A question and its answer."""

EXEMPLARS = Path(__file__).parent / "exemplars.jsonl"
"""The eight chain-of-thought exemplars of arXiv 2201.11903 (appendix G, table 20) in the wording of lm-eval's tasks."""

SEED = 1234
"""lm-eval's `fewshot_random_seed`."""


class Shots(Protocol):
    """Where a style has its worked examples from."""

    def at(self, index: int | None) -> tuple[Shot, ...]:
        """The examples before the question at a position of its file."""

    def describe(self) -> object:
        """What the examples depend on, for a digest: plain values."""


@dataclass(frozen=True)
class Fixed:
    """The same examples before every question."""

    shots: tuple[Shot, ...] = ()

    def at(self, index: int | None) -> tuple[Shot, ...]:
        return self.shots

    def describe(self) -> object:
        return self.shots


@dataclass(frozen=True)
class Drawn:
    """`n` examples from a pool, drawn anew for every question by one generator, as lm-eval's default sampler does.

    So the examples depend on the question's position and on the pool's size and order, not on the question; the first
    questions of a file have the same ones with or without a limit.
    """

    pool: tuple[Shot, ...]
    n: int

    def at(self, index: int | None) -> tuple[Shot, ...]:
        if index is None:
            raise TypeError("this style's shots depend on the question's position: pass prompt(question, index)")
        return tuple(self.pool[place] for place in self._places(index))

    def describe(self) -> object:
        return hashlib.sha256(json.dumps(self.pool).encode()).hexdigest(), self.n, SEED

    def _places(self, index: int) -> list[int]:
        # The generator has no random access: what was drawn on the way is kept.
        while len(self._drawn) <= index:
            self._drawn.append(self._generator.sample(range(len(self.pool)), self.n))
        return self._drawn[index]

    @cached_property
    def _drawn(self) -> list[list[int]]:
        return []

    @cached_property
    def _generator(self) -> random.Random:
        return random.Random(SEED)


def exemplars(sentence: str) -> Fixed:
    """The eight exemplars, their answers given by `sentence` with `{answer}` in it."""
    rows = [json.loads(line) for line in EXEMPLARS.read_text(encoding="utf-8").splitlines()]
    return Fixed(tuple((row["question"], f"{row['reasoning']} {sentence.format(**row)}") for row in rows))


def drawn(pool: Sequence[Shot], n: int) -> Drawn:
    """`n` examples a question out of a pool."""
    return Drawn(tuple(pool), n)
