"""Word problems in GSM8K's manner, drawn from the templates: question, worked solution, split key.

The split key of a problem is `(template, numbers)`. A key belongs to exactly one of train, dev and test, by the hash of
the key alone, so no evaluation problem occurs in training under other names or objects. Distractor numbers are not part
of the key: a test problem is not a training problem with another distractor either.
"""

import hashlib
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

from harness.tiny.templates import DISTRACTORS, NAMES, OBJECTS, SEEN, UNSEEN, Template

Split = Literal["train", "dev", "test", "unseen"]
SPLITS: tuple[Split, ...] = ("train", "dev", "test", "unseen")
LARGEST = 60


@dataclass(frozen=True)
class Problem:
    """A drawn problem. `expressions[i]` (given numbers and earlier results filled in) has the value `results[i]`."""

    template: str
    numbers: tuple[int, ...]
    question: str
    expressions: tuple[str, ...]
    results: tuple[int, ...]
    distractor: int | None

    @property
    def key(self) -> tuple[str, tuple[int, ...]]:
        return self.template, self.numbers

    @property
    def steps(self) -> tuple[tuple[str, int], ...]:
        return tuple(zip(self.expressions, self.results, strict=True))

    @property
    def solution(self) -> str:
        """The worked solution in GSM8K's own format: `<<a=b>>` annotations, last line `#### n`."""
        lines = [f"{tight(e)}=<<{tight(e)}={r}>>{r}" for e, r in self.steps]
        return "\n".join([*lines, f"#### {self.results[-1]}"])

    @property
    def chain(self) -> str:
        return think(self.steps)


def tight(expression: str) -> str:
    return expression.replace(" ", "")


def think(steps: tuple[tuple[str, int], ...]) -> str:
    """Renders steps as a `<think>` chain ended by `#### n`, the last result being the answer."""
    lines = "\n".join(f" {expression} = {result}" for expression, result in steps)
    return f"<think>{lines}</think>\n#### {steps[-1][1]}"


def evaluate(expression: str) -> Fraction:
    """The exact value of `a op b (op c ...)` with spaced operators, strictly from left to right."""
    first, *rest = expression.split()
    value = Fraction(int(first))
    for operator, operand in zip(rest[::2], rest[1::2], strict=True):
        value = _apply(operator, value, int(operand))
    return value


def _apply(operator: str, left: Fraction, right: int) -> Fraction:
    match operator:
        case "+":
            return left + right
        case "-":
            return left - right
        case "*":
            return left * right
        case "/" if right:
            return left / right
    raise ValueError(f"cannot apply {operator} {right}")


def in_range(value: Fraction) -> bool:
    """Whether a result is one the vocabulary can write: a whole number from 1 to `LARGEST`."""
    return value.denominator == 1 and 1 <= value <= LARGEST


def _drawn_numbers(template: Template, rng: random.Random) -> dict[str, int]:
    numbers = {}
    for entry in template.numbers.split():
        slot, span = entry.split("=")
        if "|" in span:
            numbers[slot] = int(rng.choice(span.split("|")))
        else:
            low, high = span.split("-")
            numbers[slot] = rng.randint(int(low), int(high))
    return numbers


def _solved(template: Template, numbers: dict[str, int]) -> list[tuple[str, int]] | None:
    """Fills and evaluates the steps; None when a result leaves the range."""
    values = dict(numbers)
    steps: list[tuple[str, int]] = []
    for index, step in enumerate(template.steps.split(";"), start=1):
        spaced = step.strip()
        for operator in "+-*/":
            spaced = spaced.replace(operator, f" {operator} ")
        filled = " ".join(str(values.get(part, part)) for part in spaced.split())
        result = evaluate(filled)
        if not in_range(result):
            return None
        values[f"r{index}"] = int(result)
        steps.append((filled, int(result)))
    return steps


def _with_distractor(text: str, sentence: str, rng: random.Random) -> str:
    """Puts the sentence somewhere before the question, never first: the story opens as its template does."""
    sentences = text.replace("? ", "?|").replace(". ", ".|").split("|")
    sentences.insert(rng.randint(1, len(sentences) - 1), sentence)
    return " ".join(sentences)


def draw(template: Template, rng: random.Random, distractors: float) -> Problem:
    """Draws one problem of a template; with probability `distractors` an irrelevant number is told as well."""
    while True:
        numbers = _drawn_numbers(template, rng)
        steps = _solved(template, numbers)
        if steps is not None:
            break
    people = rng.sample(NAMES, 4)
    things = rng.sample(OBJECTS, 3)
    words: dict[str, Any] = dict(zip("ABCD", people, strict=True)) | dict(zip("xyw", things, strict=True))
    text, z = template.text, None
    if rng.random() < distractors:
        z = rng.choice([n for n in range(2, 61) if n not in numbers.values()])
        text = _with_distractor(text, rng.choice(DISTRACTORS), rng)
    return Problem(
        template=template.name,
        numbers=tuple(numbers.values()),
        question=text.format(**numbers, **words, z=z),
        expressions=tuple(e for e, _ in steps),
        results=tuple(r for _, r in steps),
        distractor=z,
    )


def split_of(key: tuple[str, tuple[int, ...]]) -> Split:
    """The only split a key of a seen template may appear in: 8 of 10 train, 1 dev, 1 test."""
    bucket = hashlib.sha256(json.dumps(key).encode()).digest()[0] % 10
    return "dev" if bucket == 8 else "test" if bucket == 9 else "train"


def problems(split: Split, seed: int, difficulty: int = 2) -> Iterator[Problem]:
    """An endless stream of problems of one split.

    Args:
        split: `train`, `dev`, `test` (disjoint keys of the seen templates) or `unseen` (templates never trained on).
        seed: of the stream; equal seeds give equal streams.
        difficulty: 1 has 2-step problems without distractors, 2 has 2-4 steps with a distractor in a quarter,
            3 has 2-5 steps with a distractor in half of the problems.
    """
    if difficulty not in (1, 2, 3):
        raise ValueError(f"difficulty is 1, 2 or 3, not {difficulty}")
    most_steps, distractors = {1: (2, 0.0), 2: (4, 0.25), 3: (5, 0.5)}[difficulty]
    pool = [t for t in (UNSEEN if split == "unseen" else SEEN) if t.step_count <= most_steps]
    rng = random.Random(f"{split}/{seed}/{difficulty}")
    while True:
        problem = draw(rng.choice(pool), rng, distractors)
        if split == "unseen" or split_of(problem.key) == split:
            yield problem


def write_split(path: Path, split: Split, count: int, seed: int, difficulty: int) -> None:
    """Writes `count` problems with distinct questions as a file in GSM8K's format: `question`, `answer` JSON lines."""
    seen: set[str] = set()
    stream = problems(split, seed, difficulty)
    with path.open("w", encoding="utf-8") as file:
        while len(seen) < count:
            problem = next(stream)
            if problem.question not in seen:
                seen.add(problem.question)
                file.write(json.dumps({"question": problem.question, "answer": problem.solution}) + "\n")
