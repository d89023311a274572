"""A reward for OpenRLHF (0.11), by a file of yours with two lines,

    from rewards.adapters import openrlhf
    reward_func = openrlhf.reward("format_answer(format=0.2)")

    python -m openrlhf.cli.train_ppo_ray ... --reward.remote_url reward.py --data.label_key answer

or, for the default reward `format_answer`, with `--reward.remote_url` set to this very file. OpenRLHF calls
`reward_func` from a thread of each rollout worker with one completion; it hands over the prompt and the completion as
one decoded text, special tokens included, from which the prompt is taken off here. Rewards that measure tokens are
refused when the file is loaded.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from rewards.adapters.single import Grades, grade, load, numbers
from rewards.verify import verify

__all__ = ["response_of", "reward", "reward_func"]

# OpenRLHF cuts a prompt that is too long in front, so its end is always there.
TAIL = 64

# The token that ended the generation is decoded too, and every family of models has its own: <|im_end|>, <|end|>, ...
# DeepSeek's bars are wide (U+FF5C).
END = re.compile(r"<[|\uff5c][^<>|\uff5c]{1,40}[|\uff5c]>$")


def reward(spec: str = "format_answer") -> Callable[..., dict[str, Any]]:
    """Return the `reward_func(queries, prompts, labels)` of a spec; B of each in, tensors of shape (B,) out.

    `rewards` is the reward; `scores` 1.0 where the verifier says `correct`, which `--algo.dynamic_filtering_enable`
    compares with its range; `extra_logs` holds `component/<name>` and `unscorable`, which is 1.0 where the reward or a
    component has no score (and is 0.0 for that), or where the response cannot be told from the prompt. Raises
    `RewardError` for a spec that cannot be used here.
    """
    loaded = load(spec)
    unknown: Grades = dict.fromkeys(grade(loaded, "", "1"))

    def reward_func(queries: Sequence[str], prompts: Sequence[str], labels: Sequence[object], **_: object) -> Any:
        from torch import tensor

        rows, correct = [], []
        for query, prompt, label in zip(queries, prompts, labels, strict=True):
            response = response_of(query, prompt)
            grades = unknown if response is None else grade(loaded, response, label, prompt=prompt)
            rows.append(numbers(grades))
            correct.append(float(response is not None and verify(response, label).correct))
        logs = {name: tensor([row[name] for row in rows]) for name in numbers(unknown)}
        return {"rewards": logs.pop("score"), "scores": tensor(correct), "extra_logs": logs}

    return reward_func


def response_of(query: str, prompt: str) -> str | None:
    """Return what follows the prompt in a query, without the token that ended it.

    `None` where the prompt, or at least its last 64 characters, is not found: grading the whole query would let the
    prompt's own numbers answer.
    """
    if query.startswith(prompt):
        response = query[len(prompt) :]
    else:
        _, found, response = query.partition(prompt[-TAIL:])
        if not found:
            return None
    return END.sub("", response)


reward_func = reward()
