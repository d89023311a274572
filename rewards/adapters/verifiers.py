"""A reward for Prime Intellect's `verifiers`: a rubric up to version 0.3, hooks of a task from version 0.4 on.

Rubric, in the `load_environment` of your environment:

    from rewards.adapters.verifiers import rubric

    return vf.SingleTurnEnv(dataset=dataset, rubric=rubric("format_answer"))

Task, whose data have a field `answer`, by a file `score.py` with two lines and its configuration:

    from rewards.adapters.verifiers import hooks
    reward, components = hooks("format_answer")

    [env.taskset.task.rewards.format_answer]
    fn = "score.py:reward"
    [env.taskset.task.metrics.components]
    fn = "score.py:components"

Rewards that measure tokens are refused when they are loaded: neither form passes a completion's own tokens.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from rewards.adapters.single import UNSCORABLE, Grades, grade, load, numbers
from rewards.reward import Reward

__all__ = ["hooks", "rubric"]

Scores = Callable[..., Awaitable[dict[str, float]]]


def rubric(spec: str = "format_answer") -> Any:
    """Return the `verifiers.Rubric` of a spec: the reward with weight 1, named by its spec, and metrics of weight 0.

    The metrics are `component/<name>` and `unscorable`, 1.0 where one of them has no score and is 0.0 for that.
    Raises `RewardError` for a spec that cannot be used here.
    """
    import verifiers  # type: ignore[import-not-found]  # no dependency of this project

    loaded = load(spec)
    metrics = [name for name in numbers(grade(loaded, "", "1")) if name != "score"]
    funcs = [_scorer(loaded, "score", loaded.__name__), *(_scorer(loaded, name, name) for name in metrics)]
    return verifiers.Rubric(funcs=funcs, weights=[1.0] + [0.0] * len(metrics))


def hooks(spec: str = "format_answer") -> tuple[Scores, Scores]:
    """Return `(reward, metrics)` of a spec for a task's `rewards` and `metrics`.

    An unscorable completion has no reward, verifiers' own mark of a trace that was not scored, and no such component;
    the metric `unscorable` counts it. Raises `RewardError` for a spec that cannot be used here.
    """
    loaded = load(spec)

    async def reward(task: Any, trace: Any) -> dict[str, float]:
        score = (await _grades(loaded, trace.last_reply, task.answer, task.prompt_text))["score"]
        return {} if score is None else {loaded.__name__: score}

    async def metrics(task: Any, trace: Any) -> dict[str, float]:
        found = await _grades(loaded, trace.last_reply, task.answer, task.prompt_text)
        known = {name: value for name, value in found.items() if value is not None and name != "score"}
        return {**known, UNSCORABLE: float(None in found.values())}

    return reward, metrics


def _scorer(reward: Reward, key: str, name: str) -> Callable[..., Awaitable[float]]:
    async def score(prompt: Any, completion: Any, answer: object) -> float:
        return numbers(await _grades(reward, completion, answer, prompt))[key]

    score.__name__ = name
    return score


async def _grades(reward: Reward, completion: Any, answer: object, prompt: Any) -> Grades:
    # In a thread: a symbolic comparison may take a second, which must not stop the event loop's other rollouts.
    return await asyncio.to_thread(grade, reward, completion, answer, prompt=prompt)
