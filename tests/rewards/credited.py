"""Batches of scored steps, written as numbers, and the credit rules by their names."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rewards.credit import RULES, Settings, Stepwise
from rewards.spans import Span, TokenStep

SETTINGS = Settings(weight=0.5, temperature=1.0, eta=0.25)

Scored = tuple[float | None, int, int]
"""Score, first token, token after the last."""


def stepwise(
    *rows: Sequence[Scored],
    outcome: Sequence[float],
    correct: Sequence[bool | None] | None = None,
    mask: Sequence[Sequence[int]] | None = None,
    group: Sequence[int] | None = None,
    tokens: Sequence[Sequence[float]] | None = None,
    unscorable: Sequence[int] = (),
    width: int = 4,
) -> Stepwise:
    count = len(rows)
    written = np.ones((count, width), dtype=int) if mask is None else np.array(mask)
    rewards = np.array([np.nan if row in unscorable else value for row, value in enumerate(outcome)])
    return Stepwise(
        outcome=np.array(outcome, dtype=np.float64)[:, None] * written,
        rewards=rewards,
        correct=[value > 0 for value in outcome] if correct is None else correct,
        group=np.zeros(count, dtype=np.int64) if group is None else np.array(group),
        mask=written,
        steps=[[TokenStep(Span(first, last, score), first, last) for score, first, last in row] for row in rows],
        tokens=None if tokens is None else np.array(tokens, dtype=np.float64),
    )


def rule(name: str, batch: Stepwise, settings: Settings = SETTINGS) -> np.ndarray:
    return RULES[name](batch, settings)
