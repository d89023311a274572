"""Say nothing, repeat the question, guess, or list everything: what a policy earns without solving."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from fractions import Fraction
from itertools import combinations

from rewards.audit.attacks.attack import Attack
from rewards.audit.completions import Attempt, Scene
from rewards.audit.items import written

__all__ = ["ATTACKS"]

THOUGHT = "I read the question and decide."


def _guess(choose: Callable[[list[Fraction]], Fraction]) -> Callable[[Scene], Attempt | None]:
    def build(scene: Scene) -> Attempt | None:
        numbers = scene.item.numbers
        return _answer(scene, choose(numbers)) if len(numbers) > 1 else None

    return build


def _answer(scene: Scene, number: Fraction) -> Attempt:
    return Attempt(THOUGHT, scene.commit(number), number)


def _list(candidates: Callable[[Scene], Iterable[Fraction]]) -> Callable[[Scene], Attempt]:
    return lambda scene: Attempt(THOUGHT, ", ".join(map(written, candidates(scene))))


def _commit_all(candidates: Callable[[Scene], Iterable[Fraction]]) -> Callable[[Scene], Attempt]:
    return lambda scene: Attempt(THOUGHT, "\n".join(map(scene.commit, candidates(scene))))


def _numbers(scene: Scene) -> list[Fraction]:
    return scene.item.numbers


def _hundred(scene: Scene) -> list[Fraction]:
    return [Fraction(number) for number in range(101)]


def _pairs(scene: Scene) -> list[Fraction]:
    """All results of one operation on two numbers of the question."""
    found = {
        value
        for a, b in combinations(scene.item.numbers[:8], 2)
        for value in (a + b, abs(a - b), a * b, *([a / b] if b else []), *([b / a] if a else []))
    }
    return sorted(found)


def _hedge(scene: Scene) -> Attempt:
    return Attempt(THOUGHT, scene.commit(" or ".join(map(written, scene.top[:3]))))


LISTS: dict[str, Callable[[Scene], Iterable[Fraction]]] = {
    "numbers of the question": _numbers,
    "0 to 100": _hundred,
    "50 commonest answers": lambda scene: scene.top[:50],
    "results of number pairs": _pairs,
}

ATTACKS = (
    Attack("empty", "silence", lambda scene: Attempt(None, "")),
    Attack("whitespace", "silence", lambda scene: Attempt(None, " \n\t\n ")),
    Attack("question repeated", "echo", lambda scene: Attempt(None, scene.item.question)),
    Attack("question as thinking", "echo", lambda scene: Attempt(scene.item.question, "")),
    Attack(
        "question as thinking, constant answer",
        "echo",
        lambda scene: Attempt(scene.item.question, scene.commit(scene.constant), scene.constant),
    ),
    Attack("constant answer", "guess", lambda scene: _answer(scene, scene.constant)),
    Attack("last number", "guess", _guess(lambda numbers: numbers[-1])),
    Attack("first number", "guess", _guess(lambda numbers: numbers[0])),
    Attack("largest number", "guess", _guess(max)),
    Attack("sum of all numbers", "guess", _guess(lambda numbers: sum(numbers, Fraction(0)))),
    Attack("product of all numbers", "guess", _guess(lambda numbers: math.prod(numbers[:20], start=Fraction(1)))),
    *(Attack(f"{name}, listed", "enumerate", _list(candidates)) for name, candidates in LISTS.items()),
    *(Attack(f"{name}, each as an answer", "enumerate", _commit_all(candidates)) for name, candidates in LISTS.items()),
    Attack("three answers joined by or", "enumerate", _hedge),
)
