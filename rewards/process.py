"""A process reward without a model: the equations of a solution, checked by exact arithmetic."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Literal

from rewards.arithmetic import Exact, exact
from rewards.batch import Batch
from rewards.completion import END_OF_TURN
from rewards.equations import Equation, equations
from rewards.errors import RewardError
from rewards.grounding import CONSTANTS, derived, stated
from rewards.outcome import answer_scores
from rewards.registry import register
from rewards.reward import Components, Reward, Scores
from rewards.spans import Span, StepScorer
from rewards.verify import verify

__all__ = ["Process", "Status", "Step", "steps", "valid_prefix", "valid_steps"]

Status = Literal["valid", "unused", "trivial", "unknown", "false", "after"]
"""What a step is worth: `valid` earns, `trivial` is left out of the count, all others are counted and earn nothing."""

FACTS = frozenset(map(exact, CONSTANTS))

SCORES: dict[Status, float] = {"valid": 1.0, "false": -1.0}
"""The score of a step as a span. Of all others nothing is known: not that they are wrong, nor that they help."""

Answer = frozenset[Exact]
"""The values that a committed final answer may have; empty without one."""


@dataclass(frozen=True)
class Step:
    """One equation of a solution and what it is worth."""

    equation: Equation
    status: Status


@register("process")
@dataclass(frozen=True)
class Process(Reward, StepScorer):
    """process * valid_prefix + answer * correct, range [0, process + answer]; defaults 0.2 and 0.8.

    valid_prefix (see `rewards.process.valid_prefix`) is the share of a solution's equations that are true, grounded,
    new and used, up to the first false one: bounded as arXiv 2410.15115 asks, so that steps cannot be farmed, and
    stopping at the first error as the step labels of "Let's Verify Step by Step" do (arXiv 2305.20050, section 2).
    correct is `sparse`'s 0/1. Thinking is read as well as the visible text. Reads column `question` if there is one,
    else the prompt. Components: `process`, `answer`. `None` where the gold is unparseable.

    A true chain from the question's numbers to a wrong answer earns `process`: no model reads whether the chain is the
    one that was asked for. While process < answer, as by default, right beats wrong whatever the steps.
    As a scorer of steps (`spans`) it gives a valid equation 1, a false one -1 and every other one `None`.
    Raises `RewardError` for a negative or infinite weight.
    """

    kind = "process"
    process: float = 0.2
    answer: float = 0.8

    def __post_init__(self) -> None:
        """Refuse weights that would pay for being wrong."""
        if not all(math.isfinite(weight) and weight >= 0 for weight in self.weights.values()):
            raise RewardError(f"process weights must be finite and at least 0: {self.weights}")

    @property
    def bounds(self) -> tuple[float, float]:
        """0 and the sum of the weights."""
        return 0.0, self.process + self.answer

    @property
    def weights(self) -> dict[str, float]:
        """Weights of the two components, as given."""
        return {"process": self.process, "answer": self.answer}

    def score(self, batch: Batch) -> Components:
        """Return components `process` and `answer`."""
        pairs = zip(batch.texts, batch.questions, strict=True)
        prefixes: Scores = [valid_prefix(text, question) for text, question in pairs]
        return {"process": prefixes, "answer": answer_scores(batch)}

    def spans(self, batch: Batch) -> list[list[Span]]:
        """Return every equation of every completion, repeats included; the gold is not asked for."""
        pairs = zip(batch.texts, batch.questions, strict=True)
        return [[_span(step) for step in steps(text, question)] for text, question in pairs]


def _span(step: Step) -> Span:
    return Span(step.equation.start, step.equation.end, SCORES.get(step.status))


def valid_prefix(text: str, question: str) -> float:
    """Return (valid steps) / (steps that are not trivial), in [0, 1]; 0 without steps.

    Neither a repeated right step nor a false, an unreadable or a trivial one ever raises it; see `steps`.
    """
    counted = [step for step in steps(text, question) if step.status != "trivial"]
    return sum(step.status == "valid" for step in counted) / len(counted) if counted else 0.0


def steps(text: str, question: str) -> list[Step]:
    """Judge every equation of `text` in order.

    - *false*: its sides differ. What follows the first false step is *after* it, unless trivial.
    - *unknown*: unreadable, or not grounded: an operand is neither in the question (as digits, a word, or p% for p),
      nor a result of an earlier step, nor one of a few constants - or all operands are constants.
    - *trivial*: it was written before (operands in any order), true or not; or it is true and grounded, but its result
      is nothing new: one of its own operands (2*1=2), an earlier result, or a number of the question that is not the
      final answer.
    - *valid*: true, grounded and new. *unused* instead, where its result is neither an operand of a later valid step
      nor the final answer that the text commits to.
    """
    text = _first_turn(text)
    answer = _committed(text)
    return _used(_judged(equations(text), question, answer), answer)


def _judged(found: Iterable[Equation], question: str, answer: Answer) -> list[Step]:
    """Judge without regard to use."""
    numbers, grounds = _grounds(question)
    known = set(grounds)
    old = set(numbers - answer)
    judged: list[Step] = []
    failed = False
    written: set[object] = set()
    for equation in found:
        status = "trivial" if equation.key in written else _status(equation, known, old)
        written.add(equation.key)
        failed = failed or status == "false"
        if failed and status not in ("false", "trivial"):
            status = "after"
        judged.append(Step(equation, status))
        if status == "valid":
            known |= _values(equation)
            old |= _values(equation)
    return judged


def _status(equation: Equation, known: Set[Exact], old: Set[Exact]) -> Status:
    if not equation.true:
        return "false" if equation.true is False else "unknown"
    if not _grounded(equation, known):
        return "unknown"
    new = old.isdisjoint(equation.results) and set(equation.operands).isdisjoint(equation.results)
    return "valid" if new else "trivial"


def _used(judged: Sequence[Step], answer: Answer) -> list[Step]:
    """Walk back from the final answer: a step that nothing behind it needs is unused."""
    needed = set(answer)
    settled: list[Step] = []
    for step in reversed(judged):
        if step.status == "valid" and needed.isdisjoint(_values(step.equation)):
            step = Step(step.equation, "unused")
        if step.status == "valid":
            needed.update(step.equation.operands)
        settled.append(step)
    return settled[::-1]


def valid_steps(text: str, question: str) -> int:
    """Return how many equations are true and grounded, each repeat counted again: what the control `step_sum` pays."""
    known, valid = set(_grounds(question)[1]), 0
    for equation in equations(_first_turn(text)):
        if equation.true and _grounded(equation, known):
            valid += 1
            known |= _values(equation)
    return valid


# A group's completions answer the same question.
@lru_cache(maxsize=1024)
def _grounds(question: str) -> tuple[frozenset[Exact], frozenset[Exact]]:
    """The numbers that the question states, and these with what percentages become."""
    numbers = stated(question)
    return frozenset(map(exact, numbers)), frozenset(map(exact, numbers | derived(numbers)))


def _values(equation: Equation) -> set[Exact]:
    # 5-8=-3 goes on as 10-3 just as well as 10+(-3).
    return {value for result in equation.results for value in (result, result if result > 0 else -result)}


def _grounded(equation: Equation, known: Set[Exact]) -> bool:
    if not all(operand in known or operand in FACTS for operand in equation.operands):
        return False
    return any(operand in known for operand in equation.operands)


def _committed(text: str) -> Answer:
    """Return the final answer, also as a share, for 25% may be derived as 0.25.

    A last number in prose is none: it would make every last equation a used one.
    """
    # The gold decides only whether the answer is right, which is not asked here.
    verdict = verify(text, 0)
    if verdict.answer is None or verdict.kind == "prose":
        return frozenset()
    value = Fraction(verdict.answer.removesuffix("%"))
    return frozenset({exact(value), exact(value / 100)})


def _first_turn(text: str) -> str:
    end = END_OF_TURN.search(text)
    return text[: end.start()] if end else text
