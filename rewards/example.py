"""One small group of completions on which any reward can be shown at work."""

from __future__ import annotations

import re
from dataclasses import dataclass

from rewards.reward import Components, Reward, Scores

__all__ = ["CASES", "GOLD", "QUESTION", "Case", "Worked", "work"]

QUESTION = "Anna buys 3 pens at $2 each and a book for $12. How many dollars does she pay?"
GOLD = "18"


@dataclass(frozen=True)
class Case:
    """A completion and what it stands for."""

    label: str
    text: str


CASES = (
    Case("right", "<think>3*2=6 for the pens, 6+12=18 in all.</think>\n#### 18"),
    Case("wrong", "<think>3*2=6 for the pens, 6+12=20 in all.</think>\n#### 20"),
    Case("right, badly formatted", "The pens are 3*2=6, so she pays 6+12=18.\n#### 18 dollars"),
    Case("right, too long", f"<think>3*2=6, {'let me check that again, ' * 100}6+12=18.</think>\n#### 18"),
    Case("nothing", ""),
)

# Stands in for a tokenizer, whose choice the example must not depend on.
TOKEN = re.compile(r"\w+|[^\w\s]")


@dataclass(frozen=True)
class Worked:
    """What a reward gives the cases: lengths in tokens, components and sums, each in the order of `CASES`."""

    lengths: list[int]
    components: Components
    scores: Scores


def work(reward: Reward) -> Worked:
    """Score `CASES` as one group. Raises whatever the reward raises."""
    tokens = [TOKEN.findall(case.text) for case in CASES]
    numbers = {token: number for number, token in enumerate(sorted({token for row in tokens for token in row}))}
    components = reward.components(
        prompts=[QUESTION] * len(CASES),
        completions=[case.text for case in CASES],
        completion_ids=[[numbers[token] for token in row] for row in tokens],
        answer=[GOLD] * len(CASES),
    )
    return Worked([len(row) for row in tokens], components, reward.total(components))
