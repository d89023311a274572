"""`harness report NAME`."""

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.errors import told

if TYPE_CHECKING:
    from ablations.report import Report


def report(
    name: Annotated[str, typer.Argument(help="Name of the study.")],
    results: Annotated[Path, typer.Option(help="Folder of all studies.")] = Path("results"),
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Rebuild a study's tables, claims, figures and page from its records: no model, no GPU, the same bytes every time.

    Example: harness report quickstart
    """
    from ablations.files import RecordError
    from ablations.records import StudyNotFound
    from ablations.report import build

    with told(StudyNotFound, RecordError):
        built = build(results / name)
    show(built, as_json)


def show(built: "Report", as_json: bool) -> None:
    """Prints a report: its table, what the data show, and where the files are; or all of it as JSON."""
    if as_json:
        typer.echo(json.dumps(built.summary, indent=1))
        return
    typer.echo(built.text(shutil.get_terminal_size((100, 24)).columns))
    for sentence in built.claims:
        typer.echo(f"- {sentence}")
    typer.echo(f"\n{built.paths[0].parent}/ holds report.html, the tables, the claims and every record behind them.")
