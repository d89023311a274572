"""Rewards for the outcome: the final answer is right, and it is written where it was asked for."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from rewards.batch import Batch
from rewards.completion import split_think
from rewards.errors import RewardError
from rewards.registry import register
from rewards.reward import Components, Reward, Scores
from rewards.verify import Verdict, verify

__all__ = ["Format", "FormatAnswer", "Sparse", "answer_scores", "has_format"]

# The shape that GSM8K itself uses and lm-eval's strict filter reads: no currency, no unit, at most a closing period.
MARKED = re.compile(r"\s*#### +-?(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:\.[0-9]+)?\.?\s*")


def has_format(text: str) -> bool:
    """Return whether a completion is one non-empty closed think block followed by `#### number` and nothing else.

    The opening `<think>` may have been in the prompt. Whitespace and one closing period are free.
    """
    if text.count("</think>") != 1 or text.count("<think>") > 1:
        return False
    think, visible = split_think(text)
    if think is None or visible is None or not think.strip() or "<think>" in think:
        return False
    return MARKED.fullmatch(visible) is not None


def answer_scores(batch: Batch, *, strict: bool = True) -> Scores:
    """Score answers: 1 right, 0 not, `None` where the gold cannot be read (so for the whole prompt group).

    With `strict` the answer must be committed by `####`, a box or an `<answer>` tag.
    """
    return [_paid(verify(text, gold), strict) for text, gold in zip(batch.texts, batch.golds, strict=True)]


def _paid(verdict: Verdict, strict: bool) -> float | None:
    if verdict.status in ("unparseable_gold", "timeout", "error"):
        return None
    return float(verdict.correct and (verdict.committed or not strict))


@register("sparse")
@dataclass(frozen=True)
class Sparse(Reward):
    r"""1[final answer = gold], range {0, 1}: the outcome reward of GRPO (arXiv 2402.03300) and R1 (arXiv 2501.12948).

    `strict` (default) wants the answer committed with `#### 18`, `\boxed{18}` or `<answer>18</answer>`; without it a
    sentence ("the answer is 18") or, failing that, the last number counts too. `None` where the gold is unparseable.
    """

    strict: bool = True

    def score(self, batch: Batch) -> Components:
        """Return the only component, `sparse`."""
        return {self.name: answer_scores(batch, strict=self.strict)}


@register("format")
@dataclass(frozen=True)
class Format(Reward):
    """1[one non-empty think block, then `#### number` alone], range {0, 1}; R1's format reward (arXiv 2501.12948).

    Blind to the gold: on its own it teaches the shape and nothing else.
    """

    def score(self, batch: Batch) -> Components:
        """Return the only component, `format`."""
        return {self.name: [float(has_format(text)) for text in batch.texts]}


@register("format_answer")
@dataclass(frozen=True)
class FormatAnswer(Reward):
    """format * fmt + answer * correct, range [0, format + answer]: R1's accuracy plus format (arXiv 2501.12948).

    fmt is `format`'s 0/1, correct is `sparse`'s 0/1. With `gated` the answer counts only where fmt holds, so a group
    cannot trade one for the other; the logged `answer` component is the gated one. Components: `format`, `answer`.
    Raises `RewardError` for a negative or infinite weight.
    """

    format: float = 0.2
    answer: float = 0.8
    gated: bool = False

    def __post_init__(self) -> None:
        """Refuse weights that would pay for being wrong."""
        if not all(math.isfinite(weight) and weight >= 0 for weight in self.weights.values()):
            raise RewardError(f"format_answer weights must be finite and at least 0: {self.weights}")

    @property
    def weights(self) -> dict[str, float]:
        """Weights of the two components, as given."""
        return {"format": self.format, "answer": self.answer}

    def score(self, batch: Batch) -> Components:
        """Return components `format` and `answer`."""
        formats: Scores = [float(has_format(text)) for text in batch.texts]
        answers = answer_scores(batch)
        if self.gated:
            answers = [answer and answer * (fmt or 0.0) for fmt, answer in zip(formats, answers, strict=True)]
        return {"format": formats, "answer": answers}
