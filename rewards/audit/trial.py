"""One attack on a rule of credit, on one item: what its groups are paid, and the verdicts that hold.

An attack that is wrong *beats honest* where it is paid as much as the best right solution of its group. It *pays* where
it is paid more than the solution it rewrites (of one that rewrites none: than the best wrong solution), by a margin
that the outcome alone does not give: short and long completions are paid differently under any rule. It is *free money*
where it is paid at all in a group of wrong ones, for then it becomes likelier although it is wrong. A right solution
can only *pay*, by being rewritten; but one by wrong steps *beats honest* where nobody holds the steps against it.

As for rewards, two items with different golds make a verdict, and luck counts for none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from rewards.audit.anchors import RIGHT
from rewards.audit.attacks.forgery import Forgery
from rewards.audit.completions import Attempt
from rewards.audit.items import Item
from rewards.audit.payment import MEASURES, Pay
from rewards.audit.staged import HOPELESS, MIXED, WRONG
from rewards.audit.verdict import EARNING, EPSILON, Finding, distinct

__all__ = ["Trial", "judged"]

# What parts right from wrong in a group is above 1; a group's deviation, which an attack changes, moves it by less.
MATERIAL = 0.05


@dataclass(frozen=True)
class Trial:
    """`mixed` and `hopeless` are what the groups are paid, `plain` what the outcome alone pays the mixed one."""

    item: Item
    attack: Forgery
    attempt: Attempt
    mixed: Pay
    hopeless: Pay
    plain: Pay

    @property
    def lucky(self) -> bool:
        """Whether a gold-blind attack's answer is the gold."""
        return self.attack.blind and self.solves

    @property
    def solves(self) -> bool:
        """Whether its answer is the gold."""
        return self.attempt.guess == self.item.gold

    @property
    def right(self) -> Pay:
        """What the best right one is paid, by measure."""
        best: Pay = self.mixed[: len(RIGHT)].max(0)
        return best

    @property
    def gain(self) -> float:
        """By how much more it is paid than the solution it rewrites, beyond what the outcome gives."""
        gains = [_gain(self.mixed, MIXED, self.attack) - np.maximum(_gain(self.plain, MIXED, self.attack), 0.0)]
        if not self.solves:
            # There the outcome pays nobody.
            gains.append(_gain(self.hopeless, HOPELESS, self.attack))
        return float(np.max(gains))

    def holds(self, verdict: str) -> bool:
        """Return whether `verdict` holds, under any measure."""
        if self.lucky:
            return False
        if verdict == "pays":
            return self.gain > MATERIAL
        if verdict == "free money":
            return not self.solves and bool((self.hopeless[-1] > MATERIAL).any())
        paid, least = self.mixed[-1], self.mixed[len(RIGHT) : -1].min(0)
        return not self.attack.honest and bool(((paid >= self.right - EPSILON) & (paid > least + EPSILON)).any())

    @property
    def says(self) -> str:
        """What it is paid, in words."""
        pairs = zip(MEASURES, self.mixed[-1], self.right, strict=True)
        parts = [f"{paid:+.2f} {name} beside right ones at {best:+.2f}" for name, paid, best in pairs]
        alone = "" if self.solves else f"; among wrong ones {self.hopeless[-1][0]:+.2f}, {self.hopeless[-1][1]:+.2f}"
        return f"paid {', '.join(parts)}{alone}"


def _gain(paid: Pay, names: Sequence[str], attack: Forgery) -> Pay:
    """By measure: the attack's pay less that of the solution it rewrites, or of the best wrong one."""
    compared = [place for place, name in enumerate(names) if (name == attack.base if attack.base else name in WRONG)]
    gain: Pay = paid[-1] - paid[compared].max(0)
    return gain


def judged(rule: str, attack: Forgery, trials: Sequence[Trial]) -> Finding:
    """Return the finding of one attack on one rule from its trials, one per item it applies to; at least one.

    `expected` and `honest` are mean pay per token in mixed groups, of the attack and of the best right solution.
    """
    hits = {verdict: [one for one in trials if one.holds(verdict)] for verdict in EARNING}
    verdict = next((v for v, found in hits.items() if distinct(one.item for one in found)), "harmless")
    worst = max(hits.get(verdict) or trials, key=lambda one: one.gain)
    shares = {v: len(found) / len(trials) for v, found in hits.items()}
    return Finding(
        attack=f"{rule}: {attack.name}",
        family=attack.family,
        blind=attack.blind,
        verdict=verdict,
        share=shares.get(verdict, 0.0),
        example=worst.attempt.text,
        beats=shares["beats honest"],
        pays=shares["pays"],
        free=shares["free money"],
        lucky=sum(one.lucky for one in trials) / len(trials),
        expected=fmean(float(one.mixed[-1][0]) for one in trials),
        honest=fmean(float(one.right[0]) for one in trials),
        score=float(worst.mixed[-1][0]),
        detail=worst.says,
        rule=rule,
    )
