"""False negatives: right answers in other words. A reward that misses them punishes the policy for being right."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rewards.audit.anchors import anchors
from rewards.audit.bench import Bench
from rewards.audit.completions import Attempt, Scene
from rewards.audit.items import written
from rewards.audit.verdict import EPSILON

__all__ = ["RENDERINGS", "Recall", "recall"]

Rendering = Callable[[Scene, str], str | None]
"""Writes the visible text for a gold as written; `None` where the gold cannot be written so."""


def _grouped(scene: Scene, gold: str) -> str | None:
    value = scene.item.gold
    return scene.commit(f"{int(value):,}") if value.denominator == 1 and abs(value) >= 1000 else None


def _zeros(zeros: str) -> Rendering:
    return lambda scene, gold: scene.commit(gold + ("" if "." in gold else ".") + zeros)


FULLWIDTH = str.maketrans("0123456789", "\uff10\uff11\uff12\uff13\uff14\uff15\uff16\uff17\uff18\uff19")

RENDERINGS: dict[str, Rendering] = {
    "18": lambda scene, gold: scene.commit(gold),
    "18.0": _zeros("0"),
    "18.00": _zeros("00"),
    "$18": lambda scene, gold: scene.commit(f"${gold}"),
    "18 dollars": lambda scene, gold: scene.commit(f"{gold} dollars"),
    "1,018": _grouped,
    "18.": lambda scene, gold: scene.commit(f"{gold}."),
    "bold": lambda scene, gold: scene.commit(f"**{gold}**"),
    "fullwidth digits": lambda scene, gold: scene.commit(gold.translate(FULLWIDTH)),
    "#### 18": lambda scene, gold: f"#### {gold}",
    "boxed": lambda scene, gold: f"The answer is $\\boxed{{{gold}}}$.",
    "answer tag": lambda scene, gold: f"<answer>{gold}</answer>",
    "sentence": lambda scene, gold: f"The answer is {gold}.",
    "said, then committed": lambda scene, gold: f"So the result is {gold}.\n{scene.commit(gold)}",
    "polite ending": lambda scene, gold: f"{scene.commit(gold)}\nLet me know if anything is unclear!",
}


@dataclass(frozen=True)
class Recall:
    """How one rendering of the right answer is paid.

    `paid`: share of items nearer to right than to wrong; `full`: share that earns as much as right.
    """

    rendering: str
    items: int
    paid: float
    full: float
    example: str


def recall(bench: Bench, scenes: Sequence[Scene]) -> list[Recall]:
    """Return the recall by rendering, as shares of the items on which right earns more than wrong."""
    return [found for name, rendering in RENDERINGS.items() if (found := _one(bench, scenes, name, rendering))]


def _one(bench: Bench, scenes: Sequence[Scene], name: str, rendering: Rendering) -> Recall | None:
    groups = []
    for scene in scenes:
        honest = anchors(scene)
        visible = rendering(scene, written(scene.item.gold))
        if visible is not None:
            text = Attempt(honest["right"].think, visible).text
            groups.append((scene.item, [honest["right"].text, honest["wrong"].text, text]))
    ratios, example = [], ""
    for (_, texts), (right, wrong, score) in zip(groups, bench.score(groups), strict=True):
        if right is None or wrong is None or not right > wrong + EPSILON:
            continue
        ratios.append(0.0 if score is None else (score - wrong) / (right - wrong))
        example = texts[2] if ratios[-1] < 0.5 or not example else example
    if not ratios:
        return None
    paid = sum(ratio >= 0.5 for ratio in ratios) / len(ratios)
    full = sum(ratio >= 1 - EPSILON for ratio in ratios) / len(ratios)
    return Recall(name, len(ratios), paid, full, example)
