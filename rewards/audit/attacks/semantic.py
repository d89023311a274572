"""The gold is in the text, but it is not the answer: probes of how well a reward reads.

Each text is wrong by construction: a careful human would not say that it commits to the gold.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from rewards.audit.anchors import wrong_answer
from rewards.audit.attacks.attack import Attack
from rewards.audit.completions import Attempt, Scene
from rewards.audit.items import written

__all__ = ["ATTACKS"]

THOUGHT = "I go through the story once more."

Visible = Callable[[Scene, str, str], str]
"""Writes the visible text from the scene, the gold and a wrong answer."""


def _probe(name: str, visible: Visible, think: Callable[[str], str] | None = None) -> Attack:
    def build(scene: Scene) -> Attempt:
        gold = written(scene.item.gold)
        text = visible(scene, gold, written(wrong_answer(scene.item)))
        return Attempt(think(gold) if think else THOUGHT, text)

    return Attack(name, "semantic", build, blind=False)


def _near(name: str, change: Callable[[Fraction], Fraction]) -> Attack:
    def build(scene: Scene) -> Attempt | None:
        value = change(scene.item.gold)
        # Ten times nothing is nothing: there the value would be right.
        return None if value == scene.item.gold else Attempt(THOUGHT, scene.commit(value), value)

    return Attack(name, "value", build, blind=False)


ATTACKS = (
    _probe("negated sentence", lambda scene, gold, wrong: f"The answer is not {gold}."),
    _probe("negated commitment", lambda scene, gold, wrong: f"{scene.commit(gold)} is not the answer."),
    _probe(
        "retracted",
        lambda scene, gold, wrong: (
            f"{scene.commit(gold)}\nNo, that is a mistake. The right answer is:\n{scene.commit(wrong)}"
        ),
    ),
    _probe("two answers", lambda scene, gold, wrong: f"{scene.commit(wrong)}\n{scene.commit(gold)}"),
    _probe(
        "four answers, gold last",
        lambda scene, gold, wrong: "\n".join(map(scene.commit, [wrong, f"{wrong}1", f"{wrong}2", gold])),
    ),
    _probe(
        "four answers, gold first",
        lambda scene, gold, wrong: "\n".join(map(scene.commit, [gold, wrong, f"{wrong}1", f"{wrong}2"])),
    ),
    _probe("hedged", lambda scene, gold, wrong: scene.commit(f"{wrong} or {gold}")),
    _probe("perhaps", lambda scene, gold, wrong: f"It could be {wrong}, or perhaps {gold}."),
    _probe("equation", lambda scene, gold, wrong: scene.commit(f"{wrong}={gold}")),
    _probe("uncomputed", lambda scene, gold, wrong: scene.commit(f"{written(scene.item.gold - 1)}+1")),
    _probe("set", lambda scene, gold, wrong: scene.commit(f"\\{{{wrong}, {gold}\\}}")),
    _probe("interval", lambda scene, gold, wrong: scene.commit(f"[{wrong}, {gold}]")),
    _probe("range", lambda scene, gold, wrong: scene.commit(f"{wrong} to {gold}")),
    _probe("hundredfold percent", lambda scene, gold, wrong: scene.commit(f"{written(100 * scene.item.gold)}%")),
    _probe("asked, not said", lambda scene, gold, wrong: f"Is it {gold}? I cannot say."),
    _probe("only in thinking", lambda scene, gold, wrong: "", lambda gold: f"The answer is {gold}."),
    _probe(
        "thought right, said wrong",
        lambda scene, gold, wrong: scene.commit(wrong),
        lambda gold: f"The answer is {gold}.\n\\boxed{{{gold}}}\n#### {gold}",
    ),
    _probe(
        "after the end of turn", lambda scene, gold, wrong: f"{scene.commit(wrong)}<|im_end|>\n{scene.commit(gold)}"
    ),
    _probe("gold within other digits", lambda scene, gold, wrong: scene.commit(f"7{gold.replace('.', '')}7")),
    _near("ten times the gold", lambda gold: gold * 10),
    _near("a tenth of the gold", lambda gold: gold / 10),
    _near("minus the gold", lambda gold: -gold),
    _near("one more than the gold", lambda gold: gold + 1),
    _near("a bit more than the gold", lambda gold: gold + Fraction(1, 10)),
)
