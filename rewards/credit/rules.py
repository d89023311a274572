"""The rules. Each returns (B, T) advantages, finite, and 0 where the policy wrote nothing.

v_k is the score of a completion's k-th step. Known steps alone are numbered: one whose score is unknown is skipped, as
if the scorer had not named it, and a completion whose reward is unscorable has none. Where a completion has no known
step, or no other of its group has one to compare with, a rule that compares adds nothing to the outcome.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from rewards.credit.baselines import Array, normalised, others, to_go, whitened
from rewards.credit.stepwise import Settings, Stepwise

__all__ = ["RULES", "Rule"]

Rule = Callable[[Stepwise, Settings], Array]


def sum_to_go(batch: Stepwise, settings: Settings) -> Array:
    """A_t = outcome + weight * sum over steps k that end at or after t of (v_k - mean) / deviation, both of the group.

    Process supervision of DeepSeekMath's GRPO, arXiv 2402.03300, section 4.1.3, added to the outcome where the paper
    has it alone. A control that is known to be bad: each further step above the mean pays, so steps are farmed.
    """
    sizes = [len(one) for one in batch.scores]
    scores = normalised(np.concatenate(batch.scores), np.repeat(batch.group, sizes))
    return batch.plus(to_go(batch.ended(np.split(scores, np.cumsum(sizes)[:-1]))), settings.weight)


def soft_min(batch: Stepwise, settings: Settings) -> Array:
    """A_t = outcome + weight * sum over steps k that end at or after t of (r_k - b * n_k); the rule `min`.

    r_k = softmax(-v / temperature)_k * v_k, whose sum is near the least score; n_k is the number of tokens that the
    policy wrote in step k; b is the others' reward per token, the sum of their r over the sum of their n: a baseline
    per step would favour few, long steps. PURE, arXiv 2504.15275, b as in its code. The code masks the separators where
    here they belong to a step, and adds a verifier's leave-one-out reward where here the objective's outcome stands.
    """
    paid = [_softmax(-one / settings.temperature) * one for one in batch.scores]
    per_token = others(_sums(paid), _sums(batch.sizes), batch.group)
    centred = [r - b * n for r, b, n in zip(paid, per_token, batch.sizes, strict=True)]
    return batch.plus(to_go(batch.ended(_comparable(centred, per_token))), settings.weight)


def delta(batch: Stepwise, settings: Settings) -> Array:
    """A_t = outcome + weight * (v_k - b), k the first step that ends at or after t; the outcome after the last step.

    v_k is the return of the rewards v_k - v_{k+1}, of which the last step keeps its v: no number of steps makes a
    return larger than the largest score. arXiv 2410.15115. b, of `_returns`, stands where the paper has PPO's critic.
    """
    return batch.plus(_returns(batch, [np.diff(-one, append=0.0) for one in batch.scores]), settings.weight)


def clip(batch: Stepwise, settings: Settings) -> Array:
    """A_t = outcome + weight * (sum over steps k that end at or after t of min(v_k - eta, 0) - b); see `delta` for b.

    No step earns, so no number of steps does; a score below eta costs. arXiv 2410.15115.
    """
    return batch.plus(_returns(batch, [np.minimum(one - settings.eta, 0.0) for one in batch.scores]), settings.weight)


def first_error(batch: Stepwise, settings: Settings) -> Array:
    """A wrong completion with a false step, v < 0, has A_t = max(outcome, 0) up to the first such step; else outcome.

    VPPO, arXiv 2601.18984, which also rewards the verified prefix. Here it is only spared: what is paid is paid by the
    token, and a long chain of true steps before a false one would outdo a right answer (`harness audit`).
    """
    outcome = batch.outcome.copy()
    for row, (steps, scores) in enumerate(zip(batch.known, batch.scores, strict=True)):
        false, correct = np.flatnonzero(scores < 0), batch.correct[row]
        if correct is not None and not correct and len(false):
            prefix = outcome[row, : steps[false[0]].first]
            np.maximum(prefix, 0.0, out=prefix)
    return outcome


def among_correct(batch: Stepwise, settings: Settings) -> Array:
    """A_t = outcome + weight * (m - mean) / deviation for correct completions, m the mean of v over its steps.

    Mean and deviation are of m over the group's correct completions that have a known step; one alone gets 0, and a
    wrong one keeps the outcome, so that no steps make up for a wrong answer. PAPO, arXiv 2603.26535, whose process
    score is a rubric's grade of the whole response where here it is m.
    """
    chosen = (batch.stepped > 0) & np.array([bool(correct) for correct in batch.correct], dtype=bool)
    means = np.array([one.mean() for one, take in zip(batch.scores, chosen, strict=True) if take])
    process = np.zeros(len(chosen))
    process[chosen] = normalised(means, batch.group[chosen])
    return batch.plus(process[:, None], settings.weight)


def direct(batch: Stepwise, settings: Settings) -> Array:
    """A_t = v_k, k the known step that t belongs to, 0 where there is none; `settings` do not enter.

    For scorers whose v is an advantage, V(prefix with the step) - V(prefix without), of steps that tile the text: they
    sum to the outcome less V(question). VinePPO, arXiv 2410.01679. It stands in place of the outcome, which stays only
    where a completion has no known step.
    """
    unscored = batch.stepped[:, None] == 0
    return np.where(batch.written, np.where(unscored, batch.outcome, batch.spread(batch.scores)), 0.0)


def prime(batch: Stepwise, settings: Settings) -> Array:
    """outcome_t + weight * sum over s >= t of (r_s - b), whitened over all tokens of the batch; r are `tokens`.

    b is the mean over the group's others of their mean token score. PRIME, arXiv 2502.01456, section 3, and its code.
    Where this leaves them: (1) the outcome is the objective's advantage, the paper's own under `rloo`; (2) the code
    also scales r by n / (n - 1), n the group's size; (3) the code weighs both terms 5, of which whitening leaves the
    ratio, here `weight`; (4) unscorable completions are left out; (5) EPSILON in the deviation; (6) scores of steps
    are not looked at.
    """
    if batch.tokens is None:
        return batch.plus(np.zeros(batch.written.shape), settings.weight)
    known = batch.written & batch.scorable[:, None]
    tokens, sizes = np.where(known, batch.tokens, 0.0), known.sum(1)
    baseline = others(tokens.sum(1) / np.maximum(sizes, 1), (sizes > 0).astype(np.float64), batch.group)[:, None]
    centred = np.where(known & ~np.isnan(baseline), tokens - baseline, 0.0)
    return whitened(batch.plus(to_go(centred), settings.weight), known)


RULES: dict[str, Rule] = {
    "sum_to_go": sum_to_go,
    "min": soft_min,
    "delta": delta,
    "clip": clip,
    "first_error": first_error,
    "among_correct": among_correct,
    "direct": direct,
    "prime": prime,
}
"""By the name that `grpo.credit.rule` gives."""


def _returns(batch: Stepwise, paid: Sequence[Array]) -> Array:
    """(B, T): the rewards of steps still to come, less b: the mean over the group's others of their sums of rewards.

    b counts over the others that have a known step and is paid at the last known step: what follows keeps the outcome,
    and a completion without known steps is worth what the others are, so where steps cost it does not pay to hide them.
    """
    baseline = others(_sums(paid), batch.stepped, batch.group)
    centred = [np.append(rewards[:-1], rewards[-1:] - b) for rewards, b in zip(paid, baseline, strict=True)]
    return to_go(batch.ended(_comparable(centred, baseline)))


def _comparable(values: Sequence[Array], baseline: Array) -> list[Array]:
    """The values, 0 where there is no baseline."""
    return [np.zeros_like(one) if np.isnan(b) else one for one, b in zip(values, baseline, strict=True)]


def _softmax(values: Array) -> Array:
    powers = np.exp(values - values.max(initial=-np.inf))
    weights: Array = powers / powers.sum()
    return weights


def _sums(values: Sequence[Array]) -> Array:
    return np.array([one.sum() for one in values])
