"""`harness rewards [NAME]`."""

import inspect
import json
from typing import Annotated

import typer

from harness.cli.errors import told


def rewards(
    name: Annotated[str | None, typer.Argument(help="Show this one in full.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """List the registered rewards, or show one with its formula, parameters and source.

    Example: harness rewards format_answer
    """
    import rewards as registry

    with told(registry.RewardError):
        shown = [name] if name else registry.names()
        texts = {entry: inspect.getdoc(registry.family(entry)) or "" for entry in shown}
    if as_json:
        typer.echo(json.dumps(texts, indent=1))
        return
    for entry, text in texts.items():
        typer.echo(f"{entry}\n{text}" if name else f"{entry:16} {text.splitlines()[0] if text else ''}")
