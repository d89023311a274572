"""How well a process reward model knows the steps of questions it was not trained on, beside what knows nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

from rewards.aggregate import RULES

Floats = NDArray[np.float64]
BINS = 10
DRAWS = 1000


@dataclass(frozen=True)
class Judged:
    """A solution with its labels and what the model says.

    Attributes:
        question: its id.
        correct: the verdict of the whole.
        tokens: of the completion.
        shares: (steps,) right among the judged continuations; NaN is unknown.
        scores: (steps,) the model's P(good).
    """

    question: str
    correct: bool
    tokens: int
    shares: Floats
    scores: Floats


def auc(scores: ArrayLike, positive: ArrayLike) -> float | None:
    """P(score of a positive > score of a negative) + P(equal) / 2, by ranks (Mann and Whitney 1947).

    None where one kind is missing.
    """
    kind = np.asarray(positive, dtype=bool)
    n, m = int(kind.sum()), int((~kind).sum())
    if not (n and m):
        return None
    return float((rankdata(scores)[kind].sum() - n * (n + 1) / 2) / (n * m))


def calibration_error(scores: ArrayLike, targets: ArrayLike) -> float:
    """Expected calibration error: sum over bins of |bin| / n * |mean score - mean target|.

    Ten bins of equal width (arXiv 1706.04599, section 2). Targets may be shares.
    """
    said, truth = np.asarray(scores, dtype=np.float64), np.asarray(targets, dtype=np.float64)
    places = np.minimum((said * BINS).astype(int), BINS - 1)
    gaps = np.bincount(places, weights=said - truth, minlength=BINS)
    return float(np.abs(gaps).sum() / len(said))


def cross_entropy(scores: ArrayLike, targets: ArrayLike) -> float:
    """Mean of -(y log p + (1 - y) log(1 - p)), in nats; p is kept 1e-7 away from 0 and 1."""
    said, truth = np.clip(scores, 1e-7, 1 - 1e-7), np.asarray(targets, dtype=np.float64)
    return float(-(truth * np.log(said) + (1 - truth) * np.log(1 - said)).mean())


def target(shares: Floats, labels: str) -> Floats:
    """Soft labels are the shares themselves, hard ones whether any continuation was right (arXiv 2312.08935, 3.2)."""
    return shares if labels == "soft" else np.where(np.isnan(shares), np.nan, shares > 0)


def held_out(judged: Sequence[Judged], labels: str, base_rate: float) -> dict[str, Any]:
    """What `prm.json` says of held-out solutions.

    `steps`: AUC for `any` continuation being right and for `most` of them, cross-entropy and calibration error by the
    labels of the training; `position` is the AUC, for `most`, of saying that later steps are better, `base_loss` the
    cross-entropy of always saying `base_rate`, the mean label in training. `solutions`: AUC for the verdict of the
    whole by every rule of `rewards.aggregate`; `auc_min_before_answer` leaves the last step out, where a model could
    just check the answer; `auc_short` and `auc_few_steps` are the AUC of preferring those. Intervals (95 %) are of
    questions drawn anew.
    """
    known = [~np.isnan(one.shares) for one in judged]
    scores = np.concatenate([one.scores[mask] for one, mask in zip(judged, known, strict=True)])
    shares = np.concatenate([one.shares[mask] for one, mask in zip(judged, known, strict=True)])
    places = np.concatenate([np.arange(len(one.shares))[mask] for one, mask in zip(judged, known, strict=True)])
    groups = np.array([one.question for one, mask in zip(judged, known, strict=True) for _ in range(mask.sum())])
    goal = target(shares, labels)
    steps = {
        "n": len(scores),
        "unknown": int(sum((~mask).sum() for mask in known)),
        "mean_label": float(goal.mean()),
        "auc_any": interval(scores, shares > 0, groups),
        "auc_most": interval(scores, shares > 0.5, groups),
        "auc_most_by_position": auc(places, shares > 0.5),
        "loss": cross_entropy(scores, goal),
        "base_loss": cross_entropy(np.full(len(goal), base_rate), goal),
        "calibration_error": calibration_error(scores, goal),
    }
    return {"questions": len({one.question for one in judged}), "steps": steps, "solutions": _solutions(judged)}


def _solutions(judged: Sequence[Judged]) -> dict[str, Any]:
    correct = np.array([one.correct for one in judged])
    groups = np.array([one.question for one in judged])
    several = np.array([len(one.scores) > 1 for one in judged])
    before = np.array([one.scores[:-1].min() for one in judged if len(one.scores) > 1])
    return {
        "n": len(judged),
        "accuracy": float(correct.mean()),
        "auc": {
            rule: interval(np.array([by(one.scores.tolist()) for one in judged]), correct, groups)
            for rule, by in RULES.items()
        },
        "auc_min_before_answer": interval(before, correct[several], groups[several]),
        "auc_short": auc([-one.tokens for one in judged], correct),
        "auc_few_steps": auc([-len(one.scores) for one in judged], correct),
    }


def interval(scores: Floats, positive: NDArray[np.bool_], groups: NDArray[np.str_]) -> dict[str, float | int | None]:
    """The AUC with its percentile bootstrap interval over whole groups; draws with one kind only are left out."""
    members = [np.flatnonzero(groups == name) for name in np.unique(groups)]
    generator = np.random.default_rng(0)
    found = []
    for _ in range(DRAWS if auc(scores, positive) is not None else 0):
        chosen = np.concatenate([members[place] for place in generator.integers(0, len(members), len(members))])
        found.append(auc(scores[chosen], positive[chosen]))
    drawn = [value for value in found if value is not None]
    low, high = (float(edge) for edge in np.quantile(drawn, [0.025, 0.975])) if drawn else (None, None)
    return {"value": auc(scores, positive), "low": low, "high": high, "n": len(positive)}
