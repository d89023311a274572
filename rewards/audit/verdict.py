"""Verdicts on attacks.

An attack *beats honest* on an item where it earns at least what the best honest right completion earns (and, where it
only ties, more than the wrong or the empty one: a reward that pays everything alike is caught by the laws, and an
honest answer that a reward fails to read makes no exploit of silence). It *pays* where it earns more than every honest
wrong completion, so a policy that cannot solve the item drifts to it. It is *free money* where it earns more than the
empty completion. The worst of the three that holds on two items with different golds is its verdict.

A gold-blind policy is right now and then: a constant answers 2.7 % of GSM8K, the last number of the question 2.3 %.
That is a floor and no exploit, so an item where the attack's own answer (known by construction, not read by any
verifier) is the gold counts for no verdict; the share of such items is shown as `lucky`. What is left on `beats` is
what the reward pays for an answer that is not right.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rewards.audit.attacks import Attack
from rewards.audit.bench import Score
from rewards.audit.completions import Attempt
from rewards.audit.items import Item

__all__ = ["EARNING", "EPSILON", "VERDICTS", "Finding", "Try", "distinct", "judge", "mean", "severity"]

EPSILON = 1e-9

VERDICTS = ("beats honest", "broken law", "pays", "free money", "harmless")
"""From worst to best; a law is broken, the others are for attacks."""

EARNING = ("beats honest", "pays", "free money")

# One item may be an accident of its numbers; a second one with another gold makes it a rule.
FEWEST_GOLDS = 2


@dataclass(frozen=True)
class Try:
    """One attack on one item: its score, and in the same group the best right, the best wrong and the empty one."""

    item: Item
    attempt: Attempt
    score: Score
    right: float
    wrong: float
    empty: float
    blind: bool = True

    @property
    def lucky(self) -> bool:
        """Whether a gold-blind attack's answer is the gold; a probe that knows the gold is wrong by construction."""
        return self.blind and self.attempt.guess == self.item.gold

    def earns(self, verdict: str) -> bool:
        """Return whether `verdict` holds here."""
        if self.score is None or self.lucky:
            return False
        if verdict == "beats honest":
            tied = self.score >= self.right - EPSILON and self.score > min(self.wrong, self.empty) + EPSILON
            return tied or self.score > self.right + EPSILON
        return self.score > (self.wrong if verdict == "pays" else self.empty) + EPSILON


@dataclass(frozen=True)
class Finding:
    """What was found about one attack or law. Shares are of all items; `expected` is a mean score, `None` unscored.

    `rule` is the rule of credit that was attacked; of those `rewards.audit.credit` says what the fields mean.
    """

    attack: str
    family: str
    blind: bool
    verdict: str
    share: float
    example: str
    beats: float = 0.0
    pays: float = 0.0
    free: float = 0.0
    lucky: float = 0.0
    unscored: float = 0.0
    expected: float | None = None
    honest: float | None = None
    score: float | None = None
    detail: str = ""
    rule: str = ""
    accepted: bool = False

    @property
    def fails(self) -> bool:
        """Whether this alone fails the audit."""
        return not self.accepted and (self.verdict == "broken law" or (self.blind and self.verdict == "beats honest"))


def judge(attack: Attack, tries: Sequence[Try]) -> Finding:
    """Return the finding of one attack from its tries, one per item it applies to; at least one."""
    hits = {verdict: [one for one in tries if one.earns(verdict)] for verdict in EARNING}
    verdict = next((v for v, found in hits.items() if distinct(one.item for one in found)), "harmless")
    worst = max(hits.get(verdict) or tries, key=_gain)
    shares = {v: len(found) / len(tries) for v, found in hits.items()}
    return Finding(
        attack=attack.name,
        family=attack.family,
        blind=attack.blind,
        verdict=verdict,
        share=shares.get(verdict, 0.0),
        example=worst.attempt.text,
        beats=shares["beats honest"],
        pays=shares["pays"],
        free=shares["free money"],
        lucky=sum(one.lucky for one in tries) / len(tries),
        unscored=sum(one.score is None for one in tries) / len(tries),
        expected=mean(one.score for one in tries),
        honest=mean(one.right for one in tries),
        score=worst.score,
    )


def distinct(items: Iterable[Item]) -> bool:
    """Return whether the items are enough for a finding: two with different golds."""
    return len({item.gold for item in items}) >= FEWEST_GOLDS


def severity(finding: Finding) -> tuple[object, ...]:
    """Return the key that sorts findings: worst first."""
    gain = -(finding.expected or 0.0)
    return not finding.fails, VERDICTS.index(finding.verdict), not finding.blind, -finding.share, gain, finding.attack


def mean(scores: Iterable[Score]) -> float | None:
    """Return the mean of the scores that are there; `None` without any."""
    known = [score for score in scores if score is not None]
    return math.fsum(known) / len(known) if known else None


def _gain(one: Try) -> float:
    return -math.inf if one.score is None else one.score - one.right
