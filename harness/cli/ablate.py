"""`harness ablate`: the main job."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness import threads
from harness.cli.errors import told
from harness.cli.request import BadRequest, check_space, checked, planned
from harness.presets import small

if TYPE_CHECKING:
    from rich.console import Console

    from ablations.run import CellRun

FAILED_CELLS = 1
INTERRUPTED = 130


def ablate(
    rewards: Annotated[str, typer.Option(help="Reward specs, comma separated; the first is the baseline.")],
    objectives: Annotated[
        str, typer.Option(help="Objectives, comma separated, as grpo or grpo+among_correct(process) with credit.")
    ] = "grpo",
    seeds: Annotated[
        str | None, typer.Option(metavar="N", help="How many seeds. Default: 1, 3 or 5 by preset.")
    ] = None,
    preset: Annotated[str, typer.Option(help="Sizes: smoke, quick or full.")] = "quick",
    model: Annotated[str, typer.Option(help="tiny, a Hugging Face folder or a hub id.")] = "tiny",
    data: Annotated[
        str, typer.Option(help="tiny (default with the tiny model), gsm8k (else), a folder, or a hub id.")
    ] = "",
    data_path: Annotated[str, typer.Option(help="Original files: a folder, or TRAIN.jsonl,TEST.jsonl.")] = "",
    prm: Annotated[
        str, typer.Option(metavar="FOLDER", help="The learned process reward model that objectives call prm.")
    ] = "",
    name: Annotated[str, typer.Option(help="Name of the study; made from the flags where not given.")] = "",
    results: Annotated[Path, typer.Option(help="Folder of all studies.")] = Path("results"),
    override: Annotated[
        list[str] | None, typer.Option("--set", help="KEY=VALUE of train, evaluation or model, e.g. train.steps=20.")
    ] = None,
    plugin: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="A Python file that registers rewards; repeatable.")
    ] = None,
    jobs: Annotated[int, typer.Option(help="Cells at a time; 0 takes one a core, or one with a large model.")] = 0,
    retry_failed: Annotated[bool, typer.Option(help="Run failed cells again.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For machines; progress goes to stderr.")] = False,
) -> None:
    """Train and measure every reward x objective x seed, and print the table.

    Repeat the command to continue an interrupted study or, with more rewards or seeds, to extend it.

    Example: harness ablate --rewards sparse,format_answer --seeds 3
    """
    from rich.console import Console

    from ablations import run
    from ablations.plan import PlanConflict, lay
    from ablations.report import build
    from evals.data import DataError
    from harness.cli.report import show
    from harness.sources import SourceError
    from rewards import RewardError, plugins

    console = Console(stderr=True)
    with told(RewardError):
        for path in plugin or []:
            plugins.load(path)
    with told(BadRequest, SourceError, DataError, PlanConflict, run.StudyBusy):
        request = checked(rewards, objectives, seeds, preset, prm, name, override or [], jobs)
        found = data or ("tiny" if small(model) else "gsm8k")
        plan = planned(request, model, found, data_path, prm, name, console)
        folder = results / plan.name
        check_space(folder, plan)
        folder.mkdir(parents=True, exist_ok=True)
        with run.held(folder):
            cells = run.load(lay(folder, plan), retry_failed)
            announce(console, cells, folder)
            from ablations.live import view

            try:
                with view(console) as watch:
                    run.run(cells, *schedule(model, jobs), watch)
            except KeyboardInterrupt:
                done = sum(cell.state == "done" for cell in cells)
                typer.echo(f"stopped: {done} of {len(cells)} cells are done; the same command continues", err=True)
                raise typer.Exit(INTERRUPTED) from None
            built = build(folder)
    show(built, as_json)
    if any(cell.state == "failed" for cell in cells):
        raise typer.Exit(FAILED_CELLS)


def schedule(model: str, jobs: int) -> tuple[int, dict[str, str]]:
    """Cells at a time, and the environment of each.

    The embedded model runs one cell a core, always on one thread: its numbers must not depend on `--jobs`. Any other
    model has the machine to itself and shares the cores among its threads.
    """
    cores = os.cpu_count() or 1
    if small(model):
        return jobs or cores, threads.environment()
    return jobs or 1, threads.environment(max(1, cores // (jobs or 1)))


def announce(console: "Console", cells: "Sequence[CellRun]", folder: Path) -> None:
    """Says before anything starts what will run and about how long it takes."""
    from harness.config import RunConfig
    from harness.duration import rough_minutes

    waiting = [cell for cell in cells if cell.state == "pending"]
    done = sum(cell.state == "done" for cell in cells)
    failed = sum(cell.state == "failed" for cell in cells)
    notes = [f"{len(waiting)} to run", f"{done} done", *([f"{failed} failed (--retry-failed)"] if failed else [])]
    console.print(f"{folder}: {len(cells)} cells: {', '.join(notes)}", highlight=False, soft_wrap=True)
    first = waiting[0].config if waiting else None
    if isinstance(first, RunConfig) and not small(first.model.path):
        minutes = rough_minutes(first)
        console.print(f"roughly {minutes:.0f} minutes a cell on two CPU cores, less on a GPU", highlight=False)
