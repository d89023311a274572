"""`harness ablate`: the main job."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness import threads
from harness.cli.errors import BadRequest, told
from harness.presets import small

if TYPE_CHECKING:
    from rich.console import Console

    from ablations.executors import Executor
    from ablations.plan import Plan
    from ablations.run import CellRun

FAILED_CELLS = 1
INTERRUPTED = 130
# The flags that a file may say as well.
SAID = set("rewards objectives seeds preset model data data_path prm start controls baseline name report_to".split())


def ablate(
    rewards: Annotated[
        str | None, typer.Option(help="Reward specs, comma separated; the first is the baseline.")
    ] = None,
    objectives: Annotated[
        str | None,
        typer.Option(help="grpo (default), grpo+among_correct(process) with credit, dpo, ...; comma separated."),
    ] = None,
    seeds: Annotated[
        str | None, typer.Option(metavar="N", help="How many seeds. Default: 1, 3 or 5 by preset.")
    ] = None,
    preset: Annotated[str | None, typer.Option(help="Sizes: smoke, quick (default) or full.")] = None,
    model: Annotated[
        str | None, typer.Option(help="tiny (default), a Hugging Face folder or a hub id; comma separated.")
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(help="tiny (default with the tiny model), gsm8k (else), a folder, or a hub id; comma separated."),
    ] = None,
    data_path: Annotated[str | None, typer.Option(help="Original files: a folder, or TRAIN.jsonl,TEST.jsonl.")] = None,
    prm: Annotated[
        str | None, typer.Option(metavar="FOLDER", help="The learned process reward model that objectives call prm.")
    ] = None,
    start: Annotated[
        str | None, typer.Option(metavar="FILE", help="A file of harness train, run once; the cells start from it.")
    ] = None,
    override: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUES", help="As train.steps=20; several values are an axis."),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A study as TOML, as in examples/studies; flags go over it."),
    ] = None,
    controls: Annotated[
        bool | None, typer.Option(help="Add the rewards random and format_only. Default: in a study of a file.")
    ] = None,
    baseline: Annotated[
        str | None, typer.Option(metavar="REWARD", help="What the others are compared with. Default: the first.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the study; made from the flags where not given.")] = None,
    results: Annotated[Path, typer.Option(help="Folder of all studies.")] = Path("results"),
    plugin: Annotated[
        list[str] | None, typer.Option(metavar="FILE", help="A Python file that registers rewards; repeatable.")
    ] = None,
    report_to: Annotated[
        str | None, typer.Option(metavar="TRACKER", help="Tell every step to tensorboard, wandb or trackio as well.")
    ] = None,
    jobs: Annotated[int, typer.Option(help="Cells at a time; 0 takes one a core, or a GPU, or one.")] = 0,
    executor: Annotated[
        str, typer.Option(help="Where cells run: local, ray, or slurm; all need one file system.")
    ] = "local",
    cluster: Annotated[
        str, typer.Option(metavar="SETTINGS", help="Of ray its address; of slurm partition=gpu,timeout_min=240,...")
    ] = "",
    hang_minutes: Annotated[float, typer.Option(help="A cell that says nothing for so long is ended.", min=0.01)] = 30,
    retry_failed: Annotated[bool, typer.Option(help="Run failed cells again, from their last checkpoint.")] = False,
    dry_run: Annotated[
        bool, typer.Option(help="Say what would run, how long, and what it could find; start nothing.")
    ] = False,
    listing: Annotated[bool, typer.Option("--list", help="Show the studies in --results.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For machines; progress goes to stderr.")] = False,
) -> None:
    """Train and measure every reward x objective x model x data x setting x seed, and print the table.

    Repeat the command to continue an interrupted study or, with more rewards or seeds, to extend it.

    Example: harness ablate --rewards sparse,format_answer --seeds 3

    Example: harness ablate --rewards sparse --set train.learning_rate=1e-4,4e-4 --dry-run
    """
    flags = {name: value for name, value in locals().items() if name in SAID}
    from rich.console import Console

    from ablations import run
    from ablations.executors import ExecutorUnavailable
    from ablations.plan import PlanConflict
    from evals.data import DataError
    from harness.cli import dry, dry_view
    from harness.cli.asked import asked
    from harness.cli.request import planned
    from harness.sources import SourceError
    from rewards import RewardError, plugins

    console = Console(stderr=True)
    if listing:
        from ablations import listing as studies

        studies.show(results, as_json)
        return
    with told(BadRequest, RewardError, SourceError, DataError, PlanConflict, ExecutorUnavailable, run.StudyBusy):
        wanted = asked(config, flags | {"plugins": plugin}, override or [])
        for path in wanted.plugins:
            plugins.load(Path(path))
        where = place(executor, cluster, wanted.model, jobs)
        plan = planned(wanted, results, console, make=not dry_run)
        folder = results / plan.name
        if dry_run:
            dry_view.show(dry.forecast(plan, results, where.slots), as_json)
            return
        cells = walk(plan, folder, where, hang_minutes, retry_failed, console)
        from ablations.report import build
        from harness.cli.report import show

        show(build(folder), as_json)
    if any(cell.state == "failed" for cell in cells):
        raise typer.Exit(FAILED_CELLS)


def walk(
    plan: "Plan", folder: Path, where: "Executor", hang_minutes: float, retry_failed: bool, console: "Console"
) -> "Sequence[CellRun]":
    """Runs what is missing of the study. Ctrl-C keeps what is done and ends the command."""
    from ablations import run, stages
    from ablations.executors.local import Local
    from ablations.live import view
    from ablations.plan import lay
    from harness.cli import shortage

    folder.mkdir(parents=True, exist_ok=True)
    with run.held(folder):
        cells = run.load(lay(folder, plan), retry_failed)
        stages.attach(cells, [one.needs for one in plan.runs()])
        announce(console, cells, folder)
        # Nobody here knows how much memory another machine has.
        explain = shortage.explain_cell if isinstance(where, Local) else run.unexplained
        try:
            with view(console) as watch:
                run.run(cells, where, watch, hang_minutes, explain)
        except KeyboardInterrupt:
            done = sum(cell.state == "done" for cell in cells)
            typer.echo(f"stopped: {done} of {len(cells)} cells are done; the same command continues", err=True)
            raise typer.Exit(INTERRUPTED) from None
    return cells


def place(executor: str, cluster: str, models: Sequence[str], jobs: int) -> "Executor":
    """Where the cells run, and how many at a time. Raises `BadRequest` or `ExecutorUnavailable`."""
    from ablations.executors.named import named
    from harness.doctor import preflight

    problems = [f"--jobs {jobs}: give 0 or more"] if jobs < 0 else []
    problems += preflight.refused(["ray"]) if executor == "ray" else []
    if problems:
        raise BadRequest("\n".join(problems))
    count, environment = schedule(models, jobs)
    # A cluster knows itself how many it has room for.
    return named(executor, cluster, count if executor == "local" else jobs, environment)


def schedule(models: Sequence[str], jobs: int) -> tuple[int, dict[str, str]]:
    """Cells at a time, and the environment of each.

    The embedded model runs one cell a core, always on one thread: its numbers must not depend on `--jobs`. Any other
    model takes a GPU each, or has the machine to itself, and shares the cores among its threads.
    """
    from ablations.executors.local import devices

    cores = os.cpu_count() or 1
    if all(small(model) for model in models):
        return jobs or cores, threads.environment()
    count = jobs or len(devices()) or 1
    return count, threads.environment(max(1, cores // count))


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
        # What a stage has yet to make has no weights to count.
        if minutes >= 1:
            console.print(f"roughly {minutes:.0f} minutes a cell on two CPU cores, less on a GPU", highlight=False)
