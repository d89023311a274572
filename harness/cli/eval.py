"""`harness eval MODEL`."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli import rerank as reranking
from harness.cli.errors import told
from harness.cli.flags import BadEvaluation, Flags, checked
from harness.cli.measurement import Measurement, prepared
from harness.cli.watch import Watch

if TYPE_CHECKING:
    from rich.console import Console

DISAGREES = 1
INTERRUPTED = 130
ACCURACIES = {"accuracy": "verified", "strict": "strict-match", "flexible": "flexible-extract"}
RATES = {"format": "format", "no_answer": "no answer", "ambiguous": "ambiguous", "truncated": "truncated"}


def evaluate_command(
    model: Annotated[str, typer.Argument(help="tiny, a model folder, or a hub id.")],
    data: Annotated[str, typer.Option(help="tiny, gsm8k, a hub id, a folder or a file. Default: tiny or gsm8k.")] = "",
    data_path: Annotated[
        Path | None, typer.Option(help="JSON lines with question and answer, or a folder with SPLIT.jsonl.")
    ] = None,
    split: Annotated[str, typer.Option(help="test, train or dev.")] = "test",
    engine: Annotated[str, typer.Option(help="transformers, vllm or server.")] = "transformers",
    base_url: Annotated[str, typer.Option(help="For --engine server, as http://127.0.0.1:8000/v1.")] = "",
    samples: Annotated[int, typer.Option(help="Completions of every question.", min=1)] = 1,
    temperature: Annotated[float, typer.Option(help="0 is greedy.", min=0)] = 0.0,
    top_p: Annotated[float, typer.Option(help="Nucleus sampling; 1 is off.")] = 1.0,
    style: Annotated[
        str, typer.Option(help="A prompt style or a template file. Default: bare for tiny, else think.")
    ] = "",
    chat: Annotated[
        str, typer.Option(help="lm-eval's styles as a conversation: single or multiturn. Default: none, raw text.")
    ] = "",
    limit: Annotated[int | None, typer.Option(help="Only the first N questions.", min=1)] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the records. Default: results/eval/NAME.")] = None,
    seed: Annotated[int, typer.Option(help="Of the draws.", min=0)] = 0,
    max_new_tokens: Annotated[int | None, typer.Option(help="Default: the style's.", min=1)] = None,
    batch_size: Annotated[int, typer.Option(help="Prompts in a batch, or requests to a server at once.", min=1)] = 32,
    check: Annotated[
        str, typer.Option(help="lm-eval: it grades the same completions; lm-eval-run: it runs the model itself.")
    ] = "",
    rerank: Annotated[
        str,
        typer.Option(
            metavar="FOLDER[,AGGREGATE]",
            help="Best of n by this process reward model, by every aggregation of steps or by one.",
        ),
    ] = "",
    any_template: Annotated[
        bool, typer.Option(help="Measure although the chat template is unsound or not the one of training; recorded.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For machines; progress goes to stderr.")] = False,
) -> None:
    """Measure a model: accuracy by lm-eval's two filters and by the verifier, with intervals, every completion kept.

    Interrupted, it keeps what is finished; the same command goes on from there. `--chat multiturn` is lm-eval's
    --apply_chat_template, `--chat single` that with --fewshot_as_multiturn false. A check that finds other grades than
    ours ends with exit code 1; lm-eval-run generates with lm-eval's hf backend, greedily, on the same questions.

    Example: harness eval tiny --limit 100

    Example: harness eval tiny --samples 8 --temperature 1 --rerank runs/prm/model

    Example: harness eval Qwen/Qwen2.5-1.5B-Instruct --style gsm8k_cot --chat multiturn --check lm-eval
    """
    _use_all_cores()
    from rich.console import Console

    from evals.data import DataError
    from evals.engines import EngineError
    from evals.parity import ParityError
    from evals.prompts import StyleError
    from evals.run import RunError
    from harness.chat import OtherTemplate
    from harness.sources import SourceError
    from harness.weights import WeightsUnavailable
    from rewards.errors import RewardError

    errors = Console(stderr=True)
    flags = Flags(
        model, data, data_path, split, engine, base_url, samples, temperature, top_p, style, chat, limit, out,
        seed, max_new_tokens, batch_size, check, any_template, rerank,
    )  # fmt: skip
    with told(
        BadEvaluation, DataError, EngineError, OtherTemplate, ParityError, RewardError, RunError, SourceError,
        StyleError, WeightsUnavailable,
    ):  # fmt: skip
        measurement = prepared(checked(flags), errors)
        rows = _finished(measurement, errors)
        report = measurement.report(rows)
        if rerank:
            report["rerank"] = _reranked(rerank, measurement, rows, errors)
        measurement.write(report)
        parity = measurement.parity(rows, check, errors) if check else None
    if as_json:
        typer.echo(json.dumps({**report, **({"lm_eval": parity.counts()} if parity else {})}, indent=1))
    else:
        typer.echo("\n".join(_lines(measurement, report) + (parity.lines() if parity else [])))
    if parity and not parity.agrees:
        raise typer.Exit(DISAGREES)


def _use_all_cores() -> None:
    """One process at a time generates here, so all cores are its own; to be said before torch is imported."""
    from harness import threads

    os.environ.setdefault("OMP_NUM_THREADS", str(os.cpu_count() or 1))
    threads.apply()


def _finished(measurement: Measurement, errors: "Console") -> list[dict[str, Any]]:
    run = measurement.run
    for note in measurement.notes:
        errors.print(note, soft_wrap=True, highlight=False, markup=False)
    try:
        with Watch(run.total, errors) as watch:
            return run.finish(measurement.engine, watch)
    except KeyboardInterrupt:
        raise _interrupted(run.folder) from None


def _reranked(flag: str, measurement: Measurement, rows: list[dict[str, Any]], errors: "Console") -> dict[str, Any]:
    folder = measurement.run.folder
    try:
        return reranking.parsed(flag).report(folder, rows, errors)
    except KeyboardInterrupt:
        raise _interrupted(folder) from None


def _interrupted(folder: Path) -> typer.Exit:
    typer.echo(f"interrupted; what is finished is in {folder}, the same command goes on from there", err=True)
    return typer.Exit(INTERRUPTED)


def _lines(measurement: Measurement, report: dict[str, Any]) -> list[str]:
    """The report for people."""
    lines = [measurement.title]
    for key, label in ACCURACIES.items():
        found = report[key]
        lines.append(f"  {label:<17}{_percent(found['value']):>9}  {_interval(found)}  n={found['n']}")
    rates = [f"{label} {_percent(report[key]['value'])}" for key, label in RATES.items()]
    lines.append("  " + ", ".join(rates))
    if report["unscorable"]:
        statuses = ", ".join(f"{name} {count}" for name, count in report["statuses"].items())
        lines.append(f"  {report['unscorable']} completions could not be scored and are in no accuracy ({statuses})")
    tokens, seconds = report["generated_tokens"], report["seconds"]
    speed = f" ({tokens / seconds:,.0f} tokens/s)" if seconds else ""
    mean = report["tokens"]["value"] or 0
    lines.append(f"  {mean:.1f} tokens a completion; {tokens:,} tokens in {seconds:.1f} s{speed}")
    if "rerank" in report:
        lines += reranking.lines(report["rerank"])
    return [*lines, f"  {measurement.run.folder}/ holds summary.md, summary.json, eval.json and items.jsonl"]


def _percent(value: float | None) -> str:
    return "none" if value is None else f"{100 * value:.2f} %"


def _interval(found: dict[str, Any]) -> str:
    if found["low"] is None:
        return "(no interval)"
    return f"({100 * found['low']:.2f} to {100 * found['high']:.2f})"
