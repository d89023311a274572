"""Two evaluations on the same questions, item by item: paired difference, interval, test, and what flipped."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from itertools import combinations
from pathlib import Path
from typing import Any, Literal

from evals.items import Frame, ItemsError, Row, rows_of
from evals.statistics.holm import holm
from evals.statistics.intervals import clustered, wilson
from evals.statistics.paired import PairedEstimate, mcnemar_exact, paired_scores, paired_shares
from evals.statistics.planning import detectable, needed

__all__ = ["Comparison", "Contrast", "Pair", "compare", "compare_all"]

Source = str | Path | Sequence[Mapping[str, Any]] | Frame
Key = tuple[str, int]
Side = Literal["a", "b"]

MCNEMAR = "exact McNemar"
SIGN_FLIP = "sign-flip over questions"
POINT = 0.01


@dataclass(frozen=True)
class Pair:
    """The two completions of one question and sample, and their grades."""

    id: str
    sample: int
    a: Row
    b: Row
    grade_a: float
    grade_b: float

    @property
    def difference(self) -> float:
        return self.grade_a - self.grade_b


@dataclass(frozen=True)
class Comparison:
    """A against B on the pairs that both could be scored on. Accuracies and differences are fractions.

    Attributes:
        n: questions.
        samples: pairs of completions, n times k.
        a, b: mean grade on those pairs; `a_low` to `b_high` are the ends of their intervals, Wilson's for one 0/1
            sample a question, else clustered by question.
        delta: a - b, so positive where A is better; `low` and `high` are the ends of its interval.
        p: two-sided, by `test`.
        a_only, b_only: pairs on which A graded higher, and B.
        unscorable_a, unscorable_b: completions without a grade; their pairs are left out, never counted as wrong.
        unmatched_a, unmatched_b: completions that the other side lacks, left out by `intersect`.
        detectable: the smallest true difference that as many questions find with 80 % power.
        needed: questions that would find one point with 80 % power. Both None where nothing differs.
        pairs: every scored pair, in the order of A.
    """

    metric: str
    n: int
    samples: int
    a: float
    a_low: float | None
    a_high: float | None
    b: float
    b_low: float | None
    b_high: float | None
    delta: float
    low: float | None
    high: float | None
    p: float | None
    test: str
    a_only: int
    b_only: int
    unscorable_a: int
    unscorable_b: int
    unmatched_a: int
    unmatched_b: int
    detectable: float | None
    needed: int | None
    level: float
    pairs: tuple[Pair, ...] = field(repr=False)

    def flips(self, better: Side, count: int) -> list[Pair]:
        """Return up to `count` questions that one side answered better, a pair each, the widest difference first."""
        sign = 1 if better == "a" else -1
        groups = _by_question(self.pairs, lambda pair: sign * pair.difference)
        leads = {name: math.fsum(values) / len(values) for name, values in groups.items()}
        shown: dict[str, Pair] = {}
        for pair in self.pairs:
            if sign * pair.difference > 0 and leads[pair.id] > 0:
                shown.setdefault(pair.id, pair)
        return sorted(shown.values(), key=lambda pair: -leads[pair.id])[:count]

    def numbers(self) -> dict[str, Any]:
        """Return every field but the pairs, for machines."""
        return {each.name: getattr(self, each.name) for each in fields(self) if each.name != "pairs"}


@dataclass(frozen=True)
class Contrast:
    """One pair of a table of evaluations; `p_holm` is corrected over all of its pairs."""

    a: str
    b: str
    comparison: Comparison
    p_holm: float | None


def compare(
    a: Source, b: Source, *, metric: str = "correct", intersect: bool = False, level: float = 0.95
) -> Comparison:
    """Compare two evaluations of the same questions.

    Completions are paired by (id, sample). One 0/1 sample a question: the exact McNemar test with Agresti and Min's
    interval. k samples: `paired_shares`, or `paired_scores` for grades other than 0 and 1: sign-flip test and
    cluster-robust t interval, both over questions (df = questions - 1), for samples of a question are not independent.

    Args:
        a, b: an items.jsonl, a folder that holds one, rows, or a frame.
        metric: the field that holds the grade: correct, strict, flexible, or any number.
        intersect: compare what both have, instead of refusing different sets of completions.

    Raises:
        ItemsError: nothing can be compared, or not without `intersect`; the message says the fix.
    """
    first, second = _indexed(rows_of(a), "A"), _indexed(rows_of(b), "B")
    common = _common(first, second, intersect)
    pairs, lost_a, lost_b = _scored([(first[key], second[key]) for key in common], common, metric)
    found, test = _tested(pairs, level)
    spread = clustered(_by_question(pairs, lambda pair: pair.difference), level)
    sd = (spread.se or 0.0) * math.sqrt(found.n)
    mean_a, low_a, high_a = _mean(_by_question(pairs, lambda pair: pair.grade_a), level)
    mean_b, low_b, high_b = _mean(_by_question(pairs, lambda pair: pair.grade_b), level)
    return Comparison(
        metric=metric,
        n=found.n,
        samples=len(pairs),
        a=mean_a,
        a_low=low_a,
        a_high=high_a,
        b=mean_b,
        b_low=low_b,
        b_high=high_b,
        delta=found.delta,
        low=found.low,
        high=found.high,
        p=found.p,
        test=test,
        a_only=sum(pair.difference > 0 for pair in pairs),
        b_only=sum(pair.difference < 0 for pair in pairs),
        unscorable_a=lost_a,
        unscorable_b=lost_b,
        unmatched_a=len(first) - len(common),
        unmatched_b=len(second) - len(common),
        detectable=detectable(sd, found.n, alpha=1 - level) if sd else None,
        needed=needed(POINT, sd, alpha=1 - level) if sd else None,
        level=level,
        pairs=tuple(pairs),
    )


def compare_all(
    evaluations: Mapping[str, Source], *, metric: str = "correct", intersect: bool = False, level: float = 0.95
) -> list[Contrast]:
    """Compare every pair of evaluations, with Holm's correction over all pairs. Raises as `compare` does."""
    rows = {name: rows_of(source) for name, source in evaluations.items()}
    pairs = list(combinations(rows, 2))
    found = []
    for a, b in pairs:
        try:
            found.append(compare(rows[a], rows[b], metric=metric, intersect=intersect, level=level))
        except ItemsError as error:
            raise ItemsError(f"A = {a}, B = {b}: {error}") from error
    corrected = holm([comparison.p for comparison in found])
    return [Contrast(a, b, each, p) for (a, b), each, p in zip(pairs, found, corrected, strict=True)]


def _indexed(rows: Iterable[Row], side: str) -> dict[Key, Row]:
    found: dict[Key, Row] = {}
    for row in rows:
        key = (str(row["id"]), int(_number(row.get("sample") or 0, "sample", row, side)))
        if key in found:
            raise ItemsError(f"{side} has sample {key[1]} of {key[0]} twice; number the samples of a question")
        found[key] = row
    return found


def _common(a: Mapping[Key, Row], b: Mapping[Key, Row], intersect: bool) -> list[Key]:
    """Return the keys in both, in the order of A; refuses different sets, and equal ids of different questions."""
    common = [key for key in a if key in b]
    if not common:
        raise ItemsError(f"A ({len(a):,} completions) and B ({len(b):,}) share no (id, sample): not the same questions")
    if not intersect and not len(common) == len(a) == len(b):
        id, sample = next(key for key in (*a, *b) if key not in a or key not in b)
        raise ItemsError(
            f"A has {len(a):,} completions and B {len(b):,}, {len(common):,} in both (not {id}, sample {sample}); "
            "finish the shorter evaluation, or compare what both have: --intersect (intersect=True)"
        )
    for key in common:
        asked = [row.get("question") for row in (a[key], b[key])]
        if None not in asked and asked[0] != asked[1]:
            raise ItemsError(f"{key[0]} is another question in A than in B; evaluate both on the same data")
    return common


def _scored(rows: Sequence[tuple[Row, Row]], keys: Sequence[Key], metric: str) -> tuple[list[Pair], int, int]:
    """Return the pairs with two grades, and how many completions of A and of B have none; refuses no pair at all."""
    grades = [(_grade(a, metric, "A"), _grade(b, metric, "B")) for a, b in rows]
    lost_a, lost_b = (sum(each[side] is None for each in grades) for side in (0, 1))
    pairs = [
        Pair(*key, a, b, x, y)
        for key, (a, b), (x, y) in zip(keys, rows, grades, strict=True)
        if x is not None and y is not None
    ]
    if not pairs:
        raise ItemsError(
            f"none of {len(rows):,} pairs has two grades under `{metric}` (A lacks {lost_a:,}, B {lost_b:,}); "
            "see their `status`: golds that do not parse cannot be scored"
        )
    return pairs, lost_a, lost_b


def _grade(row: Row, metric: str, side: str) -> float | None:
    """Return the grade, None where there is none: its gold cannot be scored, whatever the metric says."""
    if metric not in row:
        numbers = [name for name, value in row.items() if isinstance(value, bool | int | float)]
        raise ItemsError(f"{side}: {row['id']} has no `{metric}`; it has {', '.join(numbers) or 'no number'}")
    value = row[metric]
    # JSON lines written by way of a frame say NaN for None.
    if any(each is None or each != each for each in (value, row.get("correct", value))):
        return None
    return _number(value, metric, row, side)


def _number(value: Any, name: str, row: Row, side: str) -> float:
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise ItemsError(f"{side}: `{name}` of {row['id']} is no number: {value!r:.80}; mend the row") from error


def _tested(pairs: Sequence[Pair], level: float) -> tuple[PairedEstimate, str]:
    differences = _by_question(pairs, lambda pair: pair.difference).values()
    if not _binary(grade for pair in pairs for grade in (pair.grade_a, pair.grade_b)):
        return paired_scores(differences, level), SIGN_FLIP
    found = paired_shares(differences, level)
    if len(pairs) > found.n:
        return found, SIGN_FLIP
    a, b = (sum(pair.difference == sign for pair in pairs) for sign in (1, -1))
    return replace(found, p=mcnemar_exact(a, b)), MCNEMAR


def _mean(groups: Mapping[str, Sequence[float]], level: float) -> tuple[float, float | None, float | None]:
    grades = [grade for group in groups.values() for grade in group]
    if len(grades) == len(groups) and _binary(grades):
        right = sum(grade == 1 for grade in grades)
        return right / len(grades), *wilson(right, len(grades), level)
    estimate = clustered(groups, level)
    # Grades are shares of [0, 1]: cutting the interval there covers as often.
    if estimate.low is None or estimate.high is None:
        return estimate.mean, None, None
    return estimate.mean, max(0.0, estimate.low), min(1.0, estimate.high)


def _binary(grades: Iterable[float]) -> bool:
    return all(grade in (0.0, 1.0) for grade in grades)


def _by_question(pairs: Iterable[Pair], value: Callable[[Pair], float]) -> dict[str, list[float]]:
    groups: dict[str, list[float]] = {}
    for pair in pairs:
        groups.setdefault(pair.id, []).append(value(pair))
    return groups
