"""`harness doctor [CAPABILITY...]`."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from harness.cli.errors import told

if TYPE_CHECKING:
    from harness.alignment import Finding, Report
    from harness.doctor.verdict import Verdict

FAILED = 1
COLOURS = {"ok": "green", "missing": "yellow", "warn": "yellow", "refused": "red", "fail": "red"}


def doctor(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="CAPABILITY",
            help="cpu, cuda, vllm, deepspeed, qlora, ray, verl, openrlhf or lm-eval. Default: all; cpu must be ok.",
        ),
    ] = None,
    model: Annotated[str, typer.Option(help="Check its chat template: tiny, a model folder, or a hub id.")] = "",
    style: Annotated[
        Literal["bare", "think"] | None,
        typer.Option(help="Prompt style of --model. Default: that of its training, else think."),
    ] = None,
    deep: Annotated[bool, typer.Option("--deep", help="Import every capability too; about a minute.")] = False,
    results: Annotated[Path, typer.Option(help="Where runs would write.")] = Path("results"),
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """What can run here: a verdict per capability with its fix, the machine's limits, a model's chat template.

    Versions are held against what the installed packages declare, and against a table of pairs known to break. Exit
    code 1 where something is refused or fails, where cpu, the default, is not ok, or where a named capability is not.
    With --model: does it see at inference the tokens it is trained on (template, BOS, end of turn, <think>, dates)?

    Example: harness doctor

    Example: harness doctor vllm deepspeed --deep --json

    Example: harness doctor cpu --model tiny
    """
    from harness import sources
    from harness.doctor import limits
    from harness.doctor.capabilities import UnknownCapability

    with told(UnknownCapability, sources.SourceError):
        verdicts = judged(names or [], deep)
        machine = limits.checks(results)
        about, report = aligned(model, style) if model else ({}, None)
    if as_json:
        typer.echo(json.dumps(_told(verdicts, machine, about, report), indent=1))
    else:
        _show(verdicts, machine, about, report)
    if failed(verdicts, names or ["cpu"], machine, report):
        raise typer.Exit(FAILED)


def judged(names: Sequence[str], deep: bool) -> "list[Verdict]":
    """The verdicts, with progress where imports take their time."""
    from rich.console import Console
    from rich.progress import Progress

    from harness.doctor import capabilities

    asked = capabilities.named(names or capabilities.CAPABILITIES)
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not (deep and console.is_terminal)) as bar:
        task = bar.add_task("importing", total=len(asked))
        return capabilities.verdicts(asked, deep, lambda verdict: bar.advance(task))


def aligned(model: str, style: Literal["bare", "think"] | None) -> "tuple[dict[str, str], Report]":
    """What the model is, and the report on its chat template. Raises `SourceError`."""
    from rich.console import Console
    from transformers import AutoTokenizer

    from harness import alignment, chat, sources
    from harness.cli.request import base_progress

    with base_progress(Console(stderr=True)) as progress:
        found = sources.model(model, "default", progress)
    tokenizer = AutoTokenizer.from_pretrained(found.path)
    prompt: chat.Style = style or chat.style_of(Path(found.path), model == "tiny")
    about = {"model": found.name, "prompt": prompt, "template": chat.template_hash(tokenizer)}
    return about, alignment.check(tokenizer, prompt, alignment.stop_tokens(Path(found.path)))


def failed(
    verdicts: "Sequence[Verdict]", required: Sequence[str], machine: "Sequence[Finding]", report: "Report | None"
) -> bool:
    """Whether anything is refused or fails, or something that is required is not there."""
    bad = any(one.status == "refused" or (one.name in required and one.status != "ok") for one in verdicts)
    return bad or any(one.status == "fail" for one in machine) or bool(report and report.failures)


def _told(
    verdicts: "Sequence[Verdict]", machine: "Sequence[Finding]", about: dict[str, str], report: "Report | None"
) -> dict[str, Any]:
    limits = [{"name": one.name, "status": one.status, "message": one.message} for one in machine]
    aligned = {**about, "alignment": [asdict(finding) for finding in report.findings]} if report else {}
    return {"capabilities": [asdict(verdict) for verdict in verdicts], "machine": limits, **aligned}


def _show(
    verdicts: "Sequence[Verdict]", machine: "Sequence[Finding]", about: dict[str, str], report: "Report | None"
) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console()
    for title, lines in _sections(verdicts, machine, about, report):
        console.print(Text(title, style="bold"))
        for status, text in lines:
            console.print(Text(text, style=COLOURS.get(status, "")), soft_wrap=True)


def _sections(
    verdicts: "Sequence[Verdict]", machine: "Sequence[Finding]", about: dict[str, str], report: "Report | None"
) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Title, and (status, line) of everything under it."""
    lines: list[tuple[str, str]] = []
    for one in verdicts:
        lines.append((one.status, f"  {one.status:<8} {one.name:<10} {one.reason}"))
        lines += [("", f"{'':21} fix: {one.fix}")] if one.fix else []
    yield "Capabilities", lines
    yield "This machine", [(one.status, f"  {one.status:<8} {one.name:<14} {one.message}") for one in machine]
    if report:
        title = ", ".join(f"{name} {value}" for name, value in about.items())
        yield title, [(one.status, line) for one in report.findings for line in one.lines()]
