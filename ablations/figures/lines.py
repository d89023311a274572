"""Curves of rows in a panel: the mean over seeds, the seeds themselves, their range."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ablations.figures.looks import Looks, Style
from ablations.series import Series

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_SEEDS = 10
MOST_POINTS = 120
BAND = "line: mean over seeds; thin: each seed; band: their range"
NO_BAND = "line: mean over seeds"


def plot(axis: "Axes", looks: Looks, drawn: Sequence[Series], scale: float = 1) -> None:
    """Draw every row; its seeds too where all rows are named."""
    for item in drawn:
        dress = looks.line(item.arm)
        if not looks.others:
            spread(axis, item, dress["color"], scale)
        mean(axis, item, dress, scale, looks.slots.get(item.arm, 0))


def spread(axis: "Axes", item: Series, colour: str, scale: float = 1) -> None:
    """Draw each seed (of at most `MOST_SEEDS`) as a thin line, and their range as a band."""
    if len(item.seeds) < 2:
        return
    for steps, values in item.seeds if len(item.seeds) <= MOST_SEEDS else ():
        axis.plot(thin(steps), thin(scaled(values, scale)), color=colour, linewidth=0.5, alpha=0.45, zorder=2)
    steps, low, high = item.band
    edges = (thin(scaled(low, scale)), thin(scaled(high, scale)))
    axis.fill_between(thin(steps), *edges, color=colour, alpha=0.10, linewidth=0, zorder=1)


def mean(axis: "Axes", item: Series, dress: Style, scale: float = 1, slot: int = 0) -> None:
    """Draw the mean over seeds; markers are few and start apart, so that they do not cover each other."""
    steps, values = item.mean
    if len(steps) < 2 <= max(len(points) for points, _ in item.seeds):
        # Seeds with one evaluation in common have no mean curve, and a lone dot would look like a result.
        return
    steps = thin(steps)
    apart = max(1, len(steps) // 8)
    axis.plot(steps, thin(scaled(values, scale)), markevery=(slot % apart, apart), **dress)


def scaled(values: Sequence[float], scale: float) -> list[float]:
    """Multiply each value."""
    return [scale * value for value in values]


def thin(values: Sequence[Any]) -> list[Any]:
    """Return every k-th value and the last, at most `MOST_POINTS` and one: more cannot be seen in a panel."""
    stride = -(-len(values) // MOST_POINTS)
    return list(values) if stride < 2 else [*values[:-1:stride], values[-1]]
