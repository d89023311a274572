"""A process reward without a model: the equations of a solution, checked by exact arithmetic."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from fractions import Fraction

from rewards.batch import Batch
from rewards.completion import END_OF_TURN
from rewards.equations import Equation, equations
from rewards.errors import RewardError
from rewards.outcome import answer_scores
from rewards.registry import register
from rewards.reward import Components, Reward, Scores
from rewards.verify.numbers import find, normalise

__all__ = ["Process", "valid_prefix"]

# Facts of daily life that a question need not state: small counts, a dozen, days, hours, weeks, months, percent.
FACTS = "1 2 3 4 5 7 8 10 12 24 30 31 52 60 100 365 1000 1/2 1/3 1/4 3/4"
CONSTANTS = frozenset(Fraction(fact) for fact in FACTS.split())

UNITS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
TEENS = ["eleven", "twelve", *(f"{stem}teen" for stem in ("thir", "four", "fif", "six", "seven", "eigh", "nine"))]
TENS = [f"{stem}ty" for stem in ("twen", "thir", "for", "fif", "six", "seven", "eigh", "nine")]
WORDS = {
    **{word: (Fraction(n),) for n, word in enumerate([*UNITS, *TEENS])},
    **{word: (Fraction(10 * ten),) for ten, word in enumerate(TENS, start=2)},
    **dict.fromkeys(["twice", "double", "doubled", "doubles", "couple", "pair", "both"], (Fraction(2),)),
    **dict.fromkeys(["thrice", "triple", "tripled", "triples"], (Fraction(3),)),
    **dict.fromkeys(["half", "halves"], (Fraction(2), Fraction(1, 2))),
    **dict.fromkeys(["third", "thirds"], (Fraction(3), Fraction(1, 3))),
    **dict.fromkeys(["quarter", "quarters", "fourth", "fourths"], (Fraction(4), Fraction(1, 4))),
    **dict.fromkeys(["dozen", "dozens"], (Fraction(12),)),
    "hundred": (Fraction(100),),
}
WORD = re.compile(rf"\b(?:(?P<ten>{'|'.join(TENS)})[ -](?P<unit>{'|'.join(UNITS[1:10])})|(?P<one>{'|'.join(WORDS)}))\b")


@register("process")
@dataclass(frozen=True)
class Process(Reward):
    """process * valid_prefix + answer * correct, range [0, process + answer]; defaults 0.5 and 0.5.

    valid_prefix (see there) is the share of a solution's equations that are true and grounded up to the first false
    one: bounded as arXiv 2410.15115 asks, so that steps cannot be farmed, and stopping at the first error as the step
    labels of "Let's Verify Step by Step" do (arXiv 2305.20050). correct is `sparse`'s 0/1. Thinking is read as well as
    the visible text. Reads column `question` if there is one, else the prompt. Components: `process`, `answer`.
    Raises `RewardError` for a negative or infinite weight.
    """

    process: float = 0.5
    answer: float = 0.5

    def __post_init__(self) -> None:
        """Refuse weights that would pay for being wrong."""
        if not all(math.isfinite(weight) and weight >= 0 for weight in self.weights.values()):
            raise RewardError(f"process weights must be finite and at least 0: {self.weights}")

    @property
    def weights(self) -> dict[str, float]:
        """Weights of the two components, as given."""
        return {"process": self.process, "answer": self.answer}

    def score(self, batch: Batch) -> Components:
        """Return components `process` and `answer`."""
        pairs = zip(batch.texts, batch.questions, strict=True)
        prefixes: Scores = [valid_prefix(text, question) for text, question in pairs]
        return {"process": prefixes, "answer": answer_scores(batch)}


def valid_prefix(text: str, question: str) -> float:
    """Return (valid steps before the first false one) / (all steps), in [0, 1]; 0 without steps.

    A step is an equation that was not written before (repeats, also with operands swapped, are dropped: they earn and
    cost nothing). It is *false* where its sides differ; *valid* where it is true and grounded, i.e. every operand is
    in the question (as digits, a word, or p% for p), a result of an earlier valid step, or a constant - and not all
    of them are constants; else *unknown*: it counts in the denominator and earns nothing.
    So neither a repeated step nor an appended false or unknown one ever raises the score.
    """
    end = END_OF_TURN.search(text)
    unique: dict[object, Equation] = {}
    for equation in equations(text[: end.start()] if end else text):
        unique.setdefault(equation.key, equation)
    steps = list(unique.values())
    known = _numbers_of(question)
    valid = 0
    for step in steps:
        if step.true is False:
            break
        if step.true and _grounded(step, known):
            valid += 1
            known.update(step.results)
    return valid / len(steps) if steps else 0.0


def _grounded(step: Equation, known: set[Fraction]) -> bool:
    if not all(operand in known or operand in CONSTANTS for operand in step.operands):
        return False
    return any(operand in known for operand in step.operands)


def _numbers_of(question: str) -> set[Fraction]:
    text = normalise(question)
    numbers = {abs(place.number.value) for place in find(text) if place.number}
    words = {value for match in WORD.finditer(text.lower()) for value in _word(match)}
    # "20 percent" enters an equation as 20/100, 20% or 0.2; "20% more" as 1.2 = 1 + 0.2, and less as 0.8.
    shares = {number / 100 for number in numbers}
    numbers |= words | shares | {1 + share for share in shares} | {1 - share for share in shares}
    return {number for number in numbers if number > 0}


def _word(match: re.Match[str]) -> tuple[Fraction, ...]:
    if match["ten"]:
        return (WORDS[match["ten"]][0] + WORDS[match["unit"]][0],)
    return WORDS[match["one"]]
