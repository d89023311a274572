"""A reward for verl (0.9), by its custom reward function:

    python -m verl.trainer.main_ppo ... \\
      reward.custom_reward_function.path=pkg://rewards.adapters.verl \\
      '+reward.custom_reward_function.reward_kwargs.spec="format_answer(format=0.2)"'

`path` is as well the path of this file; `name` is `compute_score`, verl's default. Every reward manager that scores a
completion at a time can call it (`naive`, `dapo`, `gdpo`, ...). GDPO's estimator wants the components by
`'+algorithm.gdpo_reward_keys=[component/format,component/answer]'`; verl 0.9.1's default trainer (`trainer.use_v1`)
hands it none. Rewards that measure tokens are refused: verl passes text alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rewards.adapters.single import grade, load, numbers
from rewards.verify import verify

__all__ = ["compute_score"]


def compute_score(
    data_source: str,
    solution_str: str,
    ground_truth: object,
    extra_info: Mapping[str, Any] | None = None,
    *,
    spec: str = "format_answer",
    **_: object,
) -> dict[str, float | str]:
    """Return what verl averages or dumps, each under its key.

    `score` is the reward of `spec`; `component/<name>` its components; `acc` 1.0 where the verifier says `correct`;
    `pred` the extracted answer ("" where there is none), for verl's majority vote; `status` the verifier's status;
    `unscorable` 1.0 where the reward or a component has no score and is 0.0 for that. `extra_info["question"]`, as
    verl's own data scripts write it, is the question. Raises `RewardError` for a spec that cannot be used here.
    """
    question = (extra_info or {}).get("question")
    verdict = verify(solution_str, ground_truth)
    return {
        **numbers(grade(load(spec), solution_str, ground_truth, question=question)),
        "acc": float(verdict.correct),
        "pred": verdict.answer or "",
        "status": verdict.status,
    }
