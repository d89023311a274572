"""A learned process reward model (PRM) as a reward: every step judged by a model, aggregated to one number.

Nothing here imports torch before the first completion is scored.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rewards.aggregate import aggregate, checked
from rewards.batch import Batch
from rewards.registry import register
from rewards.reward import Components, Reward, Scores
from rewards.spans import Span, StepScorer

if TYPE_CHECKING:
    from rewards.learned.families import Family

__all__ = ["Prm"]

SURROGATE = re.compile("[\ud800-\udfff]")


@register("prm")
@dataclass(frozen=True)
class Prm(Reward, StepScorer):
    """aggregate over the steps k of P(step k is good), range [0, 1], P from the process reward model in `model`.

    The steps are `rewards.segments`; `aggregate` is min, product, last, mean or prefix (`rewards.aggregate`). `family`
    says how a model is asked (`rewards.learned.families`); needed only where neither the folder's `prm.json` nor its
    architecture tells. min is Math-Shepherd's (arXiv 2312.08935). The model sees the question (column `question`, else
    the prompt) and the completion, never the gold. Component: `prm`.

    A policy learns what such a model overlooks (arXiv 2504.15275): train on it beside a verifiable reward.
    `None`, for all completions of a prompt, where one has no step or does not fit into the model's context.
    Raises `RewardError` for an unknown rule or family, and at the first batch for a folder that holds no such model.
    """

    kind = "process"
    bounds = (0.0, 1.0)
    model: str
    aggregate: str = "min"
    family: str = ""

    def __post_init__(self) -> None:
        """Refuse an unknown aggregation before a model is loaded."""
        checked(self.aggregate)

    def score(self, batch: Batch) -> Components:
        """Return the only component, `prm`."""
        scores: Scores = [aggregate([span.score for span in spans], self.aggregate) for spans in self.spans(batch)]
        for group in batch.groups:
            # The mean of a group may not be taken over some of its members.
            if any(scores[index] is None for index in group):
                for index in group:
                    scores[index] = None
        return {self.name: scores}

    def spans(self, batch: Batch) -> list[list[Span]]:
        """Return the steps of every completion with 2P - 1; `None` for a step that the model cannot be shown."""
        from rewards.learned.families import Solution

        ids = batch.ids if batch.completion_ids is not None else [None] * len(batch.texts)
        questions, texts = map(_readable, batch.questions), map(_readable, batch.texts)
        solutions = [Solution(*parts) for parts in zip(questions, texts, ids, strict=True)]
        return self.loaded().spans(solutions)

    def loaded(self) -> Family:
        """Return the model, loaded once per process. Raises `RewardError` where the folder holds no such model."""
        from rewards.learned.loading import load

        return load(self.model, self.family)


def _readable(text: str) -> str:
    """The text with a replacement character for every lone surrogate, which no tokenizer reads; places stay."""
    return SURROGATE.sub("\ufffd", text)
