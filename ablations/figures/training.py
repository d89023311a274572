"""What training logged: the total reward, its components, and the state of the policy."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ablations.figures.canvas import finish, legend, panels
from ablations.figures.lines import BAND, NO_BAND, plot
from ablations.figures.looks import Looks, labels
from ablations.records import Study
from ablations.series import components as logged
from ablations.series import series, window
from ablations.series import training as trace

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Panel = tuple[str, str, str, float]
DYNAMICS: Sequence[Panel] = (
    ("length", "Completion length", "tokens", 1),
    ("truncated", "Cut at the length limit", "completions (%)", 100),
    ("entropy", "Entropy of the policy", "nats per token", 1),
    ("kl", "KL from the reference policy", "nats per token", 1),
    ("dead_groups", "Dead groups (all rewards equal)", "groups (%)", 100),
)


def reward(study: Study, looks: Looks) -> "Figure | None":
    """Draw the total training reward against the step. Rewards differ in scale: heights compare within a row only."""
    panel = ("reward", "Total training reward, each reward in its own units", "mean per completion", 1.0)
    return _curves(study, looks, [panel], "")


def components(study: Study, looks: Looks) -> "Figure | None":
    """Draw every logged reward component in a panel of its own, before it is weighted."""
    keys = logged(study)
    titles = labels([key.removeprefix("rewards/") for key in keys])
    found = [(key, title, "mean per completion", 1.0) for key, title in zip(keys, titles, strict=True)]
    return _curves(study, looks, found, "Reward components, unweighted")


def dynamics(study: Study, looks: Looks) -> "Figure | None":
    """Draw length, truncated share, entropy, KL and dead groups, those that were logged."""
    return _curves(study, looks, DYNAMICS, "State of the policy in training")


def _curves(study: Study, looks: Looks, wanted: Sequence[Panel], title: str) -> "Figure | None":
    """Draw one panel for each of the wanted fields that any finished cell has, by training step."""
    width = window(study)
    found = [(series(study, trace(panel[0]), width), panel) for panel in wanted]
    shown = [(drawn, panel) for drawn, panel in found if drawn]
    if not shown:
        return None
    figure, axes = panels(len(shown), (6.0, 3.6) if len(shown) == 1 else (3.2, 2.4))
    for axis, (drawn, (_, head, unit, scale)) in zip(axes, shown, strict=True):
        plot(axis, looks, drawn, scale)
        axis.set(title=head, xlabel="training step", ylabel=unit)
    if title:
        figure.suptitle(title)
    smoothed = f"running mean over {width} steps" if width > 1 else ""
    arms = [item.arm for drawn, _ in shown for item in drawn]
    return finish(figure, study, [NO_BAND if looks.others else BAND, smoothed, looks.note], legend(looks, arms))
