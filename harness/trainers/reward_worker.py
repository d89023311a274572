"""A user's reward in a process of its own, for `rewards.worker.Pool`, which kills it at its deadline."""

from functools import lru_cache
from numbers import Real
from typing import Any

import rewards
from harness.trainers.process.checks import span_scorer
from rewards import plugins
from rewards.batch import Batch
from rewards.reward import Components


def components(files: list[list[str]], spec: str, batch: dict[str, Any]) -> Components:
    """Scores of the reward `spec`, whose plugin `files` are (path, sha256) each; `batch` holds a call's arguments."""
    scored = _reward(tuple((path, digest) for path, digest in files), spec).components(**batch)
    # Numbers of other libraries do not travel as JSON; what is no number is the trainer's to refuse.
    return {name: [float(s) if isinstance(s, Real) else s for s in scores] for name, scores in scored.items()}


def spans(files: list[list[str]], spec: str, batch: dict[str, Any]) -> list[list[tuple[int, int, float | None]]]:
    """Steps of every completion by the scorer `spec`: start, end, score."""
    call = dict(batch)
    scorer = span_scorer(_reward(tuple((path, digest) for path, digest in files), spec))
    found = scorer.spans(Batch(call.pop("prompts"), call.pop("completions"), call.pop("completion_ids"), call))
    return [[(one.start, one.end, one.score) for one in steps] for steps in found]


@lru_cache(maxsize=8)
def _reward(files: tuple[tuple[str, str], ...], spec: str) -> rewards.Reward:
    for path, digest in files:
        plugins.load(path, digest)
    return rewards.parse(spec)
