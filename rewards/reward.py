"""What a reward is: a small picklable object that TRL can call, and that tells its parts apart.

A family of rewards is a frozen dataclass below `Reward`: its fields are its parameters, `score` is its formula.

    >>> @register("short")
    ... @dataclass(frozen=True)
    ... class Short(Reward):
    ...     limit: int = 100
    ...
    ...     def score(self, batch: Batch) -> Components:
    ...         return {self.name: [float(len(text) <= self.limit) for text in batch.texts]}
"""

from __future__ import annotations

import dataclasses
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Literal

from rewards.batch import Batch
from rewards.completion import Completion

__all__ = ["Components", "Kind", "Reward", "Scores"]

Scores = list[float | None]
"""One score per completion; `None` = not scorable, for all members of a prompt group or for none."""

Components = dict[str, Scores]
"""Scores by component name."""

Kind = Literal["outcome", "format", "length", "repetition", "process", "control", "sum", "own"]
"""What a family measures; `own` is whatever a user registers without saying."""


class Reward(ABC):
    """Scores completions; reward = sum over components of weight * component, `None` if a weighted one is `None`.

    Attributes:
        name: the registered name.
        kind: what the family measures.
        recommended: of a shaping term, which does not contain the answer, the sum to train with, e.g.
            `sparse+0.25*length_soft`; empty where the reward is complete in itself.
    """

    name: ClassVar[str] = ""
    kind: ClassVar[Kind] = "own"
    recommended: ClassVar[str] = ""

    @abstractmethod
    def score(self, batch: Batch) -> Components:
        """Return every component's scores; the formula of the family."""

    @property
    def weights(self) -> dict[str, float]:
        """Weight of each component in the reward; 0 makes a component a metric. A plain reward is its own component."""
        return {self.name: 1.0}

    @property
    def bounds(self) -> tuple[float, float]:
        """Lowest and highest possible score; infinite where a family does not say."""
        return -math.inf, math.inf

    def components(
        self,
        *,
        prompts: Sequence[Completion],
        completions: Sequence[Completion],
        completion_ids: Sequence[Sequence[int]] | None = None,
        **columns: Any,
    ) -> Components:
        """Return `{component: scores}` with the arguments of a call; the keys are those of `weights`."""
        return self.score(Batch(prompts, completions, completion_ids, columns))

    def __call__(
        self,
        *,
        prompts: Sequence[Completion],
        completions: Sequence[Completion],
        completion_ids: Sequence[Sequence[int]] | None = None,
        log_metric: Callable[[str, float], None] | None = None,
        log_extra: Callable[[str, Scores], None] | None = None,
        **columns: Any,
    ) -> Scores:
        """Return one score per completion, called as TRL calls a reward.

        `columns` holds the dataset's other columns as lists (`answer` is the gold) and whatever else the trainer
        passes. Through TRL's `log_metric` and `log_extra` go `component/<name>`, weight 0 included: the mean over the
        scorable completions to the log, every score to the completions' table; `unscorable` is the share of `None`.
        Raises `RewardError` where a column that this reward needs is missing.
        """
        parts = self.components(prompts=prompts, completions=completions, completion_ids=completion_ids, **columns)
        total = self.total(parts)
        for name, scores in parts.items():
            if log_extra:
                log_extra(f"component/{name}", scores)
            # TRL sums a metric over all processes: a NaN from one of them would spoil the others'.
            if log_metric and (known := [score for score in scores if score is not None]):
                log_metric(f"component/{name}", sum(known) / len(known))
        if log_metric and total:
            log_metric("unscorable", total.count(None) / len(total))
        return total

    def total(self, components: Components) -> Scores:
        """Return the reward from its components, so that a trainer which logs both computes them once."""
        paid = [(weight, components[name]) for name, weight in self.weights.items() if weight != 0]
        size = len(next(iter(components.values())))
        return [_weighted([(weight, values[i]) for weight, values in paid]) for i in range(size)]

    @property
    def spec(self) -> str:
        """The reward as text that `rewards.parse` reads back: its name and the parameters that differ from default."""
        fields = dataclasses.fields(self)  # type: ignore[arg-type]  # `register` admits dataclasses only
        given = [f"{f.name}={_literal(getattr(self, f.name))}" for f in fields if getattr(self, f.name) != f.default]
        return f"{self.name}({','.join(given)})" if given else self.name

    def __str__(self) -> str:
        """Return `spec`."""
        return self.spec

    # TRL names its metrics by the `__name__` of what it calls.
    @property
    def __name__(self) -> str:
        return self.name


def _weighted(parts: list[tuple[float, float | None]]) -> float | None:
    total = 0.0
    for weight, value in parts:
        if value is None:
            return None
        total += weight * value
    return total


def _literal(value: object) -> str:
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    return str(value).lower() if isinstance(value, bool) else repr(value)
