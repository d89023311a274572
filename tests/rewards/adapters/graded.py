"""Examples of every kind of grade, and what the registry's reward says of them when asked directly."""

from dataclasses import dataclass

import rewards
from rewards.reward import Components, Scores


@dataclass(frozen=True)
class Example:
    """A question, what a model wrote and the gold."""

    question: str
    completion: str
    gold: str


# Two prompt groups of four: one with every kind of grade, and one whose gold cannot be read.
EXAMPLES = [
    Example("2 eggs at $9?", "<think>2*9=18</think>\n#### 18", "9 a piece, 2 of them: <<2*9=18>>18\n#### 18"),
    Example("2 eggs at $9?", "The answer is \\boxed{18}.", "9 a piece, 2 of them: <<2*9=18>>18\n#### 18"),
    Example("2 eggs at $9?", "<think>2*9=19</think>\n#### 19", "9 a piece, 2 of them: <<2*9=18>>18\n#### 18"),
    Example("2 eggs at $9?", "It is 17 or 18", "9 a piece, 2 of them: <<2*9=18>>18\n#### 18"),
    Example("Why eggs?", "<think>who knows</think>\n#### 7", "because"),
    Example("Why eggs?", "#### 7", "because"),
    Example("Why eggs?", "", "because"),
    Example("Why eggs?", "because", "because"),
]
SCORABLE = 4
# Floats travel through float32 tensors in TRL, verl and OpenRLHF.
SPEC = "format_answer(format=0.25,answer=0.75)+0.0*process"


def components(spec: str, examples: list[Example]) -> Components:
    """What the registry's reward says of the examples, asked directly."""
    return rewards.parse(spec).components(
        prompts=[example.question for example in examples],
        completions=[example.completion for example in examples],
        answer=[example.gold for example in examples],
        question=[example.question for example in examples],
    )


def filled(scores: Scores) -> list[float]:
    return [0.0 if score is None else score for score in scores]
