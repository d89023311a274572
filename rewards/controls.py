"""Known controls: rewards that teach no mathematics. A study that does not separate from them has shown nothing.

`random` and `format_only` never look at the gold. `contains`, `length_uncapped` and `step_sum` look at it and leave a
hole that a policy finds: an audit that passes one of them is no audit.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass

from rewards.batch import Batch
from rewards.completion import split_think, text_of
from rewards.errors import RewardError
from rewards.outcome import answer_scores, has_format
from rewards.process import valid_steps
from rewards.registry import register
from rewards.reward import Components, Reward, Scores
from rewards.verify.gold import gold_number
from rewards.verify.numbers import find, normalise, same

__all__ = ["Contains", "FormatOnly", "LengthUncapped", "Random", "StepSum"]


@register("random")
@dataclass(frozen=True)
class Random(Reward):
    """A fair coin, range {0, 1}: the random control of "Spurious Rewards" (arXiv 2506.10947).

    The coin is one bit of sha256(seed, prompt, completion), so it is the same in every process and batch order, and
    equal completions of a prompt are paid alike. Component: `random`.
    """

    kind = "control"
    bounds = (0.0, 1.0)
    seed: int = 0

    def score(self, batch: Batch) -> Components:
        """Return the only component, `random`."""
        pairs = zip(batch.prompts, batch.texts, strict=True)
        return {self.name: [self._coin(text_of(prompt), text) for prompt, text in pairs]}

    def _coin(self, prompt: str, text: str) -> float:
        # repr of the tuple separates the parts, so no two (prompt, completion) pairs share their bytes.
        key = repr((self.seed, prompt, text)).encode("utf-8", "surrogatepass")
        return float(hashlib.sha256(key).digest()[0] & 1)


@register("format_only")
@dataclass(frozen=True)
class FormatOnly(Reward):
    """`format` under a control's name, range {0, 1}: pays the shape and never looks at the gold.

    The format control of "Spurious Rewards" (arXiv 2506.10947). It must fail an audit: a template without
    a solution earns all of it. Component: `format_only`.
    """

    kind = "control"
    bounds = (0.0, 1.0)

    def score(self, batch: Batch) -> Components:
        """Return the only component, `format_only`."""
        formats: Scores = [float(has_format(text)) for text in batch.texts]
        return {self.name: formats}


@register("contains")
@dataclass(frozen=True)
class Contains(Reward):
    """1[the gold's number stands anywhere in the visible text], range {0, 1}: the any-number grader.

    It must fail an audit: listing 0 to 100 earns it on two thirds of GSM8K without reading the question. `None` where
    the gold is unparseable. Component: `contains`.
    """

    kind = "control"
    bounds = (0.0, 1.0)

    def score(self, batch: Batch) -> Components:
        """Return the only component, `contains`."""
        return {self.name: [_contains(text, gold) for text, gold in zip(batch.texts, batch.golds, strict=True)]}


def _contains(text: str, gold: object) -> float | None:
    expected = gold_number(gold)
    if expected is None:
        return None
    places = find(normalise(split_think(text)[1] or ""))
    return float(any(place.number is not None and same(place.number, expected) for place in places))


@register("length_uncapped")
@dataclass(frozen=True)
class LengthUncapped(Reward):
    """correct - b * l, range (-inf, 1], l = completion length in tokens: `length_linear` without its bound.

    It must fail an audit: with the default b = 0.01 a right answer of 101 tokens earns less than saying nothing, so
    the shortest wrong answer beats an honest one. Components: `answer` (weight 1), `length` in tokens (weight -b).
    `None` where the gold is unparseable. Raises `RewardError` for b < 0 or without `completion_ids`.
    """

    kind = "control"
    bounds = (-math.inf, 1.0)
    b: float = 0.01

    def __post_init__(self) -> None:
        """Refuse a bonus for length."""
        if not (math.isfinite(self.b) and self.b >= 0):
            raise RewardError(f"length_uncapped(b={self.b}): b must be at least 0")

    @property
    def weights(self) -> dict[str, float]:
        """1 for the answer, -b for a token."""
        return {"answer": 1.0, "length": -self.b}

    def score(self, batch: Batch) -> Components:
        """Return components `answer` and `length`."""
        return {"answer": answer_scores(batch), "length": [float(length) for length in batch.lengths]}


@register("step_sum")
@dataclass(frozen=True)
class StepSum(Reward):
    """correct + step * n, range [0, inf), n = how many true and grounded equations are written, repeats included.

    The sum over steps that arXiv 2410.15115 shows to be farmable. It must fail an audit: writing one true equation
    twenty times earns more than solving the problem. Components: `answer` (weight 1), `steps` (weight `step`).
    `None` where the gold is unparseable. Raises `RewardError` for a negative step.
    """

    kind = "control"
    bounds = (0.0, math.inf)
    step: float = 0.25

    def __post_init__(self) -> None:
        """Refuse a fine for steps."""
        if not (math.isfinite(self.step) and self.step >= 0):
            raise RewardError(f"step_sum(step={self.step}): step must be at least 0")

    @property
    def weights(self) -> dict[str, float]:
        """1 for the answer, `step` for an equation."""
        return {"answer": 1.0, "steps": self.step}

    def score(self, batch: Batch) -> Components:
        """Return components `answer` and `steps`."""
        counts: Sequence[int] = [valid_steps(text, q) for text, q in zip(batch.texts, batch.questions, strict=True)]
        return {"answer": answer_scores(batch), "steps": [float(count) for count in counts]}
