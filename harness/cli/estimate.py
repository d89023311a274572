"""`harness estimate [MODEL]`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from harness.cli.errors import told

Form = Literal["terminal", "md", "tex", "html", "csv"]
# Flags that say nothing of the setup.
APART = ("model", "config", "bandwidth", "runs", "price", "most_gpus", "compared", "table", "as_json")


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
    updates: Annotated[int | None, typer.Option(help="Steps that share one sampling. Default: 1.", min=1)] = None,
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
    compared: Annotated[
        bool, typer.Option("--compare", help="Every objective and method under every ZeRO stage, in place of one run.")
    ] = False,
    table: Annotated[Form, typer.Option("--format", help="Of the tables.")] = "terminal",
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """Memory, time and weight-sync cost of a run before it starts, without loading or downloading a model.

    Example: harness estimate Qwen/Qwen2.5-7B --objective grpo --kl --gpus 8 --zero 3

    Example: harness estimate --config examples/grpo-7b.toml --gpu h100 --price 2.5

    Example: harness estimate Qwen/Qwen2.5-7B --gpus 8 --compare --format md

    Example: harness estimate --params 7e9 --layers 28 --hidden 3584 --gpus 8 --zero 2 --json
    """
    given = {name: value for name, value in locals().items() if name not in APART}
    from harness.cli import estimate_view
    from harness.cli.forecast import forecast
    from harness.cli.recipe import BadRecipe
    from harness.estimate import comparison
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
    if compared:
        found["comparison"] = comparison.compared(asked.model, asked.setup)
    estimate_view.show(found, "json" if as_json else table)
