"""Best of n by a process reward model: what choosing among samples gains over a vote, from graded completions.

    scored(...)     every completion's steps, kept in `rerank.jsonl`
    summary(...)    best-of-n for every aggregation, beside pass@n, maj@n and the mean, with intervals and paired tests

All are estimates of the same thing, the chance that n samples of a question give a right answer, so they can be paired
by question. n is 1, 2, 4, ... up to the number K of samples, and K.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import fmean
from typing import Any

from evals.evaluation import line, write_rows
from evals.metrics import maj_at_k, pass_at_k, per_item, powers
from evals.run import mended
from evals.statistics import holm, paired_scores
from rewards.aggregate import RULES, aggregate
from rewards.batch import Batch
from rewards.spans import StepScorer

__all__ = ["FILE", "best_of", "majority_of", "scored", "summary"]

FILE = "rerank.jsonl"
BATCH = 64
"""Completions between two writes."""

Row = Mapping[str, Any]
Key = tuple[str, int]
Steps = list[float | None]


def scored(
    folder: Path,
    scorer: StepScorer,
    fingerprint: str,
    rows: Sequence[Row],
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[Key, Steps]:
    """The scores in [-1, 1] of every completion's steps, by (id, sample); those in `rerank.jsonl` are not asked again.

    Args:
        fingerprint: of the model; what another one left in the file is replaced.

    Raises `RunError` where the file is damaged.
    """
    path = folder / FILE
    there = mended(path)
    kept = [row for row in there if row.get("prm") == fingerprint]
    if len(kept) < len(there):
        write_rows(path, kept)
    found: dict[Key, Steps] = {(row["id"], row["sample"]): row["steps"] for row in kept}
    missing = [row for row in rows if (row["id"], row["sample"]) not in found]
    with path.open("a", encoding="utf-8", errors="backslashreplace") as file:
        for start in range(0, len(missing), BATCH):
            some = missing[start : start + BATCH]
            for row, scores in zip(some, _steps(scorer, some), strict=True):
                found[row["id"], row["sample"]] = scores
                told = {rule: aggregate(scores, rule) for rule in RULES}
                known = {"id": row["id"], "sample": row["sample"], "prm": fingerprint}
                file.write(line({**known, "steps": scores, "scores": told}))
            file.flush()
            progress(len(found), len(rows))
    return found


def _steps(scorer: StepScorer, rows: Sequence[Row]) -> list[Steps]:
    questions = [str(row["question"]) for row in rows]
    batch = Batch(questions, [str(row["completion"]) for row in rows], None, {"question": questions})
    return [[span.score for span in spans] for spans in scorer.spans(batch)]


def best_of(samples: Sequence[tuple[float | None, bool]], n: int) -> float:
    """The chance that the best scored of n samples is correct, the n drawn from K without putting back.

    Args:
        samples: of each of the K samples its score and whether it is correct. `None` is below every score.

    Exact over all C(K, n) choices: with a samples above a score that t of them share, of which c are correct, that
    score is the best of n in C(K-a, n) - C(K-a-t, n) of them, and equals are drawn among: c/t are correct. n = 1 is the
    share of correct ones. Raises `ValueError` unless 1 <= n <= K.
    """
    total = len(samples)
    if not 1 <= n <= total:
        raise ValueError(f"best of {n} from {total} samples: need 1 <= n <= K")
    tiers: dict[float, list[bool]] = {}
    for score, correct in samples:
        tiers.setdefault(-math.inf if score is None else score, []).append(correct)
    left, value = total, 0.0
    for score in sorted(tiers, reverse=True):
        ways = math.comb(left, n) - math.comb(left - len(tiers[score]), n)
        value += ways * fmean(tiers[score])
        left -= len(tiers[score])
    return value / math.comb(total, n)


def majority_of(answers: Sequence[tuple[str | None, bool]], n: int) -> float:
    """The chance that the vote of n samples is correct: the mean of maj@n over the K // n runs of n, in drawn order.

    The samples are exchangeable, so it is unbiased; runs that share no sample are what it costs little to count.
    """
    return fmean(maj_at_k(answers[start : start + n]) for start in range(0, len(answers) - n + 1, n))


def summary(
    rows: Sequence[Row], steps: Mapping[Key, Sequence[float | None]], rules: Sequence[str] = tuple(RULES)
) -> dict[str, Any]:
    """Every method at every n, ready for JSON, over the questions whose K samples could all be judged.

    `mean`, `pass`, `maj` and `best_of` hold estimates as `evals.metrics.summary` has them; `against_maj` the paired
    difference best-of-n minus maj@n for n > 1, with interval, p and p after Holm over all differences shown.
    """
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(str(row["id"]), []).append(row)
    k = max(map(len, groups.values()), default=0)
    full = [group for group in groups.values() if len(group) == k and all(row["correct"] is not None for row in group)]
    counts = [(k, sum(bool(row["correct"]) for row in group)) for group in full]
    votes = [[(row["answer"], bool(row["correct"])) for row in group] for group in full]
    maj = {n: [majority_of(vote, n) for vote in votes] for n in powers(k)}
    best: dict[str, dict[int, list[float]]] = {}
    for rule in rules:
        ranked = [[(_score(row, steps, rule), bool(row["correct"])) for row in group] for group in full]
        best[rule] = {n: [best_of(samples, n) for samples in ranked] for n in powers(k)}
    return {
        "completions": len(rows),
        "questions": len(full),
        "left_out": len(groups) - len(full),
        "unscored": sum(_score(row, steps, rules[0]) is None for row in rows),
        "steps": fmean(len(steps[row["id"], row["sample"]]) for row in rows) if rows else None,
        "mean": per_item([correct / n for n, correct in counts]),
        "pass": {str(n): per_item([pass_at_k(*count, n) for count in counts]) for n in powers(k)},
        "maj": {str(n): per_item(values) for n, values in maj.items()},
        "best_of": {rule: {str(n): per_item(values) for n, values in at.items()} for rule, at in best.items()},
        "against_maj": _against(best, maj) if full else {},
    }


def _score(row: Row, steps: Mapping[Key, Sequence[float | None]], rule: str) -> float | None:
    return aggregate(steps[row["id"], row["sample"]], rule)


def _against(best: Mapping[str, Mapping[int, Sequence[float]]], maj: Mapping[int, Sequence[float]]) -> dict[str, Any]:
    pairs = [(rule, n) for rule, at in best.items() for n in at if n > 1]
    found = [paired_scores([[a - b] for a, b in zip(best[rule][n], maj[n], strict=True)]) for rule, n in pairs]
    against: dict[str, Any] = {rule: {} for rule in best}
    for (rule, n), one, adjusted in zip(pairs, found, holm([one.p for one in found]), strict=True):
        against[rule][str(n)] = asdict(one) | {"p_holm": adjusted}
    return against
