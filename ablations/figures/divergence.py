"""Does the reward of a row rise without its verified accuracy? (Over-optimisation of a proxy: arXiv 2210.10760.)"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ablations.figures.accuracy import MOST_PANELS, small
from ablations.figures.canvas import finish, outer, panels
from ablations.figures.gains import Gains, gains
from ablations.figures.lines import thin
from ablations.figures.looks import COLOURS, MOST, Looks, Style
from ablations.records import Study
from ablations.series import window

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

REWARD: Style = {"color": COLOURS[1], "linewidth": 1.6, "zorder": 3}
ACCURACY: Style = {"color": COLOURS[0], "linewidth": 1.2, "linestyle": (0, (4, 1.5)), "zorder": 3}
GAP: Style = {"color": COLOURS[1], "alpha": 0.18, "linewidth": 0}
SINCE: Style = {"color": "0.35", "linewidth": 0.9, "linestyle": (0, (1, 1.5))}


def divergence(study: Study, looks: Looks) -> "Figure | None":
    """Draw the gain of total reward beside that of verified training accuracy, a panel per row."""
    found = [row for row in gains(study) if row.gap[0]]
    if not found:
        return None
    shown, width = found[:MOST_PANELS], window(study)
    size = small(looks, [row.reward for row in shown]) if len(shown) > MOST else (2.8, 2.1)
    figure, axes = panels(len(shown), size)
    for axis, row in zip(axes, shown, strict=True):
        _panel(axis, row)
        axis.set_title(looks.labels[row.arm], fontsize=7.5)
    figure.suptitle("Total reward against verified accuracy, on the training prompts")
    outer(figure, axes, "training step", "gain over the start (standard deviations)")
    left_out = f"the first {MOST_PANELS} of {len(found)} rows" if len(found) > MOST_PANELS else ""
    unit = "unit: standard deviation of one completion of the row"
    smoothed = f"running mean over {width} steps" if width > 1 else ""
    return finish(figure, study, ["lines: means over seeds", unit, smoothed, left_out], _handles(shown))


def _panel(axis: "Axes", row: Gains) -> None:
    steps, rewards, rights = thin(row.reward.mean[0]), thin(row.reward.mean[1]), thin(row.accuracy.mean[1])
    axis.plot(steps, rewards, **REWARD)
    axis.plot(steps, rights, **ACCURACY)
    above = [a > b for a, b in zip(rewards, rights, strict=True)]
    axis.fill_between(steps, rewards, rights, where=above, interpolate=True, **GAP)
    if row.since is not None:
        axis.axvline(row.since, **SINCE)


def _handles(shown: Sequence[Gains]) -> list["Artist"]:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Artist] = [
        Line2D([], [], label="total reward", **REWARD),
        Line2D([], [], label="verified accuracy", **ACCURACY),
        Patch(label="reward ahead of accuracy", **GAP),
    ]
    if any(row.since is not None for row in shown):
        handles.append(Line2D([], [], label="gap above half its final size", **SINCE))
    return handles
