"""`harness export ENGINE --config FILE.toml`."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli.errors import told
from harness.cli.recipe import BadRecipe, Recipe, read, resolved

if TYPE_CHECKING:
    from rich.console import Console

    from harness.training import TrainRun


def export(
    engine: Annotated[str, typer.Argument(help="verl or openrlhf.", metavar="ENGINE")],
    config: Annotated[Path, typer.Option(help="TOML file of harness train grpo; examples/ has some.")],
    override: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Over the file, as optimizer.steps=20.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder. Default: results/export/ENGINE-NAME-OF-THE-FILE.")] = None,
    gpus: Annotated[int | None, typer.Option(help="Of a machine. Default: shard.processes.", min=1)] = None,
    machines: Annotated[int, typer.Option(help="How many.", min=1)] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="For machines; progress goes to stderr.")] = False,
) -> None:
    """Write a GRPO run for a distributed engine: scripts, settings, data, the same rewards, and a proof that they fit.

    The folder needs nothing beside it but the model. Its check.py proves without a GPU that the engine reads it as
    this project means it; run.sh does so before it trains.

    Example: harness export verl --config examples/grpo-7b.toml --gpus 8
    """
    from rich.console import Console

    from evals.data import DataError
    from harness.alignment import Misaligned
    from harness.chat import OtherTemplate
    from harness.export.mapping import BadExport
    from harness.sources import SourceError
    from rewards import RewardError

    errors = Console(stderr=True)
    with told(BadExport, BadRecipe, DataError, Misaligned, OtherTemplate, RewardError, SourceError):
        recipe = read(config, override or [])
        devices = gpus or recipe.shard.processes
        _check(engine, recipe, devices, machines)
        run = _resolved(recipe, errors)
        folder = out or Path("results") / "export" / f"{engine}-{config.stem}"
        manifest = _written(engine, run, recipe, folder, (devices, machines), errors)
    if as_json:
        shown = {"folder": str(folder), **{key: value for key, value in manifest.items() if key != "files"}}
        typer.echo(json.dumps(shown, indent=1))
    else:
        typer.echo("\n".join(lines(folder, manifest)))


def _check(engine: str, recipe: Recipe, gpus: int, machines: int) -> None:
    """Raises `BadRecipe` with all that can be said before data and model are looked for."""
    from harness.export.folder import ENGINES
    from rewards import plugins

    if engine not in ENGINES:
        raise BadRecipe(f"{engine}: give {' or '.join(ENGINES)}")
    for path in recipe.plugins:
        plugins.load(Path(path))
    problems = list(ENGINES[engine].problems(recipe, gpus, machines))
    if problems:
        raise BadRecipe("\n".join(problems))


def _resolved(recipe: Recipe, errors: "Console") -> "TrainRun":
    from harness import sources
    from harness.cli.request import base_progress

    # Trackers have to be installed where the run goes, not here.
    silent = recipe.model_copy(update={"report_to": ()})
    with base_progress(errors) as progress:
        run = resolved("grpo", silent, progress, sources.tokenizer, here=False)
    return run.model_copy(update={"report_to": recipe.report_to})


def _written(
    engine: str, run: "TrainRun", recipe: Recipe, folder: Path, size: tuple[int, int], errors: "Console"
) -> dict[str, Any]:
    from transformers import AutoTokenizer

    from evals.data import load, training
    from harness import alignment, chat
    from harness.export.folder import material, write

    assert run.data is not None
    tokenizer = AutoTokenizer.from_pretrained(run.model.path)
    chat.check_trained(Path(run.model.path), tokenizer, run.prompt)
    alignment.require(tokenizer, run.prompt, alignment.stop_tokens(Path(run.model.path)))
    train, test = training(run.data), load(Path(run.data.test))
    with errors.status(f"rendering {len(train) + len(test)} prompts"):
        made = material(run, tokenizer, train, test)
        on_disk = recipe.model == "tiny" or Path(recipe.model).expanduser().is_dir()
        return write(engine, made, folder, run.model.path if on_disk else recipe.model, *size)


def lines(folder: Path, manifest: dict[str, Any]) -> Iterator[str]:
    """The outcome for people."""
    grpo, place = manifest["run"]["grpo"], manifest["place"]
    yield (
        f"{folder}: {grpo['objective']} with {grpo['reward']} for {manifest['engine']} "
        f"{manifest['pins']['engine'][1]} on {place['machines']} x {place['gpus']} GPUs"
    )
    yield f"  {len(manifest['settings'])} settings, {manifest['data']['train']['rows']} prompts; README.md has each"
    yield from (f"  left out: {name}: {why}" for name, why in manifest["left_out"].items())
    yield from (f"  otherwise: {sentence}" for sentence in manifest["differs"])
    yield f"  check it on any machine: cd {folder} && bash setup.sh --check-only && .venv/bin/python check.py"
    yield "  train there:             bash setup.sh && bash run.sh"
