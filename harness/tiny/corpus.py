"""The corpus the embedded base is trained on: careful chains first, then careless ones, then other manners.

The first part teaches the task. The later parts set the base's *habits* without removing what it can do: like a model
pretrained on unfiltered text it reasons carelessly more often than not, and mostly answers in other manners altogether.
Reinforcement learning has two things to teach, and they are reported apart: to use the format, and to reason with care
within it.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction

from harness.tiny.problems import Problem, evaluate, in_range, problems, think

DRILL = "How many is it?"
DRILL_STEPS = 8
Steps = tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Habits:
    """Shares of manners among completions; the rest up to 1 are `<think>` chains.

    Attributes:
        plain: "The answer is n." without reasoning or marker.
        direct: "#### n" without reasoning.
        careless: the share of the chains that hold one reasoning error.
    """

    plain: float
    direct: float
    careless: float


def completion(problem: Problem, habits: Habits, rng: random.Random) -> str:
    """One completion in a manner drawn from the habits. `plain` and `direct` answers are right ones."""
    draw = rng.random()
    if draw < habits.plain:
        return f"The answer is {problem.results[-1]}."
    if draw < habits.plain + habits.direct:
        return f"#### {problem.results[-1]}"
    if rng.random() < habits.careless:
        return think(careless_steps(problem, rng))
    return problem.chain


def careless_steps(problem: Problem, rng: random.Random) -> Steps:
    """The chain with one error of the kinds seen in real solutions; errors that cannot occur here are passed over."""
    errors: list[Callable[[Problem, random.Random], Steps | None]] = [_stop_early, _wrong_operation, _take_distractor]
    rng.shuffle(errors)
    for error in (*errors, _slip):
        steps = error(problem, rng)
        if steps is not None and steps[-1][1] != problem.results[-1]:
            return steps
    return problem.steps


def _stop_early(problem: Problem, rng: random.Random) -> Steps | None:
    """Takes the last but one result for the answer."""
    return problem.steps[:-1] if len(problem.steps) > 1 else None


def _wrong_operation(problem: Problem, rng: random.Random) -> Steps | None:
    """Adds where it should subtract or multiply, and the other way round; the later steps follow from it."""
    index = rng.randrange(len(problem.steps))
    left, operator, right, *_ = problem.expressions[index].split()
    other = {"+": "-", "-": "+", "*": "+", "/": "-"}[operator]
    expression = f"{left} {other} {right}"
    return _continued(problem, index, expression, evaluate(expression))


def _slip(problem: Problem, rng: random.Random) -> Steps | None:
    """Writes a result that is off by 1 or 10; the later steps follow from it."""
    index = rng.randrange(len(problem.steps))
    off = problem.results[index] + rng.choice((-10, -1, 1, 10))
    return _continued(problem, index, problem.expressions[index], Fraction(off))


def _take_distractor(problem: Problem, rng: random.Random) -> Steps | None:
    """Works the irrelevant number into the last result."""
    if problem.distractor is None:
        return None
    expression = f"{problem.results[-1]} {rng.choice('+-')} {problem.distractor}"
    value = evaluate(expression)
    return (*problem.steps, (expression, int(value))) if in_range(value) else None


def _continued(problem: Problem, index: int, expression: str, value: Fraction) -> Steps | None:
    """The chain with step `index` replaced and its result carried on; None when a result leaves the range."""
    steps: list[tuple[str, int]] = list(problem.steps[:index])
    changed: dict[str, str] = {}
    for position in range(index, len(problem.steps)):
        if position > index:
            expression = " ".join(changed.get(part, part) for part in problem.expressions[position].split())
            value = evaluate(expression)
        if not in_range(value):
            return None
        changed[str(problem.results[position])] = str(value)
        steps.append((expression, int(value)))
    return tuple(steps)


def rows(seed: int, count: int, habits: Habits, difficulty: int, drills: float = 0.0) -> Iterator[dict[str, str]]:
    """`count` rows `{"question", "completion"}` drawn from the train split; `drills` is the share of drills."""
    stream = problems("train", seed, difficulty)
    rng = random.Random(f"habits/{seed}")
    for _ in range(count):
        if rng.random() < drills:
            yield drill(stream, rng)
        else:
            problem = next(stream)
            yield {"question": problem.question, "completion": completion(problem, habits, rng)}


def drill(stream: Iterator[Problem], rng: random.Random) -> dict[str, str]:
    """Single steps of many problems in one row: far more arithmetic for each token read than a problem has."""
    steps = [rng.choice(next(stream).steps) for _ in range(DRILL_STEPS)]
    return {"question": DRILL, "completion": think(tuple(steps))}
