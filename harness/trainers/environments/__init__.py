"""What writes into completions besides the policy while it samples: `grpo.environment`.

An environment is an `evals.engines.Environment`: given a completion so far, it says what comes next or nothing. What
it writes is masked from the loss, counts towards `max_new_tokens`, and is seen by the rewards. Cheap to import.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness.trainers.environments.calculator import Calculator

if TYPE_CHECKING:
    from torch import Tensor

    from evals.engines import Environment


def named(name: str) -> Environment | None:
    """The environment of a run by the name in its config; of `none` there is none."""
    return ENVIRONMENTS.get(name)


def rollouts(
    trainer: Any, prompts: Sequence[Sequence[int]], environment: Environment
) -> tuple[list[list[int]], list[list[int]]]:
    """Completions of a `GRPOTrainer` in an environment, and of every token 1 where the policy drew it, else 0.

    Logged are `environment/calls`, responses per completion, and `environment/unwritable`, the share of responses for
    whose text the vocabulary has no tokens: there the policy goes on alone.

    Args:
        prompts: token ids.
    """
    from harness.trainers.rollouts.decoding import rows
    from harness.trainers.step_log import OWN

    found = rows(trainer, prompts, environment)
    calls, failed = sum(row.responses for row in found), sum(row.failed for row in found)
    log = trainer._metrics["train" if trainer.model.training else "eval"]
    log[f"{OWN}environment/calls"].append(calls / len(found))
    log[f"{OWN}environment/unwritable"].append(failed / calls if calls else math.nan)
    return [row.tokens for row in found], [[int(own) for own in row.own] for row in found]


def written(tensors: Mapping[str, Tensor]) -> Tensor:
    """(B, T) of TRL's batch: 1 where the policy wrote a token, 0 at padding and at what an environment wrote."""
    mask = tensors["completion_mask"]
    return mask * tensors["tool_mask"] if "tool_mask" in tensors else mask


ENVIRONMENTS: dict[str, Environment] = {"calculator": Calculator()}
