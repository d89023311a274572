"""The attacks, by what they exploit; gold-blind ones first."""

from __future__ import annotations

from rewards.audit.attacks import guess, length, semantic, shape, steps
from rewards.audit.attacks.attack import Attack, Build
from rewards.audit.attacks.compose import compose

__all__ = ["ATTACKS", "Attack", "Build", "compose"]

ATTACKS: tuple[Attack, ...] = (
    *guess.ATTACKS,
    *shape.ATTACKS,
    *steps.ATTACKS,
    *length.ATTACKS,
    *semantic.ATTACKS,
)
"""All attacks on a single completion; `compose` joins the best of them."""
