"""What `metrics.jsonl` says of a step of reinforcement learning. Nothing of it depends on the wall clock.

Rewards, accuracy, lengths and groups are of every completion sampled in the step, those that dynamic sampling threw
away included; entropy, KL, clipping and the gradient are of the completions trained on.
"""

import math
from collections.abc import Mapping, Sequence
from statistics import fmean, pvariance, stdev
from typing import Any, get_args

from harness.trainers.scoring import Sample
from rewards.verify import Status

OWN = "step_log/"
# Two rewards that differ by less came from the rounding of the same sum.
TOLERANCE = 1e-6
TRAINER = {
    "entropy": "entropy",
    "kl": "kl",
    "grad_norm": "grad_norm",
    "loss": "loss",
    "clip_low": "clip_ratio/low_mean",
    "clip_high": "clip_ratio/high_mean",
    "clip_region": "clip_ratio/region_mean",
    "clip_weight": "cispo_clip_ratio",
    "sync_bytes": "sync/bytes",
    "off_policy_gap": "sampling/sampling_logp_difference/mean",
    "off_policy_gap_max": "sampling/sampling_logp_difference/max",
    "importance_ratio": "sampling/importance_sampling_ratio/mean",
    "importance_ratio_min": "sampling/importance_sampling_ratio/min",
    "importance_ratio_max": "sampling/importance_sampling_ratio/max",
}
"""Our name: TRL's. `off_policy_gap` is |log p - log q| of a token under the trainer and the sampling engine."""


def statistics(
    samples: Sequence[Sample], weights: Mapping[str, float], group_size: int, shaping: Mapping[str, float] | None = None
) -> dict[str, float | None]:
    """The step's own fields; `None` where there is nothing to measure. `dead_groups` does not look at `shaping`.

    `rewards_share/<component>` is Cov(weight * score, reward) / Var(reward) over the scorable completions: the shares
    of all components sum to 1. Weight 0 has share 0.
    """
    row: dict[str, float | None] = {"reward": None}
    scorable = [sample for sample in samples if sample.reward is not None]
    totals = [sample.reward for sample in scorable if sample.reward is not None]
    for name, weight in weights.items():
        known = [score for sample in samples if (score := sample.components[name]) is not None]
        paid = [weight * (sample.components[name] or 0.0) for sample in scorable] if weight else []
        row[f"rewards/{name}"] = _mean(known)
        row[f"rewards_std/{name}"] = _deviation(known)
        row[f"rewards_share/{name}"] = _share(paid, totals) if weight else 0.0
    statuses = [sample.status for sample in samples]
    return row | {
        "reward": _mean(totals),
        "reward_std": _deviation(totals),
        "accuracy": _mean([float(sample.correct) for sample in samples if sample.correct is not None]),
        **{f"status/{status}": statuses.count(status) / len(samples) for status in get_args(Status)},
        "unscorable": 1 - len(scorable) / len(samples),
        "late": _mean([float(sample.late) for sample in samples]),
        "dead_groups": dead_groups(groups(samples, group_size), shaping or {}),
        "length": _mean([sample.tokens for sample in samples]),
        "length_right": _mean([sample.tokens for sample in samples if sample.correct]),
        "length_wrong": _mean([sample.tokens for sample in samples if sample.correct is False]),
        "length_truncated": _mean([sample.tokens for sample in samples if sample.finish == "length"]),
        "truncated": _mean([float(sample.finish == "length") for sample in samples]),
    }


def process(samples: Sequence[Sample], worth: Sequence[float | None]) -> dict[str, float | None]:
    """The fields of a run that scores steps; `worth` is what the scorer says of every completion.

    `process/right_by_wrong_steps` is the share of correct completions with a step scored below 0. Of a scorer of tokens
    it is `None`, as are the other fields of steps.
    """
    steps = [[step.span.score for step in sample.steps] for sample in samples]
    scores = [score for one in steps for score in one]
    pairs = list(zip(samples, steps, worth, strict=True))
    wrongly = [float(any(s is not None and s < 0 for s in own)) for one, own, _ in pairs if one.correct and own]
    return {
        "process/score": _mean([value for value in worth if value is not None]),
        "process/score_right": _mean([value for one, _, value in pairs if one.correct and value is not None]),
        "process/score_wrong": _mean([value for one, _, value in pairs if one.correct is False and value is not None]),
        "process/steps": len(scores) / len(samples) if scores else None,
        "process/unknown": _mean([float(score is None) for score in scores]),
        "process/right_by_wrong_steps": _mean(wrongly),
    }


def metrics_row(logs: Mapping[str, Any]) -> dict[str, Any]:
    """A step's line, from TRL's logs; what was not measured is null, never zero.

    Where one batch of completions makes several updates, only the first of their lines tells of the completions.
    """
    own = {key.removeprefix(OWN): value for key, value in logs.items() if key.startswith(OWN)}
    missing = dict.fromkeys(("reward", "accuracy", "length", "dead_groups"))
    # Wall time would make two equal runs differ: it is in timing.jsonl, under the same step.
    return missing | own | {name: logs.get(key) for name, key in TRAINER.items()} | {"seconds": None}


def groups(samples: Sequence[Sample], group_size: int) -> list[Sequence[Sample]]:
    """The completions of each prompt."""
    return [samples[start : start + group_size] for start in range(0, len(samples), group_size)]


def spread(group: Sequence[Sample], shaping: Mapping[str, float]) -> float | None:
    """Highest minus lowest reward of a group without its `shaping` (weights by component), `None` if unscorable."""
    totals = [
        sample.reward - sum(weight * (sample.components[name] or 0.0) for name, weight in shaping.items())
        for sample in group
        if sample.reward is not None
    ]
    return max(totals) - min(totals) if totals else None


def dead_groups(all_groups: Sequence[Sequence[Sample]], shaping: Mapping[str, float]) -> float | None:
    """The share of scorable groups whose rewards, without their shaping, are all equal: they teach nothing."""
    spreads = [value for group in all_groups if (value := spread(group, shaping)) is not None]
    return _mean([float(value <= TOLERANCE) for value in spreads])


def _mean(values: Sequence[float]) -> float | None:
    return fmean(values) if values else None


def _deviation(values: Sequence[float]) -> float | None:
    return stdev(values) if len(values) > 1 else None


def _share(part: Sequence[float], whole: Sequence[float]) -> float | None:
    variance = pvariance(whole) if whole else 0.0
    if variance <= TOLERANCE**2:
        return None
    middle_part, middle_whole = fmean(part), fmean(whole)
    covariance = math.fsum((p - middle_part) * (w - middle_whole) for p, w in zip(part, whole, strict=True))
    return covariance / len(whole) / variance
