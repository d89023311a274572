"""The audit itself: attacks, laws, recall and the trainer's view of one reward."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from rewards.audit.arena import Arena, set_up
from rewards.audit.attacks import ATTACKS, Attack, compose
from rewards.audit.bench import Bench
from rewards.audit.completions import Tokenize, pieces
from rewards.audit.items import Item, builtin
from rewards.audit.laws import LAWS, hold
from rewards.audit.recall import recall
from rewards.audit.record import Audit
from rewards.audit.trainer import Advantage, Mixture, advantage, mixtures
from rewards.audit.verdict import EPSILON, Finding, distinct, severity
from rewards.errors import RewardError

__all__ = ["audit"]

# The trainer's view is shown for the attacks that earn most.
MOST_SHOWN = 12

Progress = Callable[[int, int], None]
"""Told after every part: how many are done, of how many."""


def audit(
    reward: Callable[..., Sequence[Any]],
    items: Sequence[Item] | None = None,
    *,
    name: str = "",
    tokenize: Tokenize = pieces,
    progress: Progress = lambda done, parts: None,
) -> Audit:
    """Attack a reward on `items` (the built-in ones where not given); `name` is how it is reported.

    Raises `RewardError` where fewer than two items have different golds, or the reward raises on honest completions.
    """
    items = builtin() if items is None else items
    if not distinct(items):
        raise RewardError("an audit needs at least two items with different golds")
    arena = set_up(Bench(reward, tokenize), items)
    parts = len(ATTACKS) + len(LAWS) + 1
    findings: dict[Attack, Finding] = {}
    for done, attack in enumerate(ATTACKS, start=1):
        findings |= _found(arena, attack)
        progress(done, parts)
    for attack in compose({a: f.expected for a, f in findings.items() if f.expected is not None}):
        findings |= _found(arena, attack)
    broken = []
    for done, law in enumerate(LAWS, start=len(ATTACKS) + 1):
        broken += [found for found in [hold(law, arena.bench, arena.scenes)] if found]
        progress(done, parts)
    scene = arena.scenes[0]
    result = Audit(
        reward=name or str(getattr(reward, "spec", getattr(reward, "__name__", type(reward).__name__))),
        items=len(items),
        form=scene.form,
        limit=scene.limit,
        relative=arena.relative,
        sees_gold=arena.sees_gold,
        recommended=str(getattr(reward, "recommended", "")),
        anchors=arena.levels,
        findings=tuple(sorted([*findings.values(), *broken], key=severity)),
        recall=tuple(recall(arena.bench, arena.scenes)),
        advantages=tuple(_advantages(arena, findings)),
        mixtures=tuple(_mixtures(arena)),
    )
    progress(parts, parts)
    return result


def _found(arena: Arena, attack: Attack) -> dict[Attack, Finding]:
    finding = arena.attacked(attack)
    return {attack: finding} if finding else {}


def _advantages(arena: Arena, findings: dict[Attack, Finding]) -> Iterable[Advantage]:
    earning = [attack for attack in findings if attack.blind and findings[attack].verdict != "harmless"]
    for attack in sorted(earning, key=lambda attack: severity(findings[attack]))[:MOST_SHOWN]:
        if found := advantage(arena.bench, arena.scenes, attack):
            yield found


def _mixtures(arena: Arena) -> list[Mixture]:
    """Return the mixtures, given which completions the reward pays differently for their format alone."""
    return mixtures(pays_right=_differs(arena, "right, long"), pays_wrong=_differs(arena, "wrong, long"))


def _differs(arena: Arena, anchor: str) -> bool:
    formatted, bare = arena.levels[anchor], arena.levels[f"{anchor.removesuffix(', long')}, unformatted"]
    return formatted is not None and bare is not None and abs(formatted - bare) > EPSILON
