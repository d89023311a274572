"""Score one completion at a time, as the frameworks ask that hand over neither prompt groups nor token ids."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from rewards.completion import Completion
from rewards.errors import RewardError
from rewards.reward import Reward
from rewards.spec import parse

__all__ = ["UNSCORABLE", "Grades", "grade", "load", "numbers"]

UNSCORABLE = "unscorable"

Grades = dict[str, float | None]
"""`score` is the reward; `component/<name>` each component, weight 0 included; `None` is unscorable."""


@lru_cache(maxsize=64)
def load(spec: str) -> Reward:
    """Return the reward of a spec, after one trial call.

    The frameworks log what a reward raises and go on with 0.0; the trial makes a reward that needs what they do not
    pass (token ids, another column) fail where it is loaded. Raises `RewardError`, and what `rewards.parse` raises.
    """
    reward = parse(spec)
    try:
        grade(reward, "<think>1</think>#### 1", "1", prompt="?", question="?")
    except RewardError as error:
        raise RewardError(f"{reward} cannot score one completion at a time: {error}") from error
    return reward


def grade(
    reward: Reward, completion: Completion, gold: object, *, prompt: Completion = "", question: object = None
) -> Grades:
    """Return the reward of one completion and its components; `question` is the bare question, if the data has it."""
    columns: dict[str, Any] = {"answer": [gold]} if question is None else {"answer": [gold], "question": [question]}
    parts = reward.components(prompts=[prompt], completions=[completion], **columns)
    return {"score": reward.total(parts)[0], **{f"component/{name}": scores[0] for name, scores in parts.items()}}


def numbers(grades: Grades) -> dict[str, float]:
    """Return grades as plain numbers: what is `None` becomes 0.0, and then `unscorable` is 1.0, else 0.0."""
    return {**{name: value or 0.0 for name, value in grades.items()}, UNSCORABLE: float(None in grades.values())}
