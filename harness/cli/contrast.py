"""What `harness compare` shows: two evaluations with what flipped between them, or a table of all pairs."""

import sys
from collections.abc import Sequence
from typing import Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from evals.comparison import Comparison, Contrast, Pair

FOUND = 0.05
QUESTION, COMPLETION, NAME = 200, 160, 120
# A pipe has no width; rich would take it for a terminal of 80 columns and fold the names.
PIPE_WIDTH = 180

Share = tuple[float, float | None, float | None]


def report(contrasts: Sequence[Contrast], flips: int) -> dict[str, Any]:
    """Everything for machines: the numbers of a pair and its flips, or of every evaluation and every pair."""
    if len(contrasts) > 1:
        shares = _evaluations(contrasts).items()
        return {
            "metric": contrasts[0].comparison.metric,
            "evaluations": [
                {"name": name, "n": n, "accuracy": mean, "low": low, "high": high}
                for name, (n, (mean, low, high)) in shares
            ],
            "pairs": [_numbers(contrast) for contrast in contrasts],
        }
    found = contrasts[0].comparison
    flipped = {
        "a_only": [_flip(pair) for pair in found.flips("a", flips)],
        "b_only": [_flip(pair) for pair in found.flips("b", flips)],
    }
    return {**_numbers(contrasts[0]), "flips": flipped}


def _numbers(contrast: Contrast) -> dict[str, Any]:
    return {
        **contrast.comparison.numbers(),
        "a_name": contrast.a,
        "b_name": contrast.b,
        "p_holm": contrast.p_holm,
    }


def _flip(pair: Pair) -> dict[str, Any]:
    return {
        "id": pair.id,
        "sample": pair.sample,
        "question": pair.a.get("question"),
        "gold": pair.a.get("gold"),
        "a": pair.a.get("completion"),
        "b": pair.b.get("completion"),
    }


def show(contrast: Contrast, flips: int) -> None:
    """Prints two evaluations: accuracies, difference with interval and test, counts, and items that flipped."""
    found = contrast.comparison
    table = _table("", "evaluation", found.metric, "95 % interval")
    table.add_row("A", _plain(contrast.a), *_accuracy(found.a, found.a_low, found.a_high))
    table.add_row("B", _plain(contrast.b), *_accuracy(found.b, found.b_low, found.b_high))
    _print(table)
    k = "" if found.samples == found.n else f", {found.samples:,} pairs of completions"
    same = "" if found.unmatched_a or found.unmatched_b else ", the same in both"
    typer.echo(f"n = {found.n:,} questions{same}{k}")
    typer.echo(f"A - B: {_points(found)} points, p = {_p(found.p)} ({found.test})")
    agreed = found.samples - found.a_only - found.b_only
    typer.echo(f"graded higher: A on {found.a_only:,}, B on {found.b_only:,}, neither on {agreed:,}")
    for line in [*_left_out(found), *_null(found)]:
        typer.echo(line)
    _show_flips("A", found.flips("a", found.n), flips)
    _show_flips("B", found.flips("b", found.n), flips)


def _show_flips(name: str, flipped: Sequence[Pair], count: int) -> None:
    if count and flipped:
        typer.echo(f"\nquestions that {name} answered better, {min(count, len(flipped))} of {len(flipped)}:")
    for pair in flipped[:count]:
        typer.echo(_texts(pair))


def show_all(contrasts: Sequence[Contrast]) -> None:
    """Prints the accuracy of every evaluation, then every pair with its Holm-corrected p."""
    first = contrasts[0].comparison
    table = _table("evaluation", "n", first.metric, "95 % interval")
    for name, (n, share) in _evaluations(contrasts).items():
        table.add_row(_plain(name), f"{n:,}", *_accuracy(*share))
    _print(table)
    typer.echo()
    table = _table("A", "B", "A - B, points", "A only", "B only", "p", "p (Holm)")
    for contrast in contrasts:
        found = contrast.comparison
        table.add_row(
            _plain(contrast.a),
            _plain(contrast.b),
            _points(found),
            *(f"{count:,}" for count in (found.a_only, found.b_only)),
            *(_p(p) for p in (found.p, contrast.p_holm)),
        )
    _print(table)
    tests = " and ".join(sorted({contrast.comparison.test for contrast in contrasts}))
    typer.echo(f"\n95 % intervals of paired differences; p two-sided, {tests}; Holm over {len(contrasts)} pairs")
    for contrast in contrasts:
        for line in _left_out(contrast.comparison):
            typer.echo(f"{_line(contrast.a, 80)} against {_line(contrast.b, 80)}: {line}")


def _evaluations(contrasts: Sequence[Contrast]) -> dict[str, tuple[int, Share]]:
    """Return n and accuracy of each evaluation, from the first pair it is in."""
    rows: dict[str, tuple[int, Share]] = {}
    for contrast in contrasts:
        found = contrast.comparison
        rows.setdefault(contrast.a, (found.n, (found.a, found.a_low, found.a_high)))
        rows.setdefault(contrast.b, (found.n, (found.b, found.b_low, found.b_high)))
    return rows


def _left_out(found: Comparison) -> list[str]:
    """Say what could not be compared; nothing where all could."""
    lines = []
    if found.unscorable_a or found.unscorable_b:
        lines.append(f"left out: no grade on A {found.unscorable_a:,}, on B {found.unscorable_b:,} completions")
    if found.unmatched_a or found.unmatched_b:
        lines.append(f"left out: only in A {found.unmatched_a:,}, only in B {found.unmatched_b:,} completions")
    return lines


def _null(found: Comparison) -> list[str]:
    """Say what a null result could have missed."""
    if found.p is None or found.p < FOUND or found.detectable is None:
        return []
    return [
        f"no difference shown; {found.n:,} questions find one of {100 * found.detectable:.1f} points with 80 % power, "
        f"one of 1 point needs {found.needed:,}"
    ]


def _texts(pair: Pair) -> str:
    """A pair in four lines; texts of models are escaped, so that none can steer a terminal."""
    gold = _line(pair.a.get("gold"), 40, end=True)
    sample = f", sample {pair.sample}" if pair.sample else ""
    return "\n".join(
        [
            f"- {_line(pair.id, 80)}{sample}: {_line(pair.a.get('question'), QUESTION)}",
            f"    gold {gold}",
            f"    A {_line(pair.a.get('completion'), COMPLETION, end=True)}",
            f"    B {_line(pair.b.get('completion'), COMPLETION, end=True)}",
        ]
    )


def _line(value: object, width: int, end: bool = False) -> str:
    """One line of at most `width` characters: the start of a text, or its end, where the answer stands."""
    text = " ".join(str("" if value is None else value).split())
    if len(text) > width:
        text = f"...{text[3 - width :]}" if end else f"{text[: width - 3]}..."
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def _plain(name: str) -> Text:
    return Text(_line(name, NAME, end=True))


def _accuracy(share: float, low: float | None, high: float | None) -> tuple[str, str]:
    return f"{share:.2%}", "n/a" if low is None or high is None else f"{low:.1%} to {high:.1%}"


def _points(found: Comparison) -> str:
    delta = f"{100 * found.delta:+.2f}"
    return (
        delta
        if found.low is None or found.high is None
        else f"{delta} [{100 * found.low:+.2f}, {100 * found.high:+.2f}]"
    )


def _p(p: float | None) -> str:
    return "n/a" if p is None else f"{p:.4f}" if p >= 0.0001 else f"{p:.1e}"


def _table(*headings: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in headings:
        names = heading in ("", "evaluation", "A", "B")
        table.add_column(heading, justify="left" if names else "right", overflow="fold", no_wrap=not names)
    return table


def _print(table: Table) -> None:
    Console(width=None if sys.stdout.isatty() else PIPE_WIDTH).print(table)
