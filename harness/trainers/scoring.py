"""From a batch of completions to graded samples: the reward under a deadline, the verifier, and what must not pass.

Verified accuracy comes from the verifier, never from the reward, so a reward that is hacked shows it.
"""

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any

import rewards
from harness.config import PluginConfig
from rewards.completion import Completion, text_of
from rewards.reward import Components
from rewards.spans import TokenStep
from rewards.worker import Crashed, Overrun, Pool

WORKER = "harness.trainers.reward_worker:components"


class RewardFailure(RuntimeError):
    """A reward returned something that must not become a gradient; training stops."""


@dataclass(frozen=True)
class Sample:
    """One completion with everything that is known of it.

    Attributes:
        tokens: its length, the end token included.
        finish: `stop`, or `length` where it was cut off.
        status: the verifier's.
        components: scores of the reward, `None` where not scorable.
        reward: their weighted sum, `None` where not scorable.
        late: the reward overran its deadline, so that the whole batch is unscorable.
        steps: what its tokens are credited by, of a run that scores steps.
    """

    prompt: Completion
    completion: str
    tokens: int
    finish: str
    gold: Any
    status: str
    components: dict[str, float | None]
    reward: float | None
    late: bool = False
    steps: tuple[TokenStep, ...] = ()

    @property
    def correct(self) -> bool | None:
        """`None` where the verifier could not judge."""
        return self.status == "correct" if self.status not in ("unparseable_gold", "timeout", "error") else None


class Scorer:
    """Grades completions by a reward and by the verifier.

    The families of this project judge under the verifier's own deadlines and run here. A reward from a user's `plugins`
    can hang: it runs in a child process, and a batch that takes it longer than `seconds` gets no reward and the child
    is killed.
    """

    def __init__(self, reward: rewards.Reward, plugins: Sequence[PluginConfig], seconds: float) -> None:
        self.reward = reward
        self.seconds = seconds
        self.plugins = [[plugin.path, plugin.sha256] for plugin in plugins]
        self.pool = Pool(WORKER, memory=None) if plugins else None

    def samples(
        self,
        prompts: Sequence[Completion],
        completions: Sequence[Completion],
        completion_ids: Sequence[Sequence[int]],
        finishes: Sequence[str],
        columns: dict[str, Any],
    ) -> list[Sample]:
        """Grades a batch; `columns` are the dataset's, among them `answer`. Raises `RewardFailure`."""
        found = self._components(prompts, completions, completion_ids, columns)
        late = found is None
        components = found or {name: [None] * len(completions) for name in self.reward.weights}
        for name, scores in components.items():
            self._check(name, scores, prompts)
        total = self.reward.total(components)
        verdicts = rewards.verify_batch(completions, columns["answer"])
        return [
            Sample(
                prompt=prompts[i],
                completion=text_of(completions[i]),
                tokens=len(completion_ids[i]),
                finish=finishes[i],
                gold=columns["answer"][i],
                status=verdicts[i].status,
                components={name: scores[i] for name, scores in components.items()},
                reward=total[i],
                late=late,
            )
            for i in range(len(completions))
        ]

    def _components(
        self,
        prompts: Sequence[Completion],
        completions: Sequence[Completion],
        completion_ids: Sequence[Sequence[int]],
        columns: dict[str, Any],
    ) -> Components | None:
        batch = {"prompts": prompts, "completions": completions, "completion_ids": completion_ids, **columns}
        if self.pool is None:
            return self.reward.components(**batch)
        try:
            answer: Components = self.pool.call(self.plugins, self.reward.spec, batch, deadline=self.seconds)
        except Overrun as error:
            logging.getLogger(__name__).warning(
                "reward %s: %s (%g s for %d completions); the batch is unscorable",
                *(self.reward, error, self.seconds, len(completions)),
            )
            return None
        except Crashed as error:
            raise RewardFailure(f"reward {self.reward} failed: {error}") from error
        return answer

    def _check(self, name: str, scores: Sequence[Any], prompts: Sequence[Completion]) -> None:
        """Stops on what would silently corrupt a gradient."""
        where = f"reward {self.reward}: component {name}"
        if len(scores) != len(prompts):
            raise RewardFailure(f"{where} returned {len(scores)} scores for {len(prompts)} completions")
        for score, prompt in zip(scores, prompts, strict=True):
            if score is not None and not (isinstance(score, Real) and math.isfinite(score)):
                raise RewardFailure(
                    f"{where} returned {score!r} in the group of {_shown(prompt)}; "
                    "scores must be finite numbers or None"
                )


def settled(samples: Sequence[Sample], group_size: int, reward: rewards.Reward) -> list[Sample]:
    """The samples of all processes, in groups of `group_size`, once it is known that each may become a gradient.

    Where the reward was late on one process, the batch is unscorable on all. Raises `RewardFailure` where a paid
    component is `None` for a part of a group: the group's mean would be taken over another set than its members.
    """
    if any(sample.late for sample in samples):
        nothing = dict.fromkeys(reward.weights)
        return [replace(sample, components=nothing, reward=None, late=True) for sample in samples]
    for start in range(0, len(samples), group_size):
        group = samples[start : start + group_size]
        for name in [name for name, weight in reward.weights.items() if weight]:
            missing = sum(sample.components[name] is None for sample in group)
            if 0 < missing < len(group):
                raise RewardFailure(
                    f"reward {reward}: component {name} returned None for {missing} of {len(group)} completions in the "
                    f"group of {_shown(group[0].prompt)}; return None for all of a group, or for none"
                )
    return list(samples)


def _shown(prompt: Completion) -> str:
    text = text_of(prompt)
    return repr(text if len(text) <= 80 else f"...{text[-77:]}")
