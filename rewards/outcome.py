"""Rewards for the outcome: the final answer is right, and it is written where it was asked for.

There is none for being near the gold: paying 1 - distance / gold, the constant 21 would earn 0.27 on GSM8K's test set
without a look at the question.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from rewards.batch import Batch
from rewards.completion import split_think
from rewards.errors import RewardError
from rewards.registry import register
from rewards.reward import Components, Reward, Scores
from rewards.verify import Verdict, verify_batch

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
    """Score answers: 1 right, 0 not, `None` for a whole prompt group where one of it cannot be judged.

    That is where the gold cannot be read, or where judging one completion timed out or failed: a trainer takes a lone
    `None` in a group for 0. With `strict` the answer must be committed by `####`, a box or an `<answer>` tag.
    """
    scores = [_paid(verdict, strict) for verdict in _verdicts(batch)]
    for group in batch.groups:
        if any(scores[index] is None for index in group):
            for index in group:
                scores[index] = None
    return scores


def _verdicts(batch: Batch) -> list[Verdict]:
    judged: dict[int, Verdict] = {}
    for domain in set(batch.domains):
        rows = [index for index, own in enumerate(batch.domains) if own == domain]
        texts, golds = [batch.texts[index] for index in rows], [batch.golds[index] for index in rows]
        judged |= zip(rows, verify_batch(texts, golds, domain), strict=True)
    return [judged[index] for index in range(len(batch.texts))]


def _paid(verdict: Verdict, strict: bool) -> float | None:
    if not verdict.scorable:
        return None
    return float(verdict.correct and (verdict.committed or not strict))


@register("sparse")
@dataclass(frozen=True)
class Sparse(Reward):
    r"""1[final answer = gold], range {0, 1}: the outcome reward of GRPO (arXiv 2402.03300, section 4).

    `strict` (default) wants the answer committed with `#### 18`, `\boxed{18}` or `<answer>18</answer>`; without it a
    sentence ("the answer is 18") or, failing that, the last number counts too. `None` where the gold is unparseable.
    Component: `sparse`.
    """

    kind = "outcome"
    bounds = (0.0, 1.0)
    strict: bool = True

    def score(self, batch: Batch) -> Components:
        """Return the only component, `sparse`."""
        return {self.name: answer_scores(batch, strict=self.strict)}


@register("format")
@dataclass(frozen=True)
class Format(Reward):
    """1[one non-empty think block, then `#### number` alone], range {0, 1}; R1's format reward (arXiv 2501.12948).

    A shaping term, blind to the gold: on its own it teaches the shape and nothing else, so train with
    `format_answer`, which adds it to the answer. Component: `format`.
    """

    kind = "format"
    bounds = (0.0, 1.0)
    recommended = "format_answer"

    def score(self, batch: Batch) -> Components:
        """Return the only component, `format`."""
        return {self.name: [float(has_format(text)) for text in batch.texts]}


@register("format_answer")
@dataclass(frozen=True)
class FormatAnswer(Reward):
    """format * fmt + answer * correct, range [0, format + answer]: R1's accuracy plus format (arXiv 2501.12948).

    fmt is `format`'s 0/1, correct is `sparse`'s 0/1; defaults 0.2 and 0.8. `format_answer(answer=1.0)` pays 0.2 on top
    of the whole answer. With `gated=true` the answer counts only where fmt holds, so a group cannot trade one for the
    other; the logged `answer` component is the gated one. Components: `format`, `answer`. `None` where the gold is
    unparseable. Raises `RewardError` for a negative or infinite weight.
    """

    kind = "outcome"
    format: float = 0.2
    answer: float = 0.8
    gated: bool = False

    def __post_init__(self) -> None:
        """Refuse weights that would pay for being wrong."""
        if not all(math.isfinite(weight) and weight >= 0 for weight in self.weights.values()):
            raise RewardError(f"format_answer weights must be finite and at least 0: {self.weights}")

    @property
    def bounds(self) -> tuple[float, float]:
        """0 and the sum of the weights."""
        return 0.0, self.format + self.answer

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
