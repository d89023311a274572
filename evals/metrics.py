"""Metrics of one evaluation, computed from the rows of its `items.jsonl` and nothing else.

A row is one completion; the rows of one `id` are the k samples of one question. Rows that could not be judged
(`correct` is None) are counted and left out, never taken for wrong; so is, in a metric over k samples, every question
with fewer than k judged ones. Each metric comes with its n and the unit that n counts.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import fmean
from typing import Any

from evals.statistics.intervals import clustered, wilson

__all__ = ["g_pass_at_k", "maj_at_k", "pass_at_k", "per_item", "powers", "repetition", "steps", "summary"]

Row = Mapping[str, Any]
Group = list[Row]

TAUS = (0.5, 1.0)
"""The shares of correct samples that G-pass@k asks for in a summary."""

GRAM = 6
"""Words in an n-gram of `repetition`: shorter ones come back in honest arithmetic."""


def pass_at_k(n: int, c: int, k: int) -> float:
    """The chance that at least one of k samples is correct, from c correct ones of n: 1 - C(n-c, k) / C(n, k).

    Unbiased over draws of the n samples (arXiv 2107.03374, eq. 1). Raises `ValueError` unless 0 <= c <= n, 1 <= k <= n.
    """
    _check(n, c, k)
    return 1.0 - math.comb(n - c, k) / math.comb(n, k)


def g_pass_at_k(n: int, c: int, k: int, tau: float) -> float:
    """The chance that at least a share tau of k samples is correct, from c correct ones of n (arXiv 2412.13147).

    sum over j from ceil(tau k) to min(c, k) of C(c, j) C(n-c, k-j) / C(n, k). tau = 1 asks for all k; at tau <= 1/k it
    is pass@k. Raises `ValueError` unless 0 < tau <= 1 and as `pass_at_k`.
    """
    _check(n, c, k)
    if not 0 < tau <= 1:
        raise ValueError(f"tau is a share in (0, 1], not {tau}")
    # 0.1 * 30 is a little more than 3 in binary.
    least = math.ceil(tau * k - 1e-9)
    ways = sum(math.comb(c, j) * math.comb(n - c, k - j) for j in range(max(least, 1), min(c, k) + 1))
    return ways / math.comb(n, k)


def maj_at_k(answers: Sequence[tuple[str | None, bool]]) -> float:
    """The chance that the most frequent answer is correct: self-consistency over all k samples (arXiv 2203.11171).

    Args:
        answers: of each sample the answer in canonical form, None where none could be read, and whether it is correct.

    Where several answers are equally frequent, one of them is drawn: the value is the share of them that is correct.
    Samples without a readable answer do not vote; without any vote the question is lost: 0.
    """
    votes = Counter(answer for answer, _ in answers if answer is not None)
    if not votes:
        return 0.0
    correct = {answer for answer, right in answers if right}
    most = max(votes.values())
    tied = [answer for answer, count in votes.items() if count == most]
    return sum(answer in correct for answer in tied) / len(tied)


def repetition(text: str) -> float | None:
    """The share of a text's 6-grams of words that repeat an earlier one, in [0, 1); None where it has no 6-gram."""
    words = text.split()
    total = len(words) - GRAM + 1
    if total < 1:
        return None
    return 1 - len(set(zip(*(words[start : start + total] for start in range(GRAM)), strict=True))) / total


def steps(gold: str) -> int | None:
    """The number of calculations in a GSM8K solution, its `<<48/2=24>>`; None in a gold without any."""
    return gold.count("<<") or None


def summary(rows: Iterable[Row]) -> dict[str, Any]:
    """All metrics of the rows of one evaluation, ready for JSON.

    Every metric is `{"value", "low", "high", "n", "unit"}`: fractions but for `tokens`, 95 % bounds (`_estimated`), and
    what n counts, `items` or `completions`; value and bounds are None where there is nothing to tell them from.
    `by_steps` holds the accuracy for each number of steps in the gold, `by_kind` for each `kind` of a row.
    """
    everything = list(rows)
    judged = [row for row in everything if row.get("correct") is not None]
    whole = _grouped(everything)
    groups = list(_grouped(judged).values())
    k = max((len(group) for group in whole.values()), default=0)
    formatted = [row for row in judged if row.get("format")]
    repeats = [(row, share) for row in everything if (share := repetition(str(row["completion"]))) is not None]
    return {
        "items": len(whole),
        "samples": k,
        "completions": len(everything),
        "unscorable": len(everything) - len(judged),
        "statuses": dict(sorted(Counter(str(row["status"]) for row in everything).items())),
        "accuracy": _rate(judged, lambda row: row["correct"]),
        "strict": _rate(judged, lambda row: row["strict"]),
        "flexible": _rate(judged, lambda row: row["flexible"]),
        "format": _rate([row for row in judged if "format" in row], lambda row: row["format"]),
        "accuracy_given_format": _rate(formatted, lambda row: row["correct"]),
        "no_answer": _rate(judged, lambda row: row["status"] == "no_answer"),
        "ambiguous": _rate(judged, lambda row: row["status"] == "ambiguous"),
        "truncated": _rate(everything, lambda row: row["finish_reason"] == "length"),
        "tokens": _per_completion([(row, float(row["tokens"])) for row in everything]),
        "repetition": _per_completion(repeats),
        **_over_samples(groups, k),
        "by_steps": _accuracies(judged, lambda row: steps(str(row["gold"]))),
        "by_kind": _accuracies(judged, lambda row: row.get("kind")),
    }


def _over_samples(groups: Sequence[Group], k: int) -> dict[str, Any]:
    """mean@k and maj@k at the number of samples, pass@ and G-pass@ at every power of two up to it and at it."""
    full = [group for group in groups if len(group) == k]
    voting = [group for group in full if all("answer" in row for row in group)]
    found = {
        f"mean@{k}": per_item([fmean(bool(row["correct"]) for row in group) for group in full]),
        f"maj@{k}": per_item([maj_at_k([(row["answer"], row["correct"]) for row in group]) for group in voting]),
    }
    for at in powers(k):
        counts = [(len(group), sum(bool(row["correct"]) for row in group)) for group in groups if len(group) >= at]
        found[f"pass@{at}"] = per_item([pass_at_k(n, c, at) for n, c in counts])
        for tau in TAUS if at > 1 else ():
            found[f"g_pass@{at}_{tau}"] = per_item([g_pass_at_k(n, c, at, tau) for n, c in counts])
    return found


def _rate(rows: Sequence[Row], holds: Callable[[Row], object]) -> dict[str, Any]:
    """The share of completions for which it holds."""
    return _per_completion([(row, float(bool(holds(row)))) for row in rows])


def _per_completion(values: Sequence[tuple[Row, float]]) -> dict[str, Any]:
    groups: dict[str, list[float]] = {}
    for row, value in values:
        groups.setdefault(str(row["id"]), []).append(value)
    return _estimated(list(groups.values()), "completions")


def powers(k: int) -> list[int]:
    """1, 2, 4, ... up to k, and k itself; nothing for no samples."""
    return sorted({1 << power for power in range(k.bit_length())} | {k}) if k else []


def per_item(values: Sequence[float]) -> dict[str, Any]:
    """A mean of one value for each item with its interval, as `summary` has it."""
    return _estimated([[value] for value in values], "items")


def _estimated(groups: Sequence[Sequence[float]], unit: str) -> dict[str, Any]:
    """A mean, a group an item, with its interval: Wilson's for one 0 or 1 an item, else clustered by item.

    Where shares do not differ at all between items, it is Wilson's over the items: no spread would pass for certainty.
    """
    if not groups:
        return {"value": None, "low": None, "high": None, "n": 0, "unit": unit}
    values = [value for group in groups for value in group]
    found: dict[str, Any] = {"value": fmean(values), "n": len(values), "unit": unit}
    if len(groups) == len(values) and set(values) <= {0.0, 1.0}:
        return {**found, **_wilson(found["value"], len(groups))}
    estimate = clustered(groups)
    if estimate.se:
        if max(values) > 1:
            return {**found, "low": estimate.low, "high": estimate.high}
        # A share cannot lie outside [0, 1]; cutting its interval there covers as often.
        return {**found, "low": max(0.0, estimate.low or 0.0), "high": min(1.0, estimate.high or 1.0)}
    return {**found, **(_wilson(found["value"], len(groups)) if max(values) <= 1 else {"low": None, "high": None})}


def _wilson(share: float, n: int) -> dict[str, float]:
    low, high = wilson(round(share * n), n)
    return {"low": low, "high": high}


def _accuracies(rows: Sequence[Row], key: Callable[[Row], Any]) -> dict[str, Any]:
    """The accuracy for each value of `key` that is not None, in order."""
    parts: dict[Any, Group] = {}
    for row in rows:
        if (part := key(row)) is not None:
            parts.setdefault(part, []).append(row)
    return {str(part): _rate(parts[part], lambda row: row["correct"]) for part in sorted(parts)}


def _grouped(rows: Iterable[Row]) -> dict[str, Group]:
    groups: dict[str, Group] = {}
    for row in rows:
        groups.setdefault(str(row["id"]), []).append(row)
    return groups


def _check(n: int, c: int, k: int) -> None:
    if not (0 <= c <= n and 1 <= k <= n):
        raise ValueError(f"{c} correct of {n} samples at k = {k}: need 0 <= c <= n and 1 <= k <= n")
