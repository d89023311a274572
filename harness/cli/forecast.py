"""From the flags of `harness estimate`, and a file of `harness train`, to the setup that is estimated."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.cli.recipe import read
from harness.estimate import hardware, known, machine, runs, setups
from harness.estimate.architecture import Architecture, from_sizes
from harness.estimate.memory import Setup

SIZES = ("layers", "hidden", "heads", "kv_heads", "vocab")


@dataclass(frozen=True)
class Forecast:
    """What is estimated. `steps` is None where nobody said how many."""

    model: Architecture
    setup: Setup
    steps: int | None


def forecast(model: str, config: Path | None, given: Mapping[str, Any]) -> Forecast:
    """The setup: flags that are not None go over the file, the file over the defaults.

    Raises:
        BadRecipe, BadSetup, UnknownArchitecture, UnknownAccelerator, UnknownObjective, UnknownLoss, or pydantic's
            `ValidationError`.
    """
    flags = {name: value for name, value in given.items() if value is not None}
    name, memory_gb = flags.pop("gpu", "h100"), flags.pop("gpu_gb", None)
    recipe = read(config, []) if config else None
    said = {**(runs.words(recipe, name == "cpu") if recipe else {}), **flags}
    gpu = machine.cpu(said.get("gpus", 1)) if name == "cpu" else hardware.accelerator(name)
    if memory_gb:
        gpu = replace(gpu, memory_gb=memory_gb)
    model = model or (recipe.model if recipe else "")
    return Forecast(_model(model, flags), setups.setup(said, gpu), said.get("steps"))


def _model(name: str, flags: Mapping[str, Any]) -> Architecture:
    sizes = {size: flags[size] for size in SIZES if size in flags}
    if "params" in flags:
        return from_sizes(int(flags["params"]), **sizes)
    if sizes:
        raise setups.BadSetup(f"--{next(iter(sizes)).replace('_', '-')} goes with --params, the number of parameters")
    if not name:
        raise setups.BadSetup("give a model (folder, config.json or hub id), --params 7e9, or --config FILE.toml")
    return known.find(name)
