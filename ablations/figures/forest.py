"""How much each row differs from its reference: paired deltas with intervals, every seed, p after Holm."""

from typing import TYPE_CHECKING

from ablations.comparisons import Comparison, compare, differences
from ablations.digits import p_value, points
from ablations.estimates import FEWEST_FOR_STARS
from ablations.figures.canvas import finish, panels
from ablations.figures.looks import Looks, Style, labels, plain
from ablations.records import Study

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SEED: Style = {"linestyle": "none", "marker": "o", "markersize": 3, "markerfacecolor": "none", "color": "0.45"}
MEAN: Style = {"color": "#0072B2", "linewidth": 1.6, "marker": "s", "markersize": 5}
LINE, WIDTH = 0.14, 44
ALPHA = 0.05
SIGNIFICANT = f"filled: p < {ALPHA:g} after Holm, from {FEWEST_FOR_STARS} seeds on"


def forest(study: Study, _: Looks) -> "Figure | None":
    """Draw final accuracy less that of the reference row in points, in the order of the table."""
    found = [item for item in compare(study) if item.seeds]
    if not found:
        return None
    names = labels([study.short(item.arm) for item in found], WIDTH)
    lines = [name.count("\n") for name in names]
    figure, (axis,) = panels(1, (6.6, 0.85 + 2 * LINE * len(found) + LINE * sum(lines)))
    tops = [2 * place + sum(lines[:place]) for place in range(len(found))]
    for item, y, extra in zip(found, tops, lines, strict=True):
        _row(axis, study, item, y + extra / 2)
    axis.axvline(0, color="0.3", linewidth=0.9, zorder=1)
    axis.set_yticks([y + extra / 2 for y, extra in zip(tops, lines, strict=True)], names)
    axis.set_ylim(tops[-1] + lines[-1] + 1, -1)
    axis.tick_params(axis="y", length=0)
    axis.spines["left"].set_visible(False)
    axis.grid(visible=False, axis="y")
    axis.set_xlabel(_against(study))
    figure.suptitle("Difference in final accuracy, paired over seeds")
    _write(axis, -1, "points [95 % interval]", "p (Holm)", va="bottom")
    return finish(figure, study, [SIGNIFICANT], _handles())


def _row(axis: "Axes", study: Study, item: Comparison, y: float) -> None:
    seeds = [100 * value for value in differences(study, item.arm)]
    axis.plot(seeds, [y + 0.55] * len(seeds), **SEED)
    middle = item.difference
    if middle.value is None:
        return
    if middle.low is not None and middle.high is not None:
        axis.plot([100 * middle.low, 100 * middle.high], [y, y], **MEAN | {"marker": "|"})
    certain = item.p_holm is not None and item.p_holm < ALPHA and item.seeds >= FEWEST_FOR_STARS
    axis.plot([100 * middle.value], [y], **MEAN | {"markerfacecolor": MEAN["color"] if certain else "white"})
    between = "" if middle.low is None else f" [{points(middle.low)}, {points(middle.high)}]"
    _write(axis, y, f"{points(middle.value)}{between}", p_value(item.p_holm, item.seeds))


def _write(axis: "Axes", y: float, difference: str, p: str, va: str = "center") -> None:
    """Print two columns right of the panel."""
    for place, text in ((94, difference), (132, p)):
        axis.annotate(
            text, (1, y), (place, 0), xycoords=("axes fraction", "data"), textcoords="offset points", ha="right",
            va=va, fontsize=7, annotation_clip=False,
        )  # fmt: skip


def _against(study: Study) -> str:
    """Name what is subtracted, and what the two rows share where rows differ in more."""
    compared = study.plan.compared
    shared = [name for name in study.varying if name != compared]
    same = f" with the same {' and '.join(shared)}" if shared else ""
    return plain(f"accuracy less that of {study.plan.axes[compared][0]}{same} (percentage points)")


def _handles() -> list["Artist"]:
    from matplotlib.lines import Line2D

    return [
        Line2D([], [], label="mean and 95 % interval", **MEAN | {"markerfacecolor": "white"}),
        Line2D([], [], label="each seed", **SEED),
    ]
