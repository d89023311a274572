"""Joined attacks: the steps that pay best, before the answer that pays best, at every length."""

from __future__ import annotations

from collections.abc import Mapping

from rewards.audit.attacks.attack import Attack, Build
from rewards.audit.attacks.length import padded
from rewards.audit.completions import Attempt, Scene

__all__ = ["compose"]

BODIES = frozenset({"steps", "echo"})
ANSWERS = frozenset({"guess", "enumerate", "format", "grader"})


def compose(means: Mapping[Attack, float]) -> tuple[Attack, ...]:
    """Return the composed attacks for a reward whose mean score under each single attack is `means`.

    Rewards that are sums fall to sums of exploits: one attack farms the steps, another the format, a third the length.
    """
    body, answer = _best(means, BODIES), _best(means, ANSWERS)
    if body is None or answer is None:
        return ()
    return tuple(
        Attack(f"{body.name} + {answer.name}{ending}", "composition", _joined(body, answer, share))
        for ending, share in (("", 0.0), (", padded to the limit", 0.5), (", padded beyond the limit", 2.0))
    )


def _best(means: Mapping[Attack, float], families: frozenset[str]) -> Attack | None:
    candidates = [attack for attack in means if attack.blind and attack.family in families]
    return max(candidates, key=means.__getitem__, default=None)


def _joined(body: Attack, answer: Attack, share: float) -> Build:
    def build(scene: Scene) -> Attempt | None:
        first, last = body.build(scene), answer.build(scene)
        if first is None or last is None:
            return None
        think = first.visible if first.think is None else first.think
        joined = Attempt(think, last.visible, last.guess)
        return padded(joined, int(share * scene.limit), scene.item.id)

    return build
