"""What an attack is: a way to write a completion that earns without being right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rewards.audit.completions import Attempt, Scene

__all__ = ["Attack", "Build"]

Build = Callable[[Scene], Attempt | None]
"""Writes the attack for one item; `None` where it does not apply."""


@dataclass(frozen=True)
class Attack:
    """A named attack. `blind`: a policy can carry it out without knowing the answer."""

    name: str
    family: str
    build: Build
    blind: bool = True
