"""Call the reward under audit as a trainer calls it, and keep what goes wrong as a fact instead of a crash."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from rewards.audit.completions import Tokenize, pieces
from rewards.audit.items import Item
from rewards.errors import RewardError

__all__ = ["Bench", "Group", "Score"]

Score = float | None

Group = tuple[Item, Sequence[str]]
"""One prompt and the completions sampled for it."""


@dataclass
class Bench:
    """The reward and a tokenizer; `raised` collects what it raised on: item, text, error."""

    reward: Callable[..., Sequence[Any]]
    tokenize: Tokenize = pieces
    raised: list[tuple[Item, str, str]] = field(default_factory=list)

    def score(self, groups: Sequence[Group]) -> list[list[Score]]:
        """Return the scores of all groups, from one call; a completion that the reward raises on scores `None`."""
        try:
            return self.call(groups)
        # Foreign code may raise anything, and that it does so is what the audit reports.
        except Exception as error:
            if len(groups) == 1 and len(groups[0][1]) == 1:
                self.raised.append((groups[0][0], groups[0][1][0], f"{type(error).__name__}: {error}"))
                return [[None]]
        if len(groups) > 1:
            return [self.score([group])[0] for group in groups]
        item, texts = groups[0]
        return [[self.score([(item, [text])])[0][0] for text in texts]]

    def call(self, groups: Sequence[Group]) -> list[list[Score]]:
        """Return the scores of all groups; whatever the reward raises passes through."""
        rows = [(item, text) for item, texts in groups for text in texts]
        scores = self.reward(
            prompts=[item.question for item, _ in rows],
            completions=[text for _, text in rows],
            completion_ids=[self.tokenize(text) for _, text in rows],
            answer=[item.answer for item, _ in rows],
            question=[item.question for item, _ in rows],
        )
        if len(scores) != len(rows):
            raise RewardError(f"the reward returned {len(scores)} scores for {len(rows)} completions")
        values = iter([None if score is None else float(score) for score in scores])
        return [[next(values) for _ in texts] for _, texts in groups]
