"""Rewards of rollouts, by the registry and with every component."""

from collections.abc import Sequence
from dataclasses import replace

import rewards
from harness.trainers.pairs.rollouts import Rollout
from rewards.repetition import Repetition


class UnreadableReward(ValueError):
    """A reward reads something that rollouts do not hold; the message says what to write instead."""


def scored(rollouts: Sequence[Rollout], spec: str) -> tuple[list[Rollout], int]:
    """The rollouts with their rewards, without those that the reward cannot score, and how many these are.

    Raises:
        RewardError: the spec is malformed, or names an unknown reward.
        UnreadableReward: it counts repeated token ids.
    """
    reward = rewards.parse(spec)
    terms = [term.reward for term in reward.terms] if isinstance(reward, rewards.Composite) else [reward]
    if any(isinstance(term, Repetition) and term.unit == "token" for term in terms):
        raise UnreadableReward('rollouts hold texts, not token ids: write repetition(unit="word")')
    components = reward.components(
        prompts=[f"{one.id}\n{one.question}" for one in rollouts],
        completions=[one.completion for one in rollouts],
        # Their number is known, and no reward that reads which they are gets here.
        completion_ids=[range(one.tokens) for one in rollouts],
        answer=[one.gold for one in rollouts],
        question=[one.question for one in rollouts],
    )
    found = []
    for index, (rollout, total) in enumerate(zip(rollouts, reward.total(components), strict=True)):
        parts = {name: scores[index] for name, scores in components.items()}
        known = {name: score for name, score in parts.items() if score is not None}
        if total is not None:
            found.append(replace(rollout, reward=total, components=known))
    return found, len(rollouts) - len(found)
