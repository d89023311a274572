"""How well equations are read: on GSM8K's gold solutions, and on four real models' solutions against `is_correct`.

    python benchmarks/steps.py
    python benchmarks/steps.py --json
    python benchmarks/steps.py --rejects

Gold. Every annotation `<<a=b>>` must be true; one that names a number (`<<12=12>>`) computes nothing and is no step.
Free text is the solution without its annotations: an equation of it that is judged false counts as a false reject,
although gold solutions hold real errors too; `--rejects` lists every one. Shares of statuses are of all equations.

Models. The scores read no gold; the AUC is the chance that a right solution has the higher score than a wrong one, ties
counting half, with the 95 % interval of DeLong, DeLong and Clarke-Pearson (1988). Beside them stand scores that read no
step: fewer characters, fewer equations, having a final number. Reads GSM8K's files in the folder `$HARNESS_GSM8K`.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from evals.statistics.intervals import wilson
from rewards.equations import Equation, equations
from rewards.process import Step, steps, valid_prefix
from rewards.verify import verify

DATA = Path(os.environ.get("HARNESS_GSM8K", Path(__file__).parents[1] / "../shared/data/gsm8k"))
ANNOTATION = re.compile(r"<<[^>]*>>")
MODELS = ("6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification")

Row = dict[str, Any]
Score = Callable[[str, str, Sequence[Step]], float]


def main() -> None:
    """Measure, then print tables or JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="for machines")
    parser.add_argument("--rejects", action="store_true", help="list the free-text equations of gold judged false")
    asked = parser.parse_args()
    gold = {name: rows(f"{name}.jsonl") for name in ("train", "test")}
    if asked.rejects:
        for name, of in gold.items():
            print("\n".join(f"{name} {place}: {one.text} | {line}" for place, line, one in rejects(of)))
        return
    solutions = rows("example_model_solutions.jsonl")
    report = {
        "gold": {name: read(of) for name, of in gold.items()},
        "microseconds": speed(gold["test"]),
        "models": {model: judged(solutions, model) for model in MODELS},
    }
    print(json.dumps(report, indent=1) if asked.json else tables(report))


def rows(name: str) -> list[Row]:
    """The rows of one of GSM8K's files."""
    return [json.loads(line) for line in (DATA / name).read_text(encoding="utf-8").split("\n") if line]


def read(gold: Sequence[Row]) -> Row:
    """What becomes of gold's annotations and of its free text."""
    written = [mark for row in gold for mark in ANNOTATION.findall(row["answer"])]
    found = [equations(mark) for mark in written]
    free = [one.true for row in gold for one in equations(ANNOTATION.sub("", row["answer"]))]
    return {
        "annotations": len(written),
        "true": sum(len(one) == 1 and one[0].true is True for one in found),
        "named": sum(not one for one in found),
        "free": len(free),
        "free_false": free.count(False),
        "statuses": statuses(gold, lambda answer: str(answer)),
        "free_statuses": statuses(gold, lambda answer: ANNOTATION.sub("", answer)),
    }


def rejects(gold: Sequence[Row]) -> Iterator[tuple[int, str, Equation]]:
    """Index, line and equation of every false one in gold's free text."""
    for place, row in enumerate(gold):
        for line in ANNOTATION.sub("", row["answer"]).split("\n"):
            yield from ((place, line, one) for one in equations(line) if one.true is False)


def statuses(gold: Sequence[Row], text: Callable[[str], str]) -> dict[str, float]:
    """The share of each status among the equations of the solutions."""
    counts = Counter(step.status for row in gold for step in steps(text(row["answer"]), row["question"]))
    return {status: count / counts.total() for status, count in counts.most_common()}


def speed(gold: Sequence[Row]) -> float:
    """Microseconds of CPU for a solution of gold, all of it: questions, equations and statuses; the best of three."""
    times = []
    for _ in range(3):
        start = time.process_time()
        for row in gold:
            steps(row["answer"], row["question"])
        times.append(time.process_time() - start)
    return min(times) / len(gold) * 1e6


def falses(judged: Sequence[Step]) -> int:
    return sum(step.status == "false" for step in judged)


def first_error(judged: Sequence[Step]) -> float:
    """The share of the equations before the first false one; 1 without a false one."""
    places = [place for place, step in enumerate(judged) if step.status == "false"]
    return places[0] / len(judged) if places else 1.0


def lowest(judged: Sequence[Step]) -> float:
    """The score of the worst step: 1 where all are valid, -1 where one is false; trivial ones do not count."""
    worth = {"valid": 1.0, "false": -1.0}
    return min((worth.get(step.status, 0.0) for step in judged if step.status != "trivial"), default=0.0)


def committed(text: str) -> float:
    verdict = verify(text, 0)
    return float(verdict.answer is not None and verdict.kind != "prose")


SCORES: dict[str, Score] = {
    "valid prefix": lambda text, question, _: valid_prefix(text, question),
    "lowest step": lambda _text, _question, judged: lowest(judged),
    "first error": lambda _text, _question, judged: first_error(judged),
    "fewer false": lambda _text, _question, judged: -falses(judged),
    # Lengths only break ties: no solution has a million characters.
    "valid prefix, then shorter": lambda text, question, _: valid_prefix(text, question) - len(text) / 1e6,
    "baseline: shorter": lambda text, _question, _judged: -len(text),
    "baseline: fewer equations": lambda _text, _question, judged: -len(judged),
    "baseline: final number": lambda text, _question, _judged: committed(text),
}


def judged(solutions: Sequence[Row], model: str) -> Row:
    """How often a right and a wrong solution of a model holds a false step, and what each score tells."""
    given = [(row["question"], row[model]["solution"], row[model]["is_correct"]) for row in solutions]
    found = [steps(text, question) for question, text, _ in given]
    right = np.array([correct for *_, correct in given])
    wrong_steps = np.array([falses(one) > 0 for one in found])
    table = {
        name: [score(text, question, one) for (question, text, _), one in zip(given, found, strict=True)]
        for name, score in SCORES.items()
    }
    return {
        "right": rate(wrong_steps[right]),
        "wrong": rate(wrong_steps[~right]),
        "auc": {name: auc(np.array(values), right) for name, values in table.items()},
    }


def rate(hits: np.ndarray) -> Row:
    """A share with its 95 % interval (Wilson)."""
    low, high = wilson(int(hits.sum()), len(hits))
    return {"n": len(hits), "share": float(hits.mean()), "low": low, "high": high}


def auc(scores: np.ndarray, positive: np.ndarray) -> Row:
    """P(positive > negative) + P(equal)/2 with DeLong's 95 % interval, from the placements of both kinds."""
    high, low = scores[positive][:, None], scores[~positive][None, :]
    wins = (high > low) + (high == low) / 2
    variance = wins.mean(1).var(ddof=1) / wins.shape[0] + wins.mean(0).var(ddof=1) / wins.shape[1]
    value, half = float(wins.mean()), 1.959964 * float(variance) ** 0.5
    return {"auc": value, "low": max(0.0, value - half), "high": min(1.0, value + half)}


def tables(report: Row) -> str:
    """The report as markdown."""
    lines = [
        "| gold | annotations | true | name a number | free-text equations | judged false |",
        "|---|" + "---:|" * 5,
    ]
    for name, row in report["gold"].items():
        rejected = f"{row['free_false']} ({row['free_false'] / row['free']:.2%})"
        lines.append(
            f"| {name} | {row['annotations']:,} | {row['true']:,} | {row['named']} | {row['free']:,} | {rejected} |"
        )
    kinds = ("valid", "trivial", "unused", "unknown", "false", "after")
    lines += ["", f"| statuses | {' | '.join(kinds)} |", "|---|" + "---:|" * len(kinds)]
    for name, row in report["gold"].items():
        for kind, shares in (("", row["statuses"]), (", free text", row["free_statuses"])):
            lines.append(f"| {name}{kind} | {' | '.join(f'{shares.get(status, 0):.1%}' for status in kinds)} |")
    lines += ["", f"{report['microseconds']:.0f} microseconds a solution", ""]
    models = report["models"]
    lines += [f"| | {' | '.join(models)} |", "|---|" + "---:|" * len(models)]
    for kind in ("wrong", "right"):
        cells = [f"{one[kind]['share']:.1%} {within(one[kind])}, n={one[kind]['n']:,}" for one in models.values()]
        lines.append(f"| {kind} solutions with a false step | {' | '.join(cells)} |")
    for name in SCORES:
        cells = [f"{one['auc'][name]['auc']:.3f} {within(one['auc'][name])}" for one in models.values()]
        lines.append(f"| AUC, {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def within(row: Row) -> str:
    return f"[{row['low']:.3f}, {row['high']:.3f}]"


if __name__ == "__main__":
    main()
