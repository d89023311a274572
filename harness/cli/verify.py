"""`harness verify`."""

import json
import os
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from harness.cli import scoreboard
from harness.cli.errors import told
from harness.cli.scoreboard import Scoreboard
from rewards.regression import (
    DEADLINE,
    BadVerifier,
    BaselineError,
    Case,
    CaseError,
    Foreign,
    Result,
    compare,
    hold,
    load,
    ours,
    read,
    shipped,
    write,
)

REGRESSED = 1

# Memory of their children: what they import needs far less, and some of the cases are meant to exhaust it.
COMPARATOR_BYTES = 4 << 30
COMPARATORS = {
    "math-verify": "harness.comparators:math_verify",
    "trl": "harness.comparators:trl_accuracy",
    "lm-eval-strict": "harness.comparators:lm_eval_strict",
    "lm-eval-flexible": "harness.comparators:lm_eval_flexible",
}
OURS = "ours"


class BadFlags(ValueError):
    """The flags cannot be used together, or name what does not exist; the message says the fix."""


def verify(
    cases: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="JSON lines, instead of the shipped; may be repeated.")
    ] = None,
    verifier: Annotated[
        str, typer.Option(metavar="NAME", help=f"Comma separated: {', '.join((OURS, *COMPARATORS))}, module:function.")
    ] = OURS,
    domain: Annotated[str, typer.Option(help="Only these cases: gsm8k or math.")] = "",
    baseline: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Verdicts to compare with; exit 1 on a regression.")
    ] = None,
    update_baseline: Annotated[
        bool, typer.Option("--update-baseline", help="Write the verdicts to --baseline.")
    ] = False,
    thread: Annotated[bool, typer.Option("--thread", help="Judge off the main thread, as trainers do.")] = False,
    deadline: Annotated[float, typer.Option(metavar="SECONDS", help="Seconds after which a case has hung.")] = DEADLINE,
    failures: Annotated[bool, typer.Option("--failures", help="List every misjudged case, not the first few.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For machines; progress goes to stderr.")] = False,
) -> None:
    """Hold a verifier to labelled cases: accuracy, false accepts and false rejects by category, hangs, speed.

    A verifier of your own is called as function(completion, gold, domain) in a process that can be killed, and returns
    a bool, a number (0.5 and more is correct), None (no score) or an object with .correct.

    Example: harness verify --baseline verdicts.json

    Example: harness verify --verifier ours,math-verify,trl
    """

    with told(BadFlags, BadVerifier, BaselineError, CaseError):
        names = checked(verifier, baseline, update_baseline, domain, deadline)
        known = read(baseline) if baseline and (baseline.exists() or not update_baseline) else {}
        present = load(cases) if cases else shipped()
        chosen = selected(present, domain)
        boards = {name: scored(name, chosen, thread, deadline) for name in names}
        board = boards[names[0]]
        diff = compare(known, board.results, {case.id for case in present}) if baseline else None
        if baseline and update_baseline:
            write(baseline, board.results)
    if as_json:
        reports = {name: each.report(diff) for name, each in boards.items()}
        typer.echo(json.dumps(reports[names[0]] if len(names) == 1 else {"verifiers": reports}, indent=1))
    elif len(names) > 1:
        typer.echo(scoreboard.comparison(list(boards.values())))
    else:
        scoreboard.show(board, failures)
        if baseline and diff:
            scoreboard.show_diff(board, diff, known, baseline, update_baseline)
    if diff and diff.regressions and not update_baseline:
        raise typer.Exit(REGRESSED)


def checked(verifier: str, baseline: Path | None, update: bool, domain: str, deadline: float) -> list[str]:
    """Return the names of the verifiers; raises `BadFlags`."""
    names = list(dict.fromkeys(part.strip() for part in verifier.split(",")))
    for name in names:
        module, colon, function = name.partition(":")
        if name not in (OURS, *COMPARATORS) and not (module and colon and function):
            raise BadFlags(f"--verifier {name}: give {OURS}, {', '.join(COMPARATORS)} or module:function")
    if baseline and len(names) > 1:
        raise BadFlags("--baseline holds the verdicts of one verifier; give one --verifier")
    if update and not baseline:
        raise BadFlags("--update-baseline needs --baseline FILE, the file to write")
    if update and domain:
        raise BadFlags("--update-baseline with --domain would forget the other domains; leave --domain out")
    if not 0 < deadline <= 3600:
        raise BadFlags(f"--deadline {deadline}: give seconds, more than 0 and at most 3600")
    return names


def selected(cases: Sequence[Case], domain: str) -> Sequence[Case]:
    """Return the cases of a domain, all where it is empty; raises `BadFlags` where none is left."""
    chosen = [case for case in cases if domain in ("", case.domain)]
    if not chosen:
        known = ", ".join(sorted({case.domain for case in cases}))
        raise BadFlags(f"--domain {domain}: no case is of it; there are {known}")
    return chosen


def scored(name: str, cases: Sequence[Case], thread: bool, deadline: float) -> Scoreboard:
    """Hold one verifier to the cases. Ours runs in this process, any other in children, one a core."""

    started = time.perf_counter()
    if name == OURS:
        results = hold(ours, cases, threads=int(thread), watch=watched(name, len(cases)))
        return Scoreboard(name, results, thread, deadline, time.perf_counter() - started)
    cores = os.cpu_count() or 1
    memory = COMPARATOR_BYTES if name in COMPARATORS else None
    foreign = Foreign(COMPARATORS.get(name, name), deadline=deadline, thread=thread, size=cores, memory=memory)
    try:
        results = hold(foreign, cases, threads=cores, watch=watched(name, len(cases)))
    finally:
        foreign.close()
    return Scoreboard(name, results, thread, deadline, time.perf_counter() - started)


def watched(name: str, total: int) -> Callable[[Iterable[Result]], Iterable[Result]]:
    """Return what shows a progress bar on stderr while the results pass, on a terminal only."""
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    return lambda results: track(
        results, f"judging with {name}", total=total, console=console, transient=True, disable=not console.is_terminal
    )
