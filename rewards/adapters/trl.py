"""A reward for TRL's `GRPOTrainer` (1.16) which also logs its parts.

    from rewards.adapters import trl

    trainer = GRPOTrainer(model, reward_funcs=trl.logged("format_answer+0.0*repetition"), ...)

Every reward of this package is a TRL reward already: `reward_funcs=rewards.parse("format_answer")` trains the same.
`logged` adds to the trainer's log `component/<name>` (mean over the scorable completions of a step) and `unscorable`
(share of completions), and, with `log_completions=True`, one column `component/<name>` to the completions' table.
The dataset needs a column `answer` with the gold; `None` stays `None`, which TRL leaves out of group and means.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from rewards.adapters.single import UNSCORABLE
from rewards.completion import Completion
from rewards.reward import Reward, Scores
from rewards.spec import parse

__all__ = ["Logged", "logged"]


def logged(reward: str | Reward) -> Logged:
    """Return a reward, given as such or as a spec, in the form that logs. Raises what `rewards.parse` raises."""
    return Logged(parse(reward) if isinstance(reward, str) else reward)


@dataclass(frozen=True)
class Logged:
    """What `logged` returns: picklable, named like its reward."""

    reward: Reward

    # TRL names its metrics by the `__name__` of what it calls.
    @property
    def __name__(self) -> str:
        return self.reward.__name__

    def __call__(
        self,
        *,
        prompts: Sequence[Completion],
        completions: Sequence[Completion],
        log_metric: Callable[[str, float], None],
        log_extra: Callable[[str, list[float | None]], None],
        **columns: Any,
    ) -> Scores:
        """Return the reward's scores, after telling TRL what they are made of. Raises as the reward does."""
        parts = self.reward.components(prompts=prompts, completions=completions, **columns)
        for name, scores in parts.items():
            log_extra(f"component/{name}", scores)
            # TRL sums a metric over all processes: a NaN from one of them would spoil the others'.
            if known := [score for score in scores if score is not None]:
                log_metric(f"component/{name}", sum(known) / len(known))
        total = self.reward.total(parts)
        log_metric(UNSCORABLE, total.count(None) / len(total))
        return total
