"""`harness road`: SFT, then DPO with every loss, then GRPO with every objective, in one table."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.errors import told

if TYPE_CHECKING:
    from rich.console import Console

    from ablations.road import Road

FAILED_RUNS = 1
INTERRUPTED = 130
LOSSES = "dpo,ipo,simpo,orpo"
OBJECTIVES = "grpo,dr_grpo,dapo,rloo"


@dataclass(frozen=True)
class Axes:
    """What varies: the preference losses, the objectives, how many seeds; and the reward of the last leg."""

    losses: tuple[str, ...]
    objectives: tuple[str, ...]
    seeds: int
    reward: str


def road(
    losses: Annotated[
        str, typer.Option(help="Preference losses, comma separated; GRPO starts from the first.")
    ] = LOSSES,
    objectives: Annotated[str, typer.Option(help="RL objectives, comma separated.")] = OBJECTIVES,
    reward: Annotated[str, typer.Option(help="What GRPO trains with.")] = "format_answer",
    seeds: Annotated[int, typer.Option(help="Training seeds of every row.", min=1)] = 3,
    preset: Annotated[str, typer.Option(help="Sizes: smoke, quick or full.")] = "quick",
    model: Annotated[str, typer.Option(help="tiny, a Hugging Face folder or a hub id.")] = "tiny",
    data: Annotated[str, typer.Option(help="tiny, gsm8k, a folder or a hub id.")] = "",
    data_path: Annotated[str, typer.Option(help="Original files: a folder, or TRAIN.jsonl,TEST.jsonl.")] = "",
    name: Annotated[str, typer.Option(help="Name of the study.")] = "road",
    results: Annotated[Path, typer.Option(help="Folder of all studies.")] = Path("results"),
    jobs: Annotated[int, typer.Option(help="Runs at a time; 0 takes one a core, or one with a large model.")] = 0,
    report_only: Annotated[bool, typer.Option("--report", help="Rebuild the table from the records.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For machines; progress goes to stderr.")] = False,
) -> None:
    """Walk SFT -> DPO -> GRPO: every loss and every objective, several seeds, one table.

    Repeat the command to continue an interrupted road or, with more losses, objectives or seeds, to extend it.

    Example: harness road --losses dpo,simpo --objectives grpo,dapo --seeds 3
    """
    from rich.console import Console

    from ablations import road_report, run
    from ablations.plan import PlanConflict
    from evals.data import DataError
    from harness.cli.errors import BadRequest
    from harness.sources import SourceError
    from rewards import RewardError

    console, root = Console(stderr=True), results / name
    with told(BadRequest, DataError, PlanConflict, RewardError, SourceError, run.StudyBusy):
        if report_only:
            if not (root / "road.toml").is_file():
                raise BadRequest(f"{root}: no road.toml; give the --name of a road")
        else:
            asked = Axes(names(losses), names(objectives), seeds, reward)
            planned = plan(asked, name, preset, model, data, data_path, console)
            walk(planned, root, model, jobs, console)
        built = road_report.build(root)
    if as_json:
        typer.echo(json.dumps({"rows": [vars(row) for row in built.rows], "files": [str(p) for p in built.paths]}))
    else:
        typer.echo(built.markdown)
    if any(row.failed for row in built.rows):
        raise typer.Exit(FAILED_RUNS)


def names(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))


def plan(axes: Axes, name: str, preset: str, model: str, data: str, data_path: str, console: "Console") -> "Road":
    """Checks every name at once, then resolves data and model."""
    from ablations.road import Road
    from harness import code, sources
    from harness.cli.errors import BadRequest
    from harness.cli.request import base_progress
    from harness.doctor import preflight
    from harness.presets import PRESETS, road_sizes

    sized = next((known for known in PRESETS if known == preset), None)
    problems = [*preflight.refused(["cpu"]), *_unknown(axes)]
    problems += [] if sized else [f"--preset {preset}: give {', '.join(PRESETS)}"]
    if problems or sized is None:
        raise BadRequest("\n".join(problems))
    paths = [Path(part).expanduser() for part in data_path.split(",") if part]
    found = sources.data(data or ("tiny" if model == "tiny" else "gsm8k"), paths)
    with base_progress(console) as progress:
        weights = sources.model(model, "smoke" if preset == "smoke" else "default", progress)
    return Road.model_validate(
        {
            "name": name,
            "preset": preset,
            "seeds": tuple(range(axes.seeds)),
            "losses": axes.losses,
            "objectives": axes.objectives,
            "reward": axes.reward,
            "prompt": "bare" if model == "tiny" else "think",
            "model": weights,
            "data": found,
            "sizes": road_sizes(sized, model),
            "code": code.fingerprint(),
            "adapter": None if model == "tiny" else {},
        }
    )


def _unknown(axes: Axes) -> list[str]:
    import rewards
    from harness.trainers.losses import UnknownLoss, loss
    from harness.trainers.objectives import UnknownObjective, objective

    problems = []
    for look, values in ((loss, axes.losses), (objective, axes.objectives), (rewards.parse, (axes.reward,))):
        for value in values:
            try:
                look(value)
            except (UnknownLoss, UnknownObjective, rewards.RewardError) as error:
                problems.append(str(error))
    return problems


def walk(road: "Road", root: Path, model: str, jobs: int, console: "Console") -> None:
    """Runs the legs one after the other; what is finished stays."""
    from ablations import run
    from ablations.executors.local import Local
    from ablations.live import view
    from ablations.road import lay, leg
    from harness.cli import shortage
    from harness.cli.ablate import schedule
    from harness.training import METHODS, TrainRun

    root.mkdir(parents=True, exist_ok=True)
    with run.held(root):
        lay(root, road)
        for method in METHODS:
            cells = run.load(leg(root, road, method), retry_failed=True, read=TrainRun.read)
            waiting = sum(cell.state == "pending" for cell in cells)
            console.print(f"{root}: {method}: {len(cells)} runs, {waiting} to run", highlight=False, soft_wrap=True)
            try:
                with view(console) as watch:
                    run.run(cells, Local(*schedule([model], jobs)), watch, explain=shortage.explain_cell)
            except KeyboardInterrupt:
                typer.echo("stopped; what is finished stays, the same command continues", err=True)
                raise typer.Exit(INTERRUPTED) from None
