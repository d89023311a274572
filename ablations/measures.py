"""What one file of graded completions says: accuracy and its companions, and the spread of them over questions."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean
from typing import Any


@dataclass(frozen=True, slots=True)
class Item:
    """One graded completion. `id` is that of its question; `correct` is None when the gold cannot be scored.

    `false_steps` counts the equations in it that are not true, None where nobody counted.
    """

    id: str
    correct: bool | None
    strict: bool | None
    flexible: bool | None
    format: bool | None
    tokens: float | None
    false_steps: int | None
    status: str
    finish_reason: str


Test = Callable[[Item], bool]
Measure = Callable[[Item], float | None]


@dataclass(frozen=True)
class Score:
    """The measures of one items file. Shares are fractions of the scorable completions; None where there is none.

    `n` counts questions with a scorable gold, `samples` the most completions of one question, `unscorable` the
    completions left out because their gold cannot be scored. `troubled` counts verifier timeouts and errors.
    `right_by_wrong_steps` is the share of the correct completions that hold a false equation.
    """

    n: int
    samples: int
    unscorable: int
    troubled: int
    accuracy: float | None
    strict: float | None
    flexible: float | None
    format: float | None
    accuracy_given_format: float | None
    truncated: float | None
    tokens: float | None
    right_by_wrong_steps: float | None


class Items(tuple[Item, ...]):
    """The graded completions of one file. They are measured once, however often a report asks."""

    @cached_property
    def score(self) -> Score:
        """What `score` finds in them."""
        return _measured(self)


def scorable(items: Iterable[Item]) -> list[Item]:
    """Return the completions whose gold can be scored: what is not scorable is left out, never counted as wrong."""
    return [item for item in items if item.correct is not None]


def answers(items: Iterable[Item]) -> dict[str, list[bool]]:
    """Return whether the samples of each question are right, of the questions whose gold can be scored."""
    found: dict[str, list[bool]] = {}
    for item in scorable(items):
        found.setdefault(item.id, []).append(bool(item.correct))
    return found


def score(items: Sequence[Item]) -> Score:
    """Measure one items file. Every share has the same denominator, except accuracy among formatted completions."""
    return (items if isinstance(items, Items) else Items(items)).score


def _measured(items: Items) -> Score:
    kept = scorable(items)
    per_question = Counter(item.id for item in kept)
    return Score(
        n=len(per_question),
        samples=max(per_question.values(), default=0),
        unscorable=len(items) - len(kept),
        troubled=sum(item.status in ("timeout", "error") for item in kept),
        accuracy=mean(item.correct for item in kept),
        strict=mean(item.strict for item in kept),
        flexible=mean(item.flexible for item in kept),
        format=mean(item.format for item in kept),
        accuracy_given_format=mean(item.correct for item in kept if item.format),
        truncated=mean(item.finish_reason == "length" for item in kept),
        tokens=mean(item.tokens for item in kept),
        right_by_wrong_steps=mean(
            item.false_steps > 0 for item in kept if item.correct and item.false_steps is not None
        ),
    )


def mean(values: Iterable[float | None]) -> float | None:
    """Return the mean of the values that are there, or None when none is."""
    present = [float(value) for value in values if value is not None]
    return fmean(present) if present else None


def means(scores: Iterable[Score], names: Iterable[str]) -> dict[str, Any]:
    """Return the mean of the named measures over several files."""
    found = list(scores)
    return {name: mean(getattr(item, name) for item in found) for name in names}


def anyone(_: Item) -> bool:
    """Accept every completion: the denominator of plain accuracy."""
    return True


def formatted(item: Item) -> bool:
    """Accept the completions that have the format: the denominator of accuracy given format."""
    return bool(item.format)


def correct(item: Item) -> bool | None:
    """Return what accuracy is the mean of."""
    return item.correct


def by_question(items: Sequence[Item], among: Test = anyone, of: Measure = correct) -> dict[str, float]:
    """Spread the mean of `of` over questions, so that the spread of the result is the mean's cluster-robust error.

    For the mean r of the N completions in `among` that have such a value, and Q questions, question q receives
    r + Q / N * sum over its completions of (value - r). The Q values have mean r, and their standard deviation over
    sqrt(Q) is the standard error of r clustered by question (linearised ratio, small-sample factor Q / (Q - 1)).
    Differences of two such means over the same questions subtract value by value, which keeps the pairing.
    Empty when no completion in `among` has a value.
    """
    kept = scorable(items)
    chosen = [(item.id, float(value)) for item in kept if among(item) and (value := of(item)) is not None]
    if not chosen:
        return {}
    centre = fmean(value for _, value in chosen)
    values = dict.fromkeys((item.id for item in kept), centre)
    for question, value in chosen:
        values[question] += len(values) / len(chosen) * (value - centre)
    return values
