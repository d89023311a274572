"""What `[grpo.credit]` may ask for, checked before anything is loaded. Cheap to import; no torch."""

from pathlib import Path

import rewards
from harness.nearest import hint
from harness.training import CreditConfig
from rewards.learned import Prm
from rewards.spans import StepScorer

MODELS = ("implicit", "vine")
"""The scorers that are no reward: they need the model in training."""
RECORDS = ("config.json", "prm.json")
"""The folder of a process reward model has one of them."""


class BadCredit(ValueError):
    """The rule or the scorer of a credit assignment cannot be used; the message says the fix."""


def span_scorer(reward: rewards.Reward) -> StepScorer:
    """The reward, which must score steps. Raises `BadCredit`."""
    if not isinstance(reward, StepScorer):
        raise BadCredit(
            f"{reward} scores completions, not steps: give process, calls, prm(model=...), vine or implicit"
        )
    return reward


def check(table: CreditConfig) -> None:
    """Raises `BadCredit` or `RewardError` where `table` cannot be trained with."""
    from rewards.credit import RULES

    if table.rule not in RULES:
        raise BadCredit(f"unknown credit rule {table.rule!r}: {hint(table.rule, RULES)}There are {', '.join(RULES)}")
    if (table.scorer == "implicit") != (table.rule == "prime"):
        raise BadCredit(
            f"rule {table.rule} with scorer {table.scorer}: prime reads scores of tokens, which only implicit has, and "
            "the other rules read scores of steps"
        )
    if table.scorer not in MODELS:
        scorer = span_scorer(rewards.parse(table.scorer))
        # What is in the folder is read where it is loaded; that there is one can be told at once.
        if isinstance(scorer, Prm) and not any((Path(scorer.model) / name).is_file() for name in RECORDS):
            raise BadCredit(f"{scorer.model}: no process reward model there; give what `harness train prm` wrote")


def with_model(table: CreditConfig, folder: str) -> CreditConfig:
    """`table` with the learned model in `folder` in the place of the bare name `prm`; as it is where there is none."""
    if table.scorer != "prm" or not folder:
        return table
    return table.model_copy(update={"scorer": rewards.get("prm", model=folder).spec})
