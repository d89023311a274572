"""What `harness verify` shows: the table of one verifier, the comparison of several, the misjudged cases, the diff."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from evals.statistics.intervals import wilson
from rewards.regression import Diff, Rates, Result, grouped

SHOWN = 5
TAIL = 160
NOT_APPLICABLE = "n/a"
# A pipe has no width; rich would take it for a terminal of 80 columns and fold the names.
PIPE_WIDTH = 120


@dataclass(frozen=True)
class Scoreboard:
    """One verifier's results; `seconds` is the time of the whole run."""

    verifier: str
    results: Sequence[Result]
    thread: bool
    deadline: float
    seconds: float

    @cached_property
    def domains(self) -> dict[str, Rates]:
        return grouped(self.results, lambda result: result.case.domain, self.deadline)

    @cached_property
    def categories(self) -> dict[str, dict[str, Rates]]:
        return {
            domain: grouped(rates.results, lambda result: result.case.category, self.deadline)
            for domain, rates in self.domains.items()
        }

    @property
    def misjudged(self) -> list[Result]:
        return [
            result for rates in self.domains.values() if rates.applies for result in rates.results if not result.right
        ]

    def report(self, diff: Diff | None) -> dict[str, Any]:
        """Everything for machines; rates are fractions, `None` where a group has no cases of the kind."""
        return {
            "verifier": self.verifier,
            "thread": self.thread,
            "domains": {domain: rates.fields() for domain, rates in self.domains.items()},
            "categories": {
                domain: {category: rates.fields() for category, rates in groups.items()}
                for domain, groups in self.categories.items()
            },
            "seconds": self.seconds,
            **({"baseline": vars(diff)} if diff else {}),
            "cases": [_row(result) for result in self.results],
        }


def _row(result: Result) -> dict[str, Any]:
    case, judgement = result.case, result.judgement
    return {
        "id": case.id,
        "label": case.label,
        "correct": judgement.correct,
        "status": judgement.status,
        "domain": case.domain,
        "category": case.category,
        "answer": judgement.answer,
        "reason": judgement.reason,
        "seconds": judgement.seconds,
    }


def show(board: Scoreboard, every_failure: bool) -> None:
    """Prints the table by category, then the misjudged cases: all of them, or the first few."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("category", overflow="fold", min_width=16)
    for heading in ("n", "accuracy", "false accepts", "false rejects", "timeouts", "errors", "hangs"):
        table.add_column(heading, justify="right", no_wrap=True)
    for domain, rates in board.domains.items():
        table.add_row(Text(domain, "bold"), *_cells(rates), style="bold")
        for category, part in board.categories[domain].items():
            table.add_row(Text(f"  {_printable(category)}"), *_cells(part))
    Console(width=None if sys.stdout.isatty() else PIPE_WIDTH).print(table)
    for domain, rates in board.domains.items():
        typer.echo(f"{domain}: {_accuracy(rates)}, {_speed(rates)} verdicts/s")
    where = "off the main thread" if board.thread else "in the main thread"
    typer.echo(f"{len(board.results)} cases judged with {board.verifier} {where} in {board.seconds:.1f} s")
    _show_misjudged(board.misjudged, every_failure)


def _cells(rates: Rates) -> list[str]:
    counts = [str(rates.count("timeout")), str(rates.count("error")), str(rates.hangs)]
    shares = [_share(rates, rates.right, rates.n), _share(rates, *rates.accepts), _share(rates, *rates.rejects)]
    return [str(rates.n), *shares, *counts]


def _share(rates: Rates, part: int, whole: int) -> str:
    share = rates.rate(part, whole)
    return NOT_APPLICABLE if share is None else f"{part}/{whole} {share:.1%}"


def _accuracy(rates: Rates) -> str:
    if not rates.applies:
        return f"accuracy {NOT_APPLICABLE} (no case was scored)"
    low, high = wilson(rates.right, rates.n)
    return f"accuracy {rates.right / rates.n:.1%} (95 % interval {low:.1%} to {high:.1%}, n={rates.n})"


def _speed(rates: Rates) -> str:
    return NOT_APPLICABLE if rates.per_second is None else f"{rates.per_second:,.0f}"


def _show_misjudged(misjudged: Sequence[Result], every: bool) -> None:
    if not misjudged:
        return
    shown = misjudged if every else misjudged[:SHOWN]
    more = "" if len(shown) == len(misjudged) else f", the first {SHOWN} of them (--failures lists all)"
    typer.echo(f"\nmisjudged: {len(misjudged)}{more}")
    for result in shown:
        typer.echo(describe(result))


def describe(result: Result) -> str:
    """A case and its judgement in three lines; texts of models are escaped, so that none can steer a terminal."""
    case, judgement = result.case, result.judgement
    text = case.completion if isinstance(case.completion, str) else str(case.completion)
    label = "right" if case.label else "wrong"
    lines = [
        f"- {_printable(case.id)} [{case.domain}, {_printable(case.category)}]: labelled {label}, "
        f"judged {_printable(judgement.status)}: {_printable(judgement.reason)}",
        f"    ...{text[-TAIL:]!r}" if len(text) > TAIL else f"    {text!r}",
        f"    gold {str(case.gold)[-60:]!r}, read {judgement.answer!r:.80}; {_printable(case.why)}",
    ]
    return "\n".join(lines)


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text[:300])


def show_diff(board: Scoreboard, diff: Diff, known: dict[str, dict[str, Any]], baseline: Path, updated: bool) -> None:
    """Prints what changed since the baseline, case by case."""
    results = {result.case.id: result for result in board.results}
    counts = [f"{len(ids)} {kind}" for kind, ids in vars(diff).items()]
    typer.echo(f"\nsince {baseline}: {', '.join(counts)}{'; rewritten' if updated else ''}")
    for kind, ids in (("regression", diff.regressions), ("repair", diff.repairs)):
        for name in ids:
            typer.echo(f"{kind}, was {_printable(known[name]['status'])}:\n{describe(results[name])}")
    for kind, ids in (("new", diff.new), ("vanished", diff.vanished)):
        if known and ids:
            typer.echo(f"{kind}: {', '.join(map(_printable, ids[:20]))}{', ...' if len(ids) > 20 else ''}")


def comparison(boards: Sequence[Scoreboard]) -> str:
    """Several verifiers side by side as one markdown table: a row each, the same columns for every domain."""
    domains = list(boards[0].domains)
    columns = ("accuracy", "false accepts", "false rejects", "errors", "hangs", "verdicts/s")
    rows = [["verifier", *(f"{domain} {column}" for domain in domains for column in columns)]]
    for board in boards:
        rows.append([f"`{board.verifier}`", *(cell for domain in domains for cell in _compared(board.domains[domain]))])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rule = "|".join(["-" * (widths[0] + 2), *("-" * (width + 1) + ":" for width in widths[1:])])
    lines = ["| " + " | ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) + " |" for row in rows]
    sizes = [
        f"{domain} n={rates.n} ({rates.rejects[1]} right, {rates.accepts[1]} wrong)"
        for domain, rates in boards[0].domains.items()
    ]
    where = "off the main thread" if boards[0].thread else "in the main thread"
    note = f"{', '.join(sizes)}; judged {where}; hung: no verdict within {boards[0].deadline:g} s"
    return "\n".join([lines[0], f"|{rule}|", *lines[1:], "", note])


def _compared(rates: Rates) -> list[str]:
    shares = [rates.rate(rates.right, rates.n), rates.rate(*rates.accepts), rates.rate(*rates.rejects)]
    if not rates.applies:
        return [NOT_APPLICABLE] * 6
    counts = [str(rates.count("error")), str(rates.hangs)]
    return [*(NOT_APPLICABLE if share is None else f"{share:.1%}" for share in shares), *counts, _speed(rates)]
