"""The same step on more GPUs, up to thousands: where adding them stops to pay."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from harness.estimate import memory, steps
from harness.estimate.architecture import Architecture
from harness.estimate.memory import GB, Setup
from harness.estimate.steps import Network, Step

MOST_GPUS = 4096


@dataclass(frozen=True)
class Point:
    """One number of GPUs. `efficiency` is rows per second and GPU against the first point's."""

    gpus: int
    batch: int
    memory_gb: float
    step: Step
    rows_per_second: float
    efficiency: float


def widened(setup: Setup, factor: int) -> Setup:
    """The setup on `factor` times the GPUs with the same batch; it grows once a GPU would have no row."""
    gpus = setup.gpus * factor
    rows = max(1, setup.batch // gpus)
    micro = min(setup.micro_batch, rows)
    return replace(
        setup,
        gpus=gpus,
        rollout_gpus=setup.rollout_gpus * factor,
        micro_batch=micro,
        accumulation=max(1, rows // micro),
    )


def curve(model: Architecture, setup: Setup, network: Network, most: int = MOST_GPUS) -> list[Point]:
    """The setup on 1, 2, 4, ... times its GPUs, up to `most`."""
    points: list[Point] = []
    for changed in _widths(setup, most):
        seconds = steps.step(model, changed, network)
        per_second = changed.batch / seconds.total
        each = per_second / changed.gpus
        first = points[0].rows_per_second / points[0].gpus if points else each
        total = memory.per_gpu(model, changed).total / GB
        points.append(Point(changed.gpus, changed.batch, total, seconds, per_second, each / first))
    return points


def _widths(setup: Setup, most: int) -> Iterator[Setup]:
    factor = 1
    while setup.gpus * factor <= max(most, setup.gpus):
        yield widened(setup, factor)
        factor *= 2
