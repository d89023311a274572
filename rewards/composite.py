"""A weighted sum of rewards that keeps every component under its own, unique name."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

from rewards.batch import Batch
from rewards.errors import RewardError
from rewards.reward import Components, Reward

__all__ = ["Composite", "Term"]


@dataclass(frozen=True)
class Term:
    """One summand: `weight * reward`. Weight 0 makes the reward a metric: logged, never paid."""

    weight: float
    reward: Reward


@dataclass(frozen=True)
class Composite(Reward):
    """Sum of weighted rewards, e.g. `parse("format_answer+0.1*length_linear(max_tokens=512)")`.

    Components are those of the terms (`format`, `answer`, ...), weighted by term weight * own weight. A component name
    that two terms share is written `term.component` in both, and a term that comes twice is numbered: `sparse#2`.
    Raises `RewardError` without terms, with a weight that is not finite, or with a composite inside.
    """

    kind = "sum"
    terms: tuple[Term, ...]

    def __post_init__(self) -> None:
        """Refuse sums that cannot be written as a spec."""
        if not self.terms:
            raise RewardError("a composite needs at least one term")
        if not all(math.isfinite(term.weight) for term in self.terms):
            raise RewardError(f"reward weights must be finite: {[term.weight for term in self.terms]}")
        if any(isinstance(term.reward, Composite) for term in self.terms):
            raise RewardError("a composite cannot contain another: join their terms")

    @property
    def weights(self) -> dict[str, float]:
        """Weight of every component of every term."""
        own = [(term.weight, weight) for term in self.terms for weight in term.reward.weights.values()]
        return {name: outer * inner for name, (outer, inner) in zip(self._labels(), own, strict=True)}

    @property
    def bounds(self) -> tuple[float, float]:
        """The weighted sum of the terms' bounds; terms of weight 0 are not paid."""
        scaled = [sorted(t.weight * bound for bound in t.reward.bounds) for t in self.terms if t.weight != 0]
        return sum(low for low, _ in scaled), sum(high for _, high in scaled)

    def score(self, batch: Batch) -> Components:
        """Return the components of all terms, in order."""
        scored = [
            values for term in self.terms for values in map(term.reward.score(batch).__getitem__, term.reward.weights)
        ]
        return dict(zip(self._labels(), scored, strict=True))

    @property
    def spec(self) -> str:
        """The sum as text, e.g. `format_answer+0.1*length_linear(max_tokens=512)`."""
        text = "".join(f"{'-' if term.weight < 0 else '+'}{_term(term)}" for term in self.terms)
        return text.removeprefix("+")

    @property
    def __name__(self) -> str:
        return self.spec

    def _labels(self) -> list[str]:
        heads = _numbered([term.reward.name for term in self.terms])
        pairs = [(head, name) for head, term in zip(heads, self.terms, strict=True) for name in term.reward.weights]
        shared = Counter(name for _, name in pairs)
        return [name if shared[name] == 1 else _qualified(head, name) for head, name in pairs]


def _qualified(head: str, name: str) -> str:
    # A plain reward's only component bears the reward's own name: `sparse#2`, not `sparse#2.sparse`.
    return head if head.partition("#")[0] == name else f"{head}.{name}"


def _numbered(names: list[str]) -> list[str]:
    seen: Counter[str] = Counter()
    labels = []
    for name in names:
        seen[name] += 1
        labels.append(name if seen[name] == 1 else f"{name}#{seen[name]}")
    return labels


def _term(term: Term) -> str:
    weight = abs(term.weight)
    return term.reward.spec if weight == 1 else f"{repr(weight).removesuffix('.0')}*{term.reward.spec}"
