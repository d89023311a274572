"""`harness estimate [MODEL]`."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from harness.cli.errors import told

# Flags that say nothing of the setup.
APART = ("model", "config", "bandwidth", "runs", "price", "most_gpus", "table", "as_json")


def estimate(
    model: Annotated[str, typer.Argument(help="tiny, a model folder, its config.json, or a hub id.")] = "",
    config: Annotated[Path | None, typer.Option(help="A file of `harness train`; flags go over it.")] = None,
    params: Annotated[float | None, typer.Option(help="Parameters instead of a model, as 7e9.", min=1e5)] = None,
    layers: Annotated[int | None, typer.Option(help="With --params.", min=1)] = None,
    hidden: Annotated[int | None, typer.Option(help="With --params: the width.", min=1)] = None,
    heads: Annotated[int | None, typer.Option(help="With --params.", min=1)] = None,
    kv_heads: Annotated[int | None, typer.Option(help="With --params.", min=1)] = None,
    vocab: Annotated[int | None, typer.Option(help="With --params.", min=1)] = None,
    objective: Annotated[Literal["sft", "dpo", "grpo", "ppo"] | None, typer.Option(help="Default: grpo.")] = None,
    method: Annotated[Literal["full", "lora", "qlora"] | None, typer.Option(help="Default: full.")] = None,
    rank: Annotated[int | None, typer.Option(help="Of the adapter. Default: 16.", min=1)] = None,
    kl: Annotated[bool | None, typer.Option(help="With a reference model. Default: DPO and PPO.")] = None,
    reward_model: Annotated[bool | None, typer.Option(help="A reward model as large as the policy.")] = None,
    gpus: Annotated[int | None, typer.Option(help="That train. Default: 1.", min=1)] = None,
    zero: Annotated[int | None, typer.Option(help="ZeRO stage 0 to 3. Default: 0.", min=0, max=3)] = None,
    precision: Annotated[
        Literal["mixed", "bfloat16", "float32"] | None, typer.Option(help="Default: mixed; float32 on a CPU.")
    ] = None,
    sequence: Annotated[int | None, typer.Option(help="Tokens of a row. Default: 1024.", min=2)] = None,
    completion: Annotated[int | None, typer.Option(help="Of them sampled. Default: all but 256.", min=1)] = None,
    micro_batch: Annotated[int | None, typer.Option(help="Rows in one pass of a GPU. Default: 4.", min=1)] = None,
    batch: Annotated[int | None, typer.Option(help="Rows of a step over all GPUs. Default: about 256.", min=1)] = None,
    group: Annotated[int | None, typer.Option(help="Completions of a prompt. Default: 8.", min=1)] = None,
    checkpointing: Annotated[bool | None, typer.Option(help="Of activations. Default: on a GPU.")] = None,
    rollout: Annotated[
        Literal["colocated", "separate", "transformers"] | None,
        typer.Option(help="vLLM on the training GPUs or on its own, or the training process itself."),
    ] = None,
    rollout_gpus: Annotated[int | None, typer.Option(help="Of separate engines. Default: a quarter.", min=1)] = None,
    tensor_parallel: Annotated[int | None, typer.Option(help="GPUs of one engine. Default: 1.", min=1)] = None,
    engine_share: Annotated[
        float | None, typer.Option(help="Of a GPU's memory, for a colocated engine. Default: 0.3.", min=0.01, max=1)
    ] = None,
    gpu: Annotated[str | None, typer.Option(help="h100, a100, ..., or cpu. Default: h100.")] = None,
    gpu_gb: Annotated[float | None, typer.Option(help="Memory of a GPU in 1e9 bytes.", min=0.1)] = None,
    bandwidth: Annotated[float, typer.Option(help="Of the network, in Gb/s of a GPU.", min=0.001)] = 100.0,
    steps: Annotated[int | None, typer.Option(help="Of a run, for hours and cost.", min=1)] = None,
    runs: Annotated[int, typer.Option(help="Runs of the plan, as rewards x seeds.", min=1)] = 1,
    price: Annotated[float | None, typer.Option(help="Of a GPU-hour.", min=0)] = None,
    most_gpus: Annotated[int, typer.Option(help="Where the scale curve ends.", min=1)] = 4096,
    table: Annotated[Literal["terminal", "md", "csv"], typer.Option("--format", help="Of the tables.")] = "terminal",
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Memory, time and weight-sync cost of a run before it starts, without loading or downloading a model.

    Example: harness estimate Qwen/Qwen2.5-7B --objective grpo --kl --gpus 8 --zero 3

    Example: harness estimate --config examples/grpo-7b.toml --gpu h100 --price 2.5

    Example: harness estimate --params 7e9 --layers 28 --hidden 3584 --gpus 8 --zero 2 --json
    """
    given = {name: value for name, value in locals().items() if name not in APART}
    from harness.cli.forecast import forecast
    from harness.cli.recipe import BadRecipe
    from harness.estimate.architecture import UnknownArchitecture
    from harness.estimate.hardware import UnknownAccelerator
    from harness.estimate.report import Plan, report
    from harness.estimate.setups import BadSetup
    from harness.estimate.steps import Network
    from harness.trainers.losses import UnknownLoss
    from harness.trainers.objectives import UnknownObjective

    with told(BadRecipe, BadSetup, UnknownArchitecture, UnknownAccelerator, UnknownLoss, UnknownObjective):
        asked = forecast(model, config, given)
    found = report(asked.model, asked.setup, Network(bandwidth), Plan(asked.steps, runs, price), most_gpus)
    _print(found, "json" if as_json else table)


def _print(found: dict[str, Any], form: str) -> None:
    from rich.console import Console

    from harness.estimate import tables

    if form == "json":
        typer.echo(json.dumps(found, indent=1))
    elif form == "csv":
        typer.echo(tables.to_csv(found), nl=False)
    elif form == "md":
        typer.echo(tables.to_markdown(found, [f"{line}  " for line in lines(found)]), nl=False)
    else:
        tables.show(found, lines(found), Console(file=sys.stdout))


def lines(found: dict[str, Any]) -> list[str]:
    """The estimate in sentences."""
    told = [_title(found), _fitting(found)]
    if found["bottleneck"]:
        told.append(f"A step takes {found['step_seconds']['total']:.3g} s, most of it {found['bottleneck']}.")
    if found["setup"]["objective"] in ("grpo", "ppo"):
        told.append(_sync(found))
    return [*told, *_plan(found["plan"])]


def _title(found: dict[str, Any]) -> str:
    setup, model = found["setup"], found["model"]
    adapter = f", rank {setup['rank']}: {model['trained'] / 1e6:.1f} M trained" if setup["method"] != "full" else ""
    reference = " with a reference model" if setup["kl"] else ""
    return (
        f"{model['name']}, {model['parameters'] / 1e9:.4g} B parameters{adapter}; {setup['method']} "
        f"{setup['objective']}{reference} on {setup['gpus']} x {setup['gpu']}, ZeRO-{setup['zero']}, "
        f"{setup['precision']}; {setup['batch']} rows of {setup['sequence']} tokens a step, "
        f"{setup['micro_batch']} a pass"
    )


def _fitting(found: dict[str, Any]) -> str:
    total, usable, most = found["per_gpu_gb"]["total"], found["usable_gb"], found["largest"]
    needs = f"{total:.1f} GB of a GPU's {found['gpu_gb']:g} ({usable:g} usable):"
    if not found["engine_fits"]:
        own = found["setup"]["rollout"] == "separate"
        way = "" if own else " or --engine-share, or take --rollout separate"
        return f"{needs} DOES NOT FIT, an engine has no room for the weights and one row; raise --tensor-parallel{way}."
    if most["micro_batch"] is None:
        return f"{needs} DOES NOT FIT, not even one row a pass; {_ways(found['setup'])}, or {_model(most['model'])}."
    longest = f"rows of {most['sequence']:,} tokens, " if most["sequence"] else ""
    verdict = "fits" if found["fits"] else "DOES NOT FIT"
    return f"{needs} {verdict}. The most: {most['micro_batch']:,} rows a pass, {longest}or {_model(most['model'])}."


def _ways(setup: dict[str, Any]) -> str:
    """What would make a run smaller that does not fit."""
    divided = "raise --zero or --gpus" if setup["gpus"] > 1 and setup["zero"] < 3 else "raise --gpus with --zero 3"
    return f"{divided}, take --method lora" if setup["method"] == "full" else divided


def _model(name: str | None) -> str:
    return f"a model up to {name}" if name else "a smaller model than is known here"


def _sync(found: dict[str, Any]) -> str:
    sync, spent = found["weight_sync"], found["step_seconds"]["sync"]
    way = {
        "separate": "over that network",
        "colocated": "on the training GPUs",
        "transformers": "none: the trained weights sample",
    }[found["setup"]["rollout"]]
    return (
        f"Weight sync: {sync['bytes'] / 1e9:.3g} GB, {sync['seconds']:.2f} s at {sync['gigabits']:g} Gb/s "
        f"({sync['fastest_seconds']:.2f} to {sync['slowest_seconds']:.2f}); here {spent:.2g} s, {way}."
    )


def _plan(plan: dict[str, Any]) -> list[str]:
    if plan["gpu_hours"] is None:
        return []
    cost = f", {plan['cost']:,.0f} at {plan['price']:g} an hour" if plan["cost"] is not None else ""
    runs = f"{plan['runs']} runs of " if plan["runs"] > 1 else ""
    return [
        f"{runs}{plan['steps']:,} steps: {plan['hours']:.3g} hours a run, {plan['gpu_hours']:,.4g} GPU-hours{cost}."
    ]
