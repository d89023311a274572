"""Preference pairs from graded rollouts: what evaluations left in `items.jsonl`, chosen by policy, with a report.

Pure functions of rows: the same rows in any order give the same pairs.
"""

from harness.trainers.pairs.building import Built, NoPairs, build
from harness.trainers.pairs.pair import Pair, Side, read_pairs, write_pairs
from harness.trainers.pairs.policies import POLICIES
from harness.trainers.pairs.rollouts import Rollout, Rollouts, read_rollouts
from harness.trainers.pairs.scoring import UnreadableReward

__all__ = [
    "POLICIES",
    "Built",
    "NoPairs",
    "Pair",
    "Rollout",
    "Rollouts",
    "Side",
    "UnreadableReward",
    "build",
    "read_pairs",
    "read_rollouts",
    "write_pairs",
]
