"""Long and short: padding that a length term might pay for, and wrong answers of every length within a mixed group."""

from __future__ import annotations

from rewards.audit.anchors import anchors, wrong_answer
from rewards.audit.attacks.attack import Attack
from rewards.audit.completions import Attempt, Scene, filler

__all__ = ["ATTACKS", "padded"]


def padded(attempt: Attempt, tokens: int, seed: object) -> Attempt:
    """Return the attempt with prose added at the end of its thinking."""
    if tokens <= 0:
        return attempt
    return Attempt(f"{attempt.think or ''}\n{filler(tokens, seed)}".lstrip(), attempt.visible, attempt.claim)


def _constant(scene: Scene) -> Attempt:
    return Attempt("", scene.commit(scene.constant), scene.constant)


def _wrong(scene: Scene) -> Attempt:
    return anchors(scene)["wrong"]


ATTACKS = (
    Attack("shortest answer", "length", lambda scene: Attempt(None, scene.commit(scene.constant), scene.constant)),
    Attack(
        "padded to the limit",
        "length",
        # The tags and the answer take part of the budget.
        lambda scene: padded(_constant(scene), scene.limit - 24, scene.item.id),
    ),
    Attack("padded beyond the limit", "length", lambda scene: padded(_constant(scene), 2 * scene.limit, scene.item.id)),
    Attack("prose without an answer", "length", lambda scene: Attempt(filler(scene.limit // 2, scene.item.id), "")),
    Attack("one word to the limit", "length", lambda scene: Attempt(None, "the " * scene.limit)),
    Attack(
        "wrong answer alone", "length in a group", lambda scene: Attempt(None, scene.commit(wrong_answer(scene.item)))
    ),
    Attack(
        "wrong solution, padded to the limit",
        "length in a group",
        lambda scene: padded(_wrong(scene), scene.limit // 2, scene.item.id),
    ),
    Attack(
        "wrong solution, padded beyond the limit",
        "length in a group",
        lambda scene: padded(_wrong(scene), 2 * scene.limit, scene.item.id),
    ),
)
