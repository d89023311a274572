"""The figures of a study, as `(svg, png)` bytes that are the same whenever they are drawn from the same records.

Colours are Okabe and Ito's, safe for colour-blind readers; every row also has its own dash and marker, so a grey print
can be read. The thick line is the mean over seeds, thin lines are the seeds, the band is their range.
"""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ablations.caption import subject
from ablations.curves import threshold
from ablations.records import Study
from ablations.series import FEWEST, Series, Trace, components, dev, formatted_accuracy, series, training, window

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#000000", "#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
DASHES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1, 1)), (0, (5, 1.5, 1, 1.5)), (0, (3, 1, 1, 1, 1, 1)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<")
NAMES = ("accuracy", "reward", "components", "given_format")
RANGE = "line: mean over seeds; thin: each seed; band: their range"
FIRST_RANGE = "line: mean over seeds; of the first row also each seed (thin) and their range (band)"
# With more rows the seeds of all of them hide the means.
MOST_WITH_SEEDS = 6


def draw(study: Study) -> dict[str, bytes]:
    """Return `{"accuracy.svg": bytes, ...}`: accuracy, reward, components, given_format, each as svg and png.

    A figure without a single finished curve is left out, so the result is empty for a study with no finished cell.
    """
    files: dict[str, bytes] = {}
    with _style():
        figures = (accuracy(study), reward(study), reward_components(study), given_format(study))
        for name, figure in zip(NAMES, figures, strict=True):
            if figure is not None:
                files[f"{name}.svg"] = _bytes(figure, "svg")
                files[f"{name}.png"] = _bytes(figure, "png")
    return files


def accuracy(study: Study) -> "Figure | None":
    """Draw dev accuracy against the training step, with the threshold of `steps_to_threshold`."""
    drawn = series(study, dev("accuracy"))
    if not drawn:
        return None
    figure, (axis,) = _panels(1, 1)
    _plot(axis, drawn, scale=100)
    height = threshold(study)
    if height is not None:
        axis.axhline(100 * height, color="0.45", linewidth=0.8, linestyle=(0, (1, 3)), zorder=1)
        axis.annotate(
            "threshold", (1, 100 * height), xycoords=("axes fraction", "data"), ha="right", va="bottom", fontsize=7,
            color="0.35", xytext=(-2, 1), textcoords="offset points",
        )  # fmt: skip
    _label(axis, "Accuracy on the dev split", "accuracy (%)")
    return _finish(figure, study, drawn, _range(study))


def reward(study: Study) -> "Figure | None":
    """Draw the total training reward against the step. Rewards differ in scale: heights compare within a row only."""
    width = window(study)
    drawn = series(study, training("reward"), width)
    if not drawn:
        return None
    figure, (axis,) = _panels(1, 1)
    _plot(axis, drawn)
    _label(axis, "Total training reward, each reward in its own units", "mean reward per completion")
    return _finish(figure, study, drawn, _smoothed(study, width))


def reward_components(study: Study) -> "Figure | None":
    """Draw every logged reward component in a panel of its own."""
    names, width = components(study), window(study)
    if not names:
        return None
    figure, axes = _panels(len(names), min(3, len(names)))
    panels = [series(study, training(name), width) for name in names]
    for axis, name, drawn in zip(axes, names, panels, strict=True):
        _plot(axis, drawn)
        _label(axis, _plain(name.removeprefix("rewards/")), "mean per completion")
    entries = {item.place: item for drawn in panels for item in drawn}
    return _finish(
        figure, study, [entries[place] for place in sorted(entries)], _smoothed(study, width), "Reward components"
    )


def given_format(study: Study) -> "Figure | None":
    """Draw accuracy among formatted completions beside the share that is formatted: which of the two rose?"""
    traces: Sequence[tuple[Trace, str, str]] = (
        (formatted_accuracy, "Accuracy given format, dev split", "accuracy among formatted (%)"),
        (dev("format"), "Format share, dev split", "completions with the format (%)"),
    )
    panels = [series(study, trace) for trace, _, _ in traces]
    if not any(panels):
        return None
    figure, axes = _panels(2, 2)
    for axis, drawn, (_, title, unit) in zip(axes, panels, traces, strict=True):
        _plot(axis, drawn, scale=100)
        _label(axis, title, unit)
    entries = {item.place: item for drawn in panels for item in drawn}
    note = f"{_range(study)}; left: only evaluations with {FEWEST} formatted completions"
    return _finish(figure, study, [entries[place] for place in sorted(entries)], note)


def _plot(axis: "Axes", drawn: Sequence[Series], scale: float = 1) -> None:
    for number, item in enumerate(drawn):
        colour = COLOURS[item.place % len(COLOURS)]
        spread = len(item.seeds) > 1 and (number == 0 or len(drawn) <= MOST_WITH_SEEDS)
        for steps, values in item.seeds if spread else ():
            axis.plot(steps, [scale * value for value in values], color=colour, linewidth=0.5, alpha=0.45, zorder=2)
        steps, lowest, highest = item.band
        if spread:
            low, high = ([scale * value for value in edge] for edge in (lowest, highest))
            axis.fill_between(steps, low, high, color=colour, alpha=0.10, linewidth=0, zorder=1)
        steps, values = item.mean
        if len(steps) < 2 <= max(len(points) for points, _ in item.seeds):
            # Seeds with one evaluation in common have no mean curve, and a lone dot would look like a result.
            continue
        axis.plot(steps, [scale * value for value in values], **_dress(item, len(steps)))


def _dress(item: Series, count: int) -> dict[str, Any]:
    """Return how a row is drawn; markers are thinned and start apart, so that they do not cover each other."""
    apart = max(1, count // 8)
    return {
        "label": _plain(item.label),
        "color": COLOURS[item.place % len(COLOURS)],
        "linestyle": DASHES[item.place % len(DASHES)],
        "marker": MARKERS[item.place % len(MARKERS)],
        "markevery": (item.place % apart, apart),
        "markersize": 4.5,
        "markeredgecolor": "white",
        "markeredgewidth": 0.5,
        "linewidth": 1.7,
        "zorder": 3,
    }


def _panels(count: int, across: int) -> tuple["Figure", list["Axes"]]:
    from matplotlib.figure import Figure

    down = -(-count // across)
    size = (6.0, 4.0) if count == 1 else (3.4 * across, 2.7 * down + 0.7)
    figure = Figure(figsize=size, layout="constrained")
    axes = list(figure.subplots(down, across, squeeze=False).flat)
    for spare in axes[count:]:
        spare.remove()
    return figure, axes[:count]


def _label(axis: "Axes", title: str, unit: str) -> None:
    axis.set_title(title)
    axis.set_xlabel("training step")
    axis.set_ylabel(unit)


def _range(study: Study) -> str:
    """Say what stands for the seeds."""
    return RANGE if len(list(study.groups())) <= MOST_WITH_SEEDS else FIRST_RANGE


def _smoothed(study: Study, width: int) -> str:
    return _range(study) if width == 1 else f"{_range(study)}; running mean over {width} steps"


def _finish(figure: "Figure", study: Study, drawn: Sequence[Series], note: str, title: str = "") -> "Figure":
    """Add the legend below the panels, under one line saying what was drawn."""
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], **{**_dress(item, 1), "markevery": None}) for item in drawn]
    figure.legend(
        handles=handles,
        loc="outside lower center",
        ncols=_across([item.label for item in drawn], figure.get_figwidth()),
        handlelength=3.2,
        title=_plain(f"{subject(study.plan)}; {note}"),
        title_fontproperties={"size": 6.5},
    )
    if title:
        figure.suptitle(title, fontsize=10)
    return figure


def _across(labels: Sequence[str], inches: float) -> int:
    """Return how many legend entries fit side by side: all of them in one line, or as many of the longest as fit."""
    room, handle = int(15 * inches), 12
    if sum(len(label) + handle for label in labels) <= room:
        return len(labels)
    return max(1, room // (max(map(len, labels)) + handle))


def _plain(text: str) -> str:
    """Keep a dollar sign in a name from starting a formula."""
    return text.replace("$", r"\$")


@contextmanager
def _style() -> Iterator[None]:
    """Start from matplotlib's own defaults: the reader's matplotlibrc must not change a byte."""
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(
            {
                "svg.hashsalt": "harness",
                "font.size": 8,
                "axes.titlesize": 9,
                "axes.spines.top": False,
                "axes.spines.right": False,
                "axes.grid": True,
                "grid.color": "0.92",
                "grid.linewidth": 0.6,
                "axes.axisbelow": True,
                "legend.frameon": False,
            }
        )
        yield


def _bytes(figure: "Figure", kind: str) -> bytes:
    out = io.BytesIO()
    # Dates and version strings are what would differ between two drawings of the same records.
    blank = {"Date": None, "Creator": None} if kind == "svg" else {"Software": None}
    figure.savefig(out, format=kind, dpi=160, metadata=blank)
    return out.getvalue()
