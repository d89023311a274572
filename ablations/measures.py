"""What one file of graded completions says: accuracy and its companions, and the spread of them over questions."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from ablations.records import Item

Test = Callable[[Item], bool]


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


def scorable(items: Iterable[Item]) -> list[Item]:
    """Return the completions whose gold can be scored: what is not scorable is left out, never counted as wrong."""
    return [item for item in items if item.correct is not None]


def score(items: Sequence[Item]) -> Score:
    """Measure one items file. Every share has the same denominator, except accuracy among formatted completions."""
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


def by_question(items: Sequence[Item], among: Test = anyone) -> dict[str, float]:
    """Spread a share over questions, so that the spread of the result is the share's cluster-robust error.

    For the share r = sum(correct) / N over the N completions in `among` and Q questions, question q receives
    r + Q / N * sum over its completions of (correct - r). The Q values have mean r, and their standard deviation over
    sqrt(Q) is the standard error of r clustered by question (linearised ratio, small-sample factor Q / (Q - 1)).
    Differences of two such shares over the same questions subtract value by value, which keeps the pairing.
    Empty when no completion is in `among`.
    """
    kept = scorable(items)
    chosen = [item for item in kept if among(item)]
    if not chosen:
        return {}
    share = fmean(bool(item.correct) for item in chosen)
    values = dict.fromkeys((item.id for item in kept), share)
    for item in chosen:
        values[item.id] += len(values) / len(chosen) * (bool(item.correct) - share)
    return values
