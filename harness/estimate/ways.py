"""The flags of `harness estimate` of which each alone would make a setup fit, the mildest value of each."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from harness.estimate import largest
from harness.estimate.architecture import Architecture
from harness.estimate.memory import Setup

# The least share of a row's length that is worth saying, and the most GPUs, as a multiple of what there are.
LEAST, MOST = 0.25, 64


def ways(model: Architecture, setup: Setup) -> list[str]:
    """Flags that make it fit, as they are typed; empty where it fits already or none does."""
    if largest.fits(model, setup):
        return []
    found = [_mildest(model, setup, tried) for tried in _tried(setup)]
    return [*filter(None, found), *_shorter(model, setup)]


def _mildest(model: Architecture, setup: Setup, tried: Iterator[dict[str, Any]]) -> str:
    change = next((change for change in tried if largest.fits(model, replace(setup, **change))), {})
    flags = (f"--{name.replace('_', '-')} {value}" for name, value in change.items() if name != "accumulation")
    return " ".join(flags)


def _tried(setup: Setup) -> Iterator[Iterator[dict[str, Any]]]:
    """The values of every flag, the mildest first."""
    own = setup.micro_batch * setup.accumulation
    rows = (rows for rows in range(setup.micro_batch - 1, 0, -1) if own % rows == 0)
    yield ({"micro_batch": each, "accumulation": own // each} for each in rows)
    if setup.gpus > 1:
        yield ({"zero": stage} for stage in range(setup.zero + 1, 4))
    if setup.samples and setup.rollout == "colocated":
        yield ({"tensor_parallel": 2**n} for n in range(1, 4) if setup.gpus % 2**n == 0)
        yield iter([{"rollout": "separate"}])
    elif setup.samples and setup.rollout == "separate":
        yield ({"tensor_parallel": 2**n} for n in range(1, 4))
    methods = ("full", "lora", "qlora")
    for method in methods[methods.index(setup.method) + 1 :]:
        yield iter([{"method": method}])
    if not setup.gpu.is_cpu:
        yield ({"gpus": setup.gpus * 2**n, "zero": 3} for n in range(1, MOST.bit_length()))


def _shorter(model: Architecture, setup: Setup) -> list[str]:
    tokens = largest.sequence(model, setup)
    return [f"--sequence {tokens}"] if tokens and LEAST * setup.sequence <= tokens < setup.sequence else []
