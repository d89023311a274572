"""The paper of every figure: its style, its panels, the note and legend below them, and the bytes of it."""

import io
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ablations.caption import subject
from ablations.figures.looks import Looks, plain
from ablations.records import Study

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NOTE_SIZE = 6.5
# Inches of a line of the note and of the legend.
NOTE, ENTRY = 0.12, 0.175
STYLE = {
    "svg.hashsalt": "harness",
    "font.size": 8,
    "axes.titlesize": 8.5,
    # Nothing stands above a panel that its title would have to be moved for.
    "axes.titley": 1.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "0.92",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "figure.titlesize": 9.5,
    "figure.labelsize": 8,
}


@contextmanager
def style() -> Iterator[None]:
    """Start from matplotlib's own defaults: the reader's matplotlibrc must not change a byte."""
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        yield


def panels(count: int, size: tuple[float, float]) -> tuple["Figure", list["Axes"]]:
    """Return a figure of `count` panels of `size` inches, at most four in a row."""
    from matplotlib.figure import Figure

    across = {1: 1, 2: 2, 3: 3, 4: 2, 5: 3, 6: 3}.get(count, 4)
    down = -(-count // across)
    figure = Figure(figsize=(size[0] * across, size[1] * down), layout="constrained")
    axes = list(figure.subplots(down, across, squeeze=False).flat)
    for spare in axes[count:]:
        spare.remove()
    return figure, axes[:count]


def outer(figure: "Figure", axes: Sequence["Axes"], across: str, up: str) -> None:
    """Give panels the same limits, and label only the figure's left edge and the lowest panel of each column.

    Not by matplotlib's shared axes: there every panel asks all others for each of its ticks.
    """
    from matplotlib.transforms import Bbox

    whole = Bbox.union([axis.dataLim for axis in axes])
    lowest = {_column(axis): axis for axis in axes}
    for axis in axes:
        axis.update_datalim(whole.corners())
        axis.locator_params(nbins=4)
        axis.tick_params(labelbottom=axis in lowest.values(), labelleft=_column(axis) == 0)
    for axis in lowest.values():
        axis.set_xlabel(across)
    figure.supylabel(up)


def _column(axis: "Axes") -> int:
    place = axis.get_subplotspec()
    return 0 if place is None else place.colspan.start


def finish(figure: "Figure", study: Study, notes: Iterable[str], handles: Sequence["Artist"]) -> "Figure":
    """Add room for the legend below the panels, under a note that says of what and how many seeds the figure is."""
    said = "; ".join(filter(None, [subject(study.plan), seeds(study), *notes]))
    wide = figure.get_figwidth()
    note = textwrap.fill(said, int(19.5 * wide))
    labels = [str(handle.get_label()) for handle in handles]
    across = _across(labels, wide)
    figure.set_figheight(figure.get_figheight() + NOTE * (note.count("\n") + 1) + ENTRY * _down(labels, across))
    figure.legend(
        handles=handles,
        loc="outside lower center",
        ncols=across,
        handlelength=3.2,
        title=plain(note),
        title_fontproperties={"size": NOTE_SIZE},
        alignment="center",
    )
    return figure


def seeds(study: Study) -> str:
    """Return `5 seeds per row`, or `4 to 5 seeds per row`, of the rows with a finished seed."""
    counts = sorted({sum(cell.done for cell in cells) for _, cells in study.groups()} - {0})
    span = str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    return f"{span} seed{'' if counts == [1] else 's'} per row"


def legend(looks: Looks, arms: Iterable[Any], lines: bool = True) -> list["Artist"]:
    """Return a legend entry for each named row among `arms`, in the order of the table, and one for the others."""
    from matplotlib.lines import Line2D

    drawn = set(arms)
    entries: list[Artist] = []
    for arm in looks.slots:
        if arm in drawn:
            dress = looks.line(arm) if lines else looks.marker(arm) | {"linestyle": "none"}
            entries.append(Line2D([], [], label=looks.labels[arm], **dress))
    greys = drawn - set(looks.slots)
    if greys:
        dress = looks.line(next(iter(greys))) if lines else looks.marker(next(iter(greys))) | {"linestyle": "none"}
        entries.append(Line2D([], [], label=f"{len(greys)} other rows", **dress))
    return entries


def _across(labels: Sequence[str], inches: float) -> int:
    """Return how many legend entries fit side by side: all of them in one line, or as many of the longest as fit."""
    room, handle = int(15 * inches), 9
    widths = [max(map(len, label.split("\n"))) + handle for label in labels]
    return len(labels) if sum(widths) <= room else max(1, min(len(labels), room // max(widths)))


def _down(labels: Sequence[str], across: int) -> int:
    """Return how many lines the highest of `across` columns has, which are filled one after the other."""
    high = [label.count("\n") + 1 for label in labels]
    each = -(-len(labels) // across)
    return max(sum(high[first : first + each]) for first in range(0, len(high), each))


def rendered(figure: "Figure") -> dict[str, bytes]:
    """Return the svg and the png of a figure."""
    layout = figure.get_layout_engine()
    if layout is not None:
        # Once for both: to seek the places of the panels takes as long as to draw them.
        layout.execute(figure)
        figure.set_layout_engine(None)
    return {kind: _bytes(figure, kind) for kind in ("svg", "png")}


def _bytes(figure: "Figure", kind: str) -> bytes:
    out = io.BytesIO()
    # Dates and version strings are what would differ between two drawings of the same records.
    blank = {"Date": None, "Creator": None} if kind == "svg" else {"Software": None}
    figure.savefig(out, format=kind, dpi=160, metadata=blank)
    return out.getvalue()
