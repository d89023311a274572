"""The largest batch, row and model that still fit a GPU, everything else as it is."""

from collections.abc import Callable
from dataclasses import replace

from harness.estimate import memory, steps
from harness.estimate.architecture import Architecture
from harness.estimate.known import ARCHITECTURES
from harness.estimate.memory import GB, Setup

MOST = 1 << 20


def fits(model: Architecture, setup: Setup) -> bool:
    """Whether the peak stays within what is usable of the GPU, and an engine holds the weights and one sequence."""
    return memory.per_gpu(model, setup).total <= setup.gpu.usable_gb * GB and engine_fits(model, setup)


def engine_fits(model: Architecture, setup: Setup) -> bool:
    """Whether an engine can sample at all: its weights and one whole sequence of keys and values."""
    return not setup.samples or steps.concurrency(model, setup) > 0


def largest(fitting: Callable[[int], bool], most: int = MOST) -> int | None:
    """The largest n in 1..most of a law that holds up to some n and fails above; None where it fails at 1."""
    if not fitting(1):
        return None
    low, high = 1, 2
    while high <= most and fitting(high):
        low, high = high, 2 * high
    high = min(high, most + 1)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fitting(middle) else (low, middle)
    return low


def micro_batch(model: Architecture, setup: Setup) -> int | None:
    """The most rows (DPO: pairs) of one pass."""
    return largest(lambda rows: fits(model, replace(setup, micro_batch=rows)))


def sequence(model: Architecture, setup: Setup) -> int | None:
    """The longest row in tokens, of which the prompt keeps its length where completions are sampled."""
    prompt = setup.sequence - setup.completion if setup.samples else 0

    def fitting(tokens: int) -> bool:
        return fits(model, replace(setup, sequence=prompt + tokens, completion=tokens))

    found = largest(fitting)
    return None if found is None else prompt + found


def known_model(setup: Setup) -> str | None:
    """The largest model of the table of known ones."""
    by_size = sorted(ARCHITECTURES.values(), key=lambda each: each.parameters)
    return next((each.name for each in reversed(by_size) if fits(each, setup)), None)
