"""Grades per second, ours against others on the same texts in one run, and the worst latency on thirty bombs.

    python benchmarks/verify.py
    python benchmarks/verify.py --json
    python benchmarks/verify.py --texts 100

How it is measured. The texts, all different, are cut into as many parts as there are rounds. In a round every grader
grades the same part, one grader after the other, in an order that rotates; so no grader meets a text twice and a cache
of whole verdicts never helps. What is warmed up before is started but has seen none of the texts. A ratio is the median
over the rounds of ours / theirs. All graders run in this process and thread, one text at a time, with their own limits
of time on. The bombs go one by one to ours, here, and to the others in a child that is killed after ten seconds.

GSM8K: real models' solutions (`example_model_solutions.jsonl` in the folder `$HARNESS_GSM8K`, the shipped cases where
there is none), golds reduced to their numbers for everyone. MATH: the shipped cases without those meant to hang a
grader or to be executed. `--texts` bounds each domain's texts, drawn with a fixed seed. Takes two to five minutes on
two slow cores.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import random
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

from bombs import BOMBS, CANARY

import rewards
from harness import comparators
from rewards.regression import DEADLINE, Case, Foreign, Judgement, hold, ours, shipped

# A turn of ours lasts milliseconds on GSM8K: the median needs many rounds to see past what else the machine does.
ROUNDS = {"gsm8k": 21, "math": 7}
DATA = Path(os.environ.get("HARNESS_GSM8K", Path(__file__).parents[1] / "../shared/data/gsm8k"))
HOSTILE = ("bomb", "code", "injection", "long")
GRADERS: dict[str, Callable[[str, str, str], Any]] = {
    "ours": lambda completion, gold, domain: rewards.verify(completion, gold, domain).correct,
    "math-verify": comparators.math_verify,
    "trl": comparators.trl_accuracy,
    "lm-eval-strict": comparators.lm_eval_strict,
    "lm-eval-flexible": comparators.lm_eval_flexible,
}
# The radicals need sympy: they start our worker process, whose imports are not to be timed.
WARM = [("It is 7 then.\n#### 7", "7", "gsm8k"), (r"$\boxed{\sqrt[3]{7+5\sqrt{2}}}$", r"1+\sqrt{2}", "math")]

Text = tuple[str, str, str]


def main() -> None:
    """Measure, then print a table or JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="for machines")
    parser.add_argument("--texts", type=int, default=0, help="of each domain at most; default: 5,276 and 700")
    asked = parser.parse_args()
    logging.disable(logging.ERROR)  # math-verify tells of every overrun
    CANARY.unlink(missing_ok=True)
    report = {
        "speed": {
            "gsm8k": speed(gsm8k(), asked.texts or 5276, ROUNDS["gsm8k"], list(GRADERS)),
            "math": speed(math(), asked.texts or 700, ROUNDS["math"], list(GRADERS)[:3]),
        },
        "bombs": {name: latency(name) for name in list(GRADERS)[:3]},
        "executed": CANARY.exists(),
    }
    print(json.dumps(report, indent=1) if asked.json else table(report))


def gsm8k() -> Iterator[Text]:
    """Real models' solutions, or the shipped cases."""
    file = DATA / "example_model_solutions.jsonl"
    if not file.is_file():
        yield from chosen("gsm8k")
        return
    for line in file.read_text(encoding="utf-8").split("\n"):
        row = json.loads(line) if line.strip() else {}
        for value in row.values():
            if isinstance(value, dict):
                yield value["solution"], comparators.number(row["ground_truth"]), "gsm8k"


def math() -> Iterator[Text]:
    """The shipped cases that are about mathematics."""
    yield from chosen("math")


def chosen(domain: str) -> Iterator[Text]:
    for case in shipped():
        peaceful = not any(word in case.category for word in HOSTILE)
        if case.domain == domain and peaceful and isinstance(case.completion, str):
            yield case.completion, str(case.gold), domain


def speed(given: Iterable[Text], most: int, rounds: int, graders: list[str]) -> dict[str, Any]:
    """Grades per second of each grader, the median over the rounds, and ours against it."""
    texts = list(dict.fromkeys(given))
    random.Random(0).shuffle(texts)
    size = min(len(texts), most) // rounds
    seconds: dict[str, list[list[float]]] = {name: [] for name in graders}
    for name in graders:
        timed(GRADERS[name], WARM)
    for turn in range(rounds):
        part = texts[turn * size : (turn + 1) * size]
        for offset in range(len(graders)):
            name = graders[(turn + offset) % len(graders)]
            seconds[name].append(timed(GRADERS[name], part))
    graded = {name: figures(seconds["ours"], seconds[name]) for name in graders}
    return {"n": size * rounds, "rounds": rounds, "graders": graded}


def timed(grader: Callable[[str, str, str], Any], texts: Sequence[Text]) -> list[float]:
    """The seconds of each text."""
    times = [time.perf_counter()]
    for text in texts:
        grader(*text)
        times.append(time.perf_counter())
    return [after - before for before, after in pairwise(times)]


def figures(mine: list[list[float]], theirs: list[list[float]]) -> dict[str, float]:
    """Grades per second, and theirs / ours in time: the median of the rounds, the lowest and the highest.

    The median text and the number beyond one second show whether a few slow texts make the difference.
    """
    ratios = [sum(b) / sum(a) for a, b in zip(mine, theirs, strict=True)]
    every = list(chain.from_iterable(theirs))
    return {
        "per_second": statistics.median(len(part) / sum(part) for part in theirs),
        "ratio": statistics.median(ratios),
        "ratio_low": min(ratios),
        "ratio_high": max(ratios),
        "median_seconds": statistics.median(every),
        "over_one_second": sum(value > 1 for value in every),
    }


def latency(name: str) -> dict[str, Any]:
    """How long a grader takes over each bomb: the worst and the median in seconds, and what became of them."""
    cases = [Case(bomb, completion, gold, domain, False) for bomb, completion, gold, domain in BOMBS]
    verifier: Callable[[Case], Judgement] = ours
    if name != "ours":
        target = GRADERS[name]
        verifier = Foreign(f"{target.__module__}:{target.__name__}", size=2, memory=4 << 30)
    results = hold(verifier, cases, threads=0 if name == "ours" else 2)
    seconds = {result.case.id: result.judgement.seconds for result in results}
    worst = max(seconds, key=lambda bomb: seconds[bomb])
    statuses = [result.judgement.status for result in results]
    return {
        "n": len(results),
        "worst_seconds": seconds[worst],
        "worst": worst,
        "median_seconds": statistics.median(seconds.values()),
        "hangs": sum(value >= DEADLINE for value in seconds.values()),
        "statuses": {status: statuses.count(status) for status in sorted(set(statuses))},
    }


def table(report: dict[str, Any]) -> str:
    """The report as markdown."""
    lines = []
    for domain, measured in report["speed"].items():
        lines.append(
            f"| {domain}, n={measured['n']} | grades/s | ours is faster by (rounds) | median text | over 1 s |"
        )
        lines.append("|---|---:|---:|---:|---:|")
        for name, row in measured["graders"].items():
            times = f"{row['ratio']:.3g}x ({row['ratio_low']:.3g} to {row['ratio_high']:.3g})"
            tail = f"{row['median_seconds'] * 1e3:.3f} ms | {row['over_one_second']}"
            lines.append(f"| {name} | {row['per_second']:,.0f} | {'' if name == 'ours' else times} | {tail} |")
        lines.append("")
    lines += ["| bombs | worst | median | hung | statuses |", "|---|---:|---:|---:|---|"]
    for name, row in report["bombs"].items():
        statuses = ", ".join(f"{count} {status}" for status, count in row["statuses"].items())
        worst = f"{row['worst_seconds']:.3f} s ({row['worst']})"
        lines.append(f"| {name} | {worst} | {row['median_seconds']:.4f} s | {row['hangs']}/{row['n']} | {statuses} |")
    return "\n".join([*lines, "", f"text executed: {'YES' if report['executed'] else 'none'}"])


if __name__ == "__main__":
    main()
