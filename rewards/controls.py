"""Known controls: rewards that teach no mathematics. A study that does not separate from them has shown nothing."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from rewards.batch import Batch
from rewards.completion import text_of
from rewards.outcome import has_format
from rewards.registry import register
from rewards.reward import Components, Reward, Scores

__all__ = ["FormatOnly", "Random"]


@register("random")
@dataclass(frozen=True)
class Random(Reward):
    """A fair coin, range {0, 1}: the random control of "Spurious Rewards" (arXiv 2506.10947).

    The coin is one bit of sha256(seed, prompt, completion), so it is the same in every process and batch order, and
    equal completions of a prompt are paid alike.
    """

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
    """`format` under a control's name, range {0, 1}: pays the shape and never looks at the gold (arXiv 2506.10947)."""

    def score(self, batch: Batch) -> Components:
        """Return the only component, `format_only`."""
        formats: Scores = [float(has_format(text)) for text in batch.texts]
        return {self.name: formats}
