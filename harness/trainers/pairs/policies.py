"""Pair policies: from one question's rollouts to candidate pairs, the wanted ones first.

A chosen completion is always right and never cut off. Where several candidates are equally good, their order is that of
the rollouts, which the caller has shuffled.
"""

from collections.abc import Callable, Sequence
from itertools import product
from statistics import fmean, pstdev

from harness.trainers.pairs.rollouts import Rollout
from rewards.process import steps

Candidates = list[tuple[Rollout, Rollout]]
"""(chosen, rejected)."""


class NoCandidates(Exception):
    """A question gives no pair; the message is the reason, as it is counted."""


def random(right: Sequence[Rollout], members: Sequence[Rollout]) -> Candidates:
    """Any right one against any wrong one (arXiv 2404.19733, section 2)."""
    return list(product(right, _wrong(members)))


def best_worst(right: Sequence[Rollout], members: Sequence[Rollout]) -> Candidates:
    """The highest reward among the right ones against the lowest of all."""
    best, below = _best(right, members)
    lowest = min(one.reward for one in below)
    return list(product(best, [one for one in below if one.reward == lowest]))


def best_mu2sigma(right: Sequence[Rollout], members: Sequence[Rollout]) -> Candidates:
    """The highest reward among the right ones against the one nearest to mean - 2 standard deviations of all.

    arXiv 2502.16825, section 4: as samples grow in number, their worst stops being informative.
    """
    best, below = _best(right, members)
    scores = [one.reward for one in members]
    target = fmean(scores) - 2 * pstdev(scores)
    nearest = min(abs(one.reward - target) for one in below)
    return list(product(best, [one for one in below if abs(one.reward - target) == nearest]))


def hard(right: Sequence[Rollout], members: Sequence[Rollout]) -> Candidates:
    """Any right one against the wrong ones that are nearly right, the nearest first.

    Nearest is the highest log-probability where every wrong row has one, else the longest valid prefix of equations
    (`prefix`); without a valid step a wrong one is not hard.
    """
    wrong = _wrong(members)
    if all(one.logprob is not None for one in wrong):
        nearness = {one.completion: one.logprob or 0.0 for one in wrong}
    else:
        shares = {one.completion: prefix(one.completion, one.question) for one in wrong}
        nearness = {text: share for text, share in shares.items() if share > 0}
    ordered = sorted((one for one in wrong if one.completion in nearness), key=lambda one: -nearness[one.completion])
    if not ordered:
        raise NoCandidates("no wrong answer with a valid step")
    # Turned for every rejected one, so that the pairs of a question do not all share a chosen one.
    return [
        (right[(place + turn) % len(right)], rejected)
        for place, rejected in enumerate(ordered)
        for turn in range(len(right))
    ]


def prefix(text: str, question: str) -> float:
    """The share of a solution's equations that are true, grounded and new, up to the first false one.

    That is the reward `process` (`rewards.process.steps`), but for one thing: a step that nothing right needs counts
    too, because the steps before an error are needed by the error.
    """
    counted = [step.status for step in steps(text, question) if step.status != "trivial"]
    right = sum(status in ("valid", "unused") for status in counted)
    return right / len(counted) if counted else 0.0


POLICIES: dict[str, Callable[[Sequence[Rollout], Sequence[Rollout]], Candidates]] = {
    "random": random,
    "best_worst": best_worst,
    "best_mu2sigma": best_mu2sigma,
    "hard": hard,
}


def candidates(policy: str, members: Sequence[Rollout]) -> Candidates:
    """The candidate pairs of one question's rollouts. Raises `NoCandidates`."""
    right = [one for one in members if one.correct and not one.truncated]
    if not right:
        cut_off = any(one.correct for one in members)
        raise NoCandidates("right answers all cut off" if cut_off else "no right answer")
    return POLICIES[policy](right, members)


def _wrong(members: Sequence[Rollout]) -> list[Rollout]:
    wrong = [one for one in members if not one.correct]
    if not wrong:
        raise NoCandidates("no wrong answer")
    return wrong


def _best(right: Sequence[Rollout], members: Sequence[Rollout]) -> tuple[list[Rollout], list[Rollout]]:
    """The right ones of highest reward, and all that have less."""
    highest = max(one.reward for one in right)
    below = [one for one in members if one.reward < highest]
    if not below:
        raise NoCandidates("no lower reward")
    return [one for one in right if one.reward == highest], below
