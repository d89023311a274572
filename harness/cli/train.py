"""`harness train METHOD --config FILE.toml`."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from harness.cli.errors import told
from harness.cli.placement import Flags, placed
from harness.cli.recipe import BadRecipe, resolved
from harness.training import METHODS, TrainRun

if TYPE_CHECKING:
    from rich.console import Console

    from harness.launch.placement import Placement

FAILED = 1
INTERRUPTED = 130
# Seconds between two plain lines, as in a log file.
EVERY = 15.0
MEASURED = {"before": "accuracy before", "evaluation": "accuracy after "}


def train(
    method: Annotated[str, typer.Argument(help="sft, dpo, grpo or prm.", metavar="METHOD")],
    config: Annotated[Path, typer.Option(help="TOML file; examples/ has one for each method and size.")],
    override: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Over the file, as optimizer.steps=20.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the run. Default: results/train/NAME-OF-THE-FILE.")
    ] = None,
    launcher: Annotated[
        Literal["torchrun", "accelerate"], typer.Option("--launch", help="Who starts several processes.")
    ] = "torchrun",
    processes: Annotated[
        int | None, typer.Option(help="On all machines together. Default: the file's, else a hostfile's slots.", min=1)
    ] = None,
    zero: Annotated[
        int | None, typer.Option(help="What they divide: ZeRO stage 1 to 3, or 0 for nothing (DDP).", min=0, max=3)
    ] = None,
    hostfile: Annotated[
        Path | None, typer.Option(help="Machines to start on over ssh, `host slots=N` a line; this one first.")
    ] = None,
    slurm: Annotated[
        str | None, typer.Option(help="Submit it as a job, as nodes=2,partition=gpu,gpus_per_node=8,timeout_min=600.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For machines; progress goes to stderr.")] = False,
) -> None:
    """Train a model, by supervised fine-tuning, on preferences, or with a registered reward; or a process reward model.

    Interrupted or killed, the same command goes on from the last checkpoint; of a finished run it tells the result.

    Example: harness train grpo --config examples/grpo-tiny.toml --set grpo.objective=dapo

    Example: harness train sft --config examples/sft-7b.toml --hostfile hosts --processes 16 --zero 3
    """
    from filelock import FileLock, Timeout
    from rich.console import Console

    from evals.data import DataError
    from harness import launch, status
    from harness.chat import OtherTemplate
    from harness.cli import shortage
    from harness.cli.job import standing, submitted
    from harness.cli.request import base_progress
    from harness.launch.placement import NotPlaceable
    from harness.sources import SourceError
    from rewards import RewardError

    errors = Console(stderr=True)
    folder = out or Path("results") / "train" / config.stem
    with told(BadRecipe, DataError, NotPlaceable, OtherTemplate, RewardError, SourceError):
        chosen = next((known for known in METHODS if known == method), None)
        if chosen is None:
            raise BadRecipe(f"{method}: give {', '.join(METHODS)}")
        place = placed(config, override or [], Flags(launcher, processes, zero, hostfile, slurm))
        with base_progress(errors) as progress:
            run = resolved(chosen, place.recipe, progress, here=not place.job)
        folder.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(folder / ".lock", timeout=0):
                lay(folder, run)
                if status.read(folder).get("state") != "done":
                    if place.job:
                        typer.echo(submitted(folder, run, place.placement.launcher, place.job, as_json))
                        return
                    ready(folder, run, place.placement)
                    if len(place.placement.hosts) > 1:
                        errors.print(f"asking {len(place.placement.hosts)} machines", highlight=False)
                    with watching(errors, run.optimizer.steps) as watch:
                        launch.start(folder, run, watch, place.placement)
                    shortage.explain(folder, run)
        except Timeout as error:
            # A job holds the lock while it runs.
            if place.job and (line := standing(folder, run, as_json)):
                typer.echo(line)
                return
            raise BadRecipe(f"{folder} is being trained by another process; wait for it, or give --out") from error
        except KeyboardInterrupt:
            typer.echo(f"interrupted; {folder} keeps what is done, the same command goes on from there", err=True)
            raise typer.Exit(INTERRUPTED) from None
    found = outcome(folder, run)
    typer.echo(json.dumps(found, indent=1) if as_json else "\n".join(lines(folder, run, found)))
    if found["state"] != "done":
        raise typer.Exit(FAILED)


def ready(folder: Path, run: TrainRun, place: "Placement") -> None:
    """Raises `BadRecipe` where the disk, or the memory here, cannot hold the run; warns where they may not."""
    from harness.doctor import preflight

    here = 0 if place.hosts else run.shard.processes // (place.nodes or 1)
    outlook = preflight.of_run(run, folder, here)
    if outlook.refused:
        raise BadRecipe("\n".join(outlook.refused))
    for line in outlook.warned:
        typer.echo(f"warning: {line}", err=True)


def lay(folder: Path, run: TrainRun) -> None:
    """Writes the run's config; raises `BadRecipe` where the folder holds another run."""
    from ablations.plan import conflicts

    path = folder / "config.toml"
    if not path.is_file():
        run.write(path)
        return
    changed = conflicts(TrainRun.read(path).model_dump(), run.model_dump())
    if changed:
        raise BadRecipe(f"{folder} holds another run ({'; '.join(changed)}); give --out, or remove the folder")


@contextmanager
def watching(console: "Console", steps: int) -> Iterator[Callable[[dict[str, Any]], None]]:
    """Yields what shows a run's status: a bar on a terminal, a plain line now and then elsewhere."""
    from rich.progress import Progress

    told_at = time.monotonic()
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("start", total=steps)

        def show(status: dict[str, Any]) -> None:
            nonlocal told_at
            text = describe(status)
            bar.update(task, completed=status["step"], description=text)
            if not console.is_terminal and time.monotonic() - told_at >= EVERY:
                told_at = time.monotonic()
                console.print(f"{text}, step {status['step']}/{steps}", soft_wrap=True, highlight=False)

        yield show


def describe(status: dict[str, Any]) -> str:
    graded = f" {status['graded']}/{status['to_grade']}" if status["to_grade"] else ""
    return f"{status['phase']}{graded}"


def outcome(folder: Path, run: TrainRun) -> dict[str, Any]:
    """What the run's files say of it: state, time, the last step's metrics and, where measured, the accuracies."""
    from ablations.alarms import alarms
    from harness import status
    from harness.trainers.measures import AFTER, BEFORE, summary_of
    from harness.trainers.prm import record

    told = status.read(folder)
    steps = (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines() if told["step"] else []
    rows = [json.loads(line) for line in steps]
    return {
        "folder": str(folder),
        "method": run.method,
        **{name: told[name] for name in ("state", "error", "seconds", "step")},
        "last": rows[-1] if rows else None,
        "before": summary_of(folder / BEFORE),
        "evaluation": summary_of(folder / AFTER),
        **({"prm": record.summary_of(folder)} if run.prm else {}),
        **({"alarms": [asdict(alarm) for alarm in alarms(rows)]} if run.grpo else {}),
    }


def lines(folder: Path, run: TrainRun, found: dict[str, Any]) -> list[str]:
    """The outcome for people."""
    if found["state"] != "done":
        error = found["error"] or {"type": found["state"], "message": f"after step {found['step']}"}
        return [f"{folder}: {error['type']}: {error['message']}; the whole log is {folder / 'log.txt'}"]
    told = [f"{run.method} of {run.model.name}: {found['step']} steps in {found['seconds']:.0f} s"]
    told += [f"  {label} {_accuracy(found[key])}" for key, label in MEASURED.items() if found[key]]
    told += _judges(found["prm"]) if found.get("prm") else []
    told += [f"  {alarm['severity']}: {alarm['sentence']}" for alarm in found.get("alarms", [])]
    return [*told, f"  {folder / 'model'} holds the weights, {folder}/ the records"]


def _judges(prm: dict[str, Any]) -> list[str]:
    """How a process reward model does on held-out questions, and what its labels cost."""
    held_out, tokens, seconds = prm["held_out"], prm["sampled_tokens"], prm["seconds"]
    steps, solutions = held_out["steps"], held_out["solutions"]
    return [
        f"  held out: {held_out['questions']} of {prm['questions']} questions",
        f"  AUC, steps that most continuations follow up rightly   {_auc(steps['auc_most'])} of {steps['n']} steps",
        f"  AUC, right solutions by their worst step               {_auc(solutions['auc']['min'])} "
        f"of {solutions['n']}; by fewer steps {_plain(solutions['auc_few_steps'])}",
        f"  calibration error {steps['calibration_error']:.3f}, loss {steps['loss']:.3f} nats; "
        f"always saying the mean label {steps['base_loss']:.3f}",
        f"  sampled {tokens['solutions']} + {tokens['continuations']} tokens "
        f"in {seconds['solutions']:.0f} + {seconds['labels']:.0f} s; trained {seconds['train']:.0f} s",
    ]


def _auc(measured: dict[str, Any]) -> str:
    found = _plain(measured["value"])
    return found if measured["low"] is None else f"{found} ({measured['low']:.3f} to {measured['high']:.3f})"


def _plain(value: float | None) -> str:
    return "none: all are of one kind" if value is None else f"{value:.3f}"


def _accuracy(measured: dict[str, Any]) -> str:
    found = measured["accuracy"]
    if found["value"] is None:
        return f"none: no gold of {measured['items']} questions can be scored"
    interval = f" ({found['low']:.1%} to {found['high']:.1%})" if found["low"] is not None else ""
    return f"{found['value']:.1%}{interval} on {measured['items']} questions"
