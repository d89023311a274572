"""`harness doctor`."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer

from harness.cli.errors import told

FAILED = 1


def doctor(
    model: Annotated[str, typer.Option(help="tiny, a model folder, or a hub id.")],
    style: Annotated[
        Literal["bare", "think"] | None,
        typer.Option(help="Prompt style. Default: that of its training, else think."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Check that a model sees at inference the tokens it is trained on: template, BOS, end of turn, <think>, dates.

    Every finding says its fix; exit code 1 when one failed. Warnings harm nothing in this harness.

    Example: harness doctor --model tiny
    """
    from rich.console import Console
    from transformers import AutoTokenizer

    from harness import alignment, chat, sources
    from harness.cli.request import base_progress

    with told(sources.SourceError), base_progress(Console(stderr=True)) as progress:
        found = sources.model(model, "default", progress)
    tokenizer = AutoTokenizer.from_pretrained(found.path)
    prompt: chat.Style = style or chat.style_of(Path(found.path), model == "tiny")
    report = alignment.check(tokenizer, prompt, alignment.stop_tokens(Path(found.path)))
    about = {"model": found.name, "prompt": prompt, "template": chat.template_hash(tokenizer)}
    if as_json:
        typer.echo(json.dumps({**about, "alignment": [asdict(finding) for finding in report.findings]}, indent=1))
    else:
        typer.echo("\n".join([", ".join(f"{name} {value}" for name, value in about.items()), *report.lines()]))
    if report.failures:
        raise typer.Exit(FAILED)
