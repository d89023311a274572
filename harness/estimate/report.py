"""An estimate put together: everything that is said of a model and a setup, as plain values."""

import math
from dataclasses import asdict, dataclass
from typing import Any

from harness.estimate import largest, memory, scaling, steps, sync, ways
from harness.estimate.architecture import Architecture
from harness.estimate.memory import Setup
from harness.estimate.steps import ASSUMPTIONS, Network, Step


@dataclass(frozen=True)
class Plan:
    """How much of it: `runs` runs of `steps` steps, at `price` a GPU-hour."""

    steps: int | None = None
    runs: int = 1
    price: float | None = None


def report(model: Architecture, setup: Setup, network: Network, plan: Plan, most_gpus: int) -> dict[str, Any]:
    """The whole estimate, JSON-able; what cannot be said is None. Names carry units, GB are 1e9 bytes."""
    seconds = steps.step(model, setup, network)
    found: dict[str, Any] = without_nan(
        {
            "model": {"name": model.name, "parameters": model.parameters, "trained": _trained(model, setup)},
            "setup": {**asdict(setup), "gpu": setup.gpu.name, "batch": setup.batch},
            "per_gpu_gb": memory.per_gpu(model, setup).gb(),
            "gpu_gb": setup.gpu.memory_gb,
            "usable_gb": setup.gpu.usable_gb,
            "fits": largest.fits(model, setup),
            "engine_fits": largest.engine_fits(model, setup),
            "largest": {
                "micro_batch": largest.micro_batch(model, setup),
                "sequence": largest.sequence(model, setup),
                "model": largest.known_model(setup),
            },
            "ways": ways.ways(model, setup),
            "step_seconds": {**asdict(seconds), "total": seconds.total},
            "bottleneck": _bottleneck(seconds),
            "weight_sync": _weight_sync(model, setup, network),
            "sync_share": _shares(model, setup, network),
            "plan": _plan(seconds.total, setup, plan),
            "scaling": [_point(point) for point in scaling.curve(model, setup, network, most_gpus)],
            "assumptions": assumptions(setup),
        }
    )
    return found


def _trained(model: Architecture, setup: Setup) -> int:
    return model.parameters if setup.method == "full" else model.adapter(setup.rank)


def _weight_sync(model: Architecture, setup: Setup, network: Network) -> dict[str, Any]:
    """One copy of the weights over the network, whatever this setup does, and the range of what links reach."""
    size = sync.weight_bytes(model, setup.element)
    return {
        "bytes": size,
        "seconds": sync.seconds(size, network.gigabits),
        "fastest_seconds": sync.seconds(size, network.gigabits, sync.BEST),
        "slowest_seconds": sync.seconds(size, network.gigabits, sync.WORST),
        "gigabits": network.gigabits,
    }


def _shares(model: Architecture, setup: Setup, network: Network) -> list[dict[str, Any]]:
    if not setup.samples or setup.rollout == "transformers":
        return []
    found = steps.by_group(model, setup, network)
    return [
        {
            "group": group,
            "completion": tokens,
            "share": sync.share(seconds.rollout, seconds.train, seconds.sync),
            "bottleneck": _bottleneck(seconds),
        }
        for group, tokens, seconds in found
    ]


def _bottleneck(seconds: Step) -> str | None:
    """The longest phase; none where one is not known."""
    return None if math.isnan(seconds.total) else seconds.bottleneck


def _plan(seconds: float, setup: Setup, plan: Plan) -> dict[str, Any]:
    hours = steps.gpu_hours(seconds, plan.steps, setup, plan.runs) if plan.steps else None
    return {
        **asdict(plan),
        "hours": plan.steps * seconds / 3600 if plan.steps else None,
        "gpu_hours": hours,
        "cost": hours * plan.price if hours is not None and plan.price is not None else None,
    }


def _point(point: scaling.Point) -> dict[str, Any]:
    return {
        "gpus": point.gpus,
        "batch": point.batch,
        "per_gpu_gb": point.memory_gb,
        **{f"{phase}_seconds": value for phase, value in asdict(point.step).items()},
        "step_seconds": point.step.total,
        "rows_per_second": point.rows_per_second,
        "efficiency": point.efficiency,
    }


def assumptions(setup: Setup) -> list[str]:
    values = {"mfu": setup.gpu.mfu, "decoding": setup.gpu.decoding, "efficiency": sync.EFFICIENCY}
    return [text.format(**values) for text in ASSUMPTIONS]


def without_nan(value: Any) -> Any:
    """The same with None for every number that is not one."""
    if isinstance(value, dict):
        return {key: without_nan(each) for key, each in value.items()}
    if isinstance(value, list):
        return [without_nan(each) for each in value]
    return None if isinstance(value, float) and math.isnan(value) else value
