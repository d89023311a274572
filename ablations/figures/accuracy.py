"""How accuracy on the dev split grows: all rows in one panel, or each beside its reference where they are many."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ablations.curves import threshold
from ablations.figures.canvas import finish, legend, outer, panels
from ablations.figures.lines import BAND, mean, plot, spread
from ablations.figures.looks import COLOURS, Looks, Style, plain
from ablations.records import Study
from ablations.series import Series, dev, series

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TITLE = "Accuracy on the dev split"
MOST_PANELS = 40
OWN: Style = {"color": COLOURS[1], "linewidth": 1.6, "zorder": 3}
REFERENCE: Style = {"color": COLOURS[0], "linewidth": 1.1, "linestyle": (0, (4, 1.5)), "zorder": 2.5}


def accuracy(study: Study, looks: Looks) -> "Figure | None":
    """Draw dev accuracy in percent against the training step, with the threshold of `steps_to_threshold`."""
    drawn = series(study, dev("accuracy"))
    if not drawn:
        return None
    return _apart(study, looks, drawn) if looks.others else _together(study, looks, drawn)


def _together(study: Study, looks: Looks, drawn: list[Series]) -> "Figure":
    figure, (axis,) = panels(1, (6.0, 3.6))
    plot(axis, looks, drawn, scale=100)
    _mark(axis, threshold(study), "threshold")
    axis.set(title=TITLE, xlabel="training step", ylabel="accuracy (%)")
    return finish(figure, study, [BAND], legend(looks, (item.arm for item in drawn)))


def _apart(study: Study, looks: Looks, drawn: list[Series]) -> "Figure":
    """Give each row a panel of its own with the mean of its reference: many lines in one panel hide each other."""
    from matplotlib.lines import Line2D

    shown, height, of = drawn[:MOST_PANELS], threshold(study), {item.arm: item for item in drawn}
    figure, axes = panels(len(shown), small(looks, shown))
    for axis, item in zip(axes, shown, strict=True):
        _panel(axis, item, of.get(study.plan.reference(item.arm)), height)
        axis.set_title(looks.labels[item.arm], fontsize=7.5)
    figure.suptitle(TITLE)
    outer(figure, axes, "training step", "accuracy (%)")
    handles = [
        Line2D([], [], label="the row", **OWN),
        Line2D([], [], label=f"its reference: {_reference(study, looks)}", **REFERENCE),
        Line2D([], [], label="threshold", color="0.45", linewidth=0.8, linestyle=(0, (1, 3))),
    ][: 2 if height is None else 3]
    left_out = f"the first {MOST_PANELS} of {len(drawn)} rows" if len(drawn) > MOST_PANELS else ""
    return finish(figure, study, [BAND, left_out], handles)


def small(looks: Looks, shown: Sequence[Series]) -> tuple[float, float]:
    """Return the size of a small panel in inches, higher where titles have several lines."""
    return 2.3, 1.5 + 0.12 * max(looks.labels[item.arm].count("\n") for item in shown)


def _panel(axis: "Axes", item: Series, reference: Series | None, height: float | None) -> None:
    spread(axis, item, COLOURS[1], scale=100)
    if reference is not None and reference is not item:
        mean(axis, reference, REFERENCE, scale=100)
    mean(axis, item, OWN, scale=100)
    _mark(axis, height)


def _reference(study: Study, looks: Looks) -> str:
    """Name the reference: one row, or what all references have in common."""
    plan = study.plan
    found = {plan.reference(arm) for arm in study.arms} & set(looks.labels)
    return looks.labels[found.pop()] if len(found) == 1 else plain(plan.axes[plan.compared][0])


def _mark(axis: "Axes", height: float | None, text: str = "") -> None:
    if height is None:
        return
    axis.axhline(100 * height, color="0.45", linewidth=0.8, linestyle=(0, (1, 3)), zorder=1)
    axis.annotate(
        text, (1, 100 * height), xycoords=("axes fraction", "data"), ha="right", va="bottom", fontsize=7,
        color="0.35", xytext=(-2, 1), textcoords="offset points",
    )  # fmt: skip
