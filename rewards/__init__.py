"""Rewards: score a completion. They know nothing of models, trainers or files of runs, and import no torch.

>>> import rewards
>>> reward = rewards.parse("format_answer(format=0.2)")
>>> reward(prompts=["2 eggs at $9?"], completions=["<think>2*9=18</think>#### 18"], answer=["18"])
[1.0]
"""

# The built-in families register themselves when their module is imported.
from rewards import calls, controls, learned, length, length_group, outcome, plugins, process, repetition
from rewards.composite import Composite, Term
from rewards.errors import BadSpec, RewardError, UnknownReward
from rewards.registry import family, get, names, register
from rewards.reward import Reward
from rewards.spec import parse, split
from rewards.verify import Verdict, verify, verify_batch

__all__ = [
    "BadSpec",
    "Composite",
    "Reward",
    "RewardError",
    "Term",
    "UnknownReward",
    "Verdict",
    "calls",
    "controls",
    "family",
    "get",
    "learned",
    "length",
    "length_group",
    "names",
    "outcome",
    "parse",
    "plugins",
    "process",
    "register",
    "repetition",
    "split",
    "verify",
    "verify_batch",
]
