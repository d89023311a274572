"""`harness compare A B`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.errors import told

if TYPE_CHECKING:
    from evals.items import Row

METRICS = ("correct", "strict", "flexible")


def compare(
    evaluations: Annotated[
        list[str],
        typer.Argument(metavar="A B", help="An items.jsonl each, the folder that holds it, or STUDY:ID of a cell."),
    ],
    metric: Annotated[str, typer.Option(help="The grade: correct, strict or flexible.")] = "correct",
    flips: Annotated[int, typer.Option(metavar="N", help="Items to show that flipped, each way.", min=0)] = 10,
    intersect: Annotated[
        bool, typer.Option("--intersect", help="Compare what all have, instead of refusing different items.")
    ] = False,
    only: Annotated[
        str, typer.Option(metavar="NAME,NAME", help="Of the evaluations in a file of several, only these.")
    ] = "",
    results: Annotated[Path, typer.Option(help="Folder of all studies, for STUDY:ID.")] = Path("results"),
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Compare evaluations item by item: both accuracies, paired difference, interval, test, and what flipped.

    The difference is A - B. One sample a question is tested by the exact McNemar test, k samples by sign-flips over
    questions. More than two evaluations: every pair in a table, p corrected after Holm. A file of OpenAI's
    example_model_solutions.jsonl shape holds several evaluations; --only chooses two of them, to see what flipped.
    Of an ID the start is enough; a wrong one lists the cells there are. Two cells say what two runs came to: whether
    their rewards differ, the study's table says, over its seeds.

    Example: harness compare results/eval/base results/eval/tuned

    Example: harness compare process:0be5 process:abd7

    Example: harness compare example_model_solutions.jsonl
    """
    from ablations.files import RecordError
    from evals.comparison import compare_all
    from evals.items import ItemsError
    from harness.cli import cells, contrast

    with told(ItemsError, RecordError):
        if metric not in METRICS:
            raise ItemsError(f"--metric {metric}: give {', '.join(METRICS)}")
        found = chosen([cells.located(source, results) for source in evaluations], only)
        contrasts = compare_all(found, metric=metric, intersect=intersect)
    if as_json:
        typer.echo(json.dumps(contrast.report(contrasts, flips), indent=1))
    elif len(contrasts) == 1:
        contrast.show(contrasts[0], flips)
    else:
        contrast.show_all(contrasts)


def chosen(paths: list[Path], only: str) -> "dict[str, list[Row]]":
    """Return the rows of every evaluation in the paths by name, those of `only` if given; raises `ItemsError`."""
    from evals import items
    from harness.cli import cells

    found: dict[str, list[Row]] = {}
    for path in paths:
        named = cells.named(path)
        for name, rows in items.evaluations(path).items():
            name = named if name == str(path) else name
            # The same file twice, or the same models in two files.
            found[name if name not in found else f"{name} ({len(found) + 1})"] = rows
    names = list(dict.fromkeys(part.strip() for part in only.split(","))) if only else list(found)
    for name in names:
        if name not in found:
            raise items.ItemsError(f"--only {name}: no such evaluation; there are {', '.join(found)}")
    if len(names) < 2:
        raise items.ItemsError(f"only one evaluation, {names[0]}: give two or more to compare")
    return {name: found[name] for name in names}
