"""What accuracy costs in tokens: the final models, and where their training started."""

from collections.abc import Iterable, Sequence
from statistics import fmean
from typing import TYPE_CHECKING

from ablations.estimates import over_seeds
from ablations.figures.canvas import finish, legend, panels
from ablations.figures.looks import Looks, Style
from ablations.measures import score
from ablations.records import Item, Study

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Place = tuple[float, float]
STAR: Style = {"linestyle": "none", "marker": "*", "markersize": 9, "color": "0.35", "markeredgewidth": 0}
ARROW: Style = {"arrowstyle": "-|>", "color": "0.6", "linewidth": 0.7, "shrinkA": 4, "shrinkB": 4, "mutation_scale": 7}


def tokens(study: Study, looks: Looks) -> "Figure | None":
    """Draw accuracy on the test split in percent against the mean completion length, sampled completions."""
    from matplotlib.lines import Line2D

    found = {arm: _places([cell.items for cell in cells if cell.done]) for arm, cells in study.groups()}
    drawn = {arm: places for arm, places in found.items() if places}
    if not drawn:
        return None
    figure, (axis,) = panels(1, (6.0, 3.8))
    bases = _bases(study)
    for arm, places in drawn.items():
        dress = looks.marker(arm)
        _row(axis, places, dress, arm in looks.slots)
        start = bases.get((arm.model, arm.data))
        if start is not None and arm in looks.slots:
            axis.annotate("", _middle(places), start, arrowprops=ARROW, zorder=1.7)
    for x, y in bases.values():
        axis.plot([x], [y], **STAR)
    axis.set(
        title="Final accuracy against completion length, test split",
        xlabel="completion length (tokens, mean)",
        ylabel="accuracy (%)",
    )
    axis.margins(0.08)
    handles = legend(looks, drawn, lines=False) + ([Line2D([], [], label="base", **STAR)] if bases else [])
    notes = ["large: mean over seeds with 95 % intervals; small: each seed", "arrows: from the base model"]
    return finish(figure, study, [*notes[: 2 if bases else 1], looks.note], handles)


def _places(files: Iterable[Sequence[Item]]) -> list[Place]:
    """Return (tokens, accuracy in percent) of each file that has both."""
    scores = [score(items) for items in files]
    return [(one.tokens, 100 * one.accuracy) for one in scores if one.tokens is not None and one.accuracy is not None]


def _middle(places: Sequence[Place]) -> Place:
    return fmean(x for x, _ in places), fmean(y for _, y in places)


def _row(axis: "Axes", places: Sequence[Place], dress: Style, named: bool) -> None:
    """Draw a row; of one that is not named only the mean."""
    x, y = _middle(places)
    if named and len(places) > 1:
        half = [over_seeds(values).half_width for values in zip(*places, strict=True)]
        line: Style = {"ecolor": dress["color"], "elinewidth": 0.9, "alpha": 0.7, "zorder": 2}
        axis.errorbar([x], [y], xerr=half[0], yerr=half[1], fmt="none", **line)
        small: Style = {"linestyle": "none", "markersize": 2.5, "alpha": 0.6, "markeredgewidth": 0, "zorder": 1.8}
        axis.plot(*zip(*places, strict=True), **dress | small)
    axis.plot([x], [y], **dress | {"linestyle": "none"} | ({"markersize": 7} if named else {}))


def _bases(study: Study) -> dict[tuple[str, str], Place]:
    """Return where each model stood before training; a seed's cells share their base evaluation, so one counts."""
    found: dict[tuple[str, str], dict[int, Sequence[Item]]] = {}
    for cell in study.cells:
        if cell.done and cell.items_base:
            found.setdefault((cell.arm.model, cell.arm.data), {}).setdefault(cell.seed, cell.items_base)
    measured = {key: _places(files.values()) for key, files in found.items()}
    return {key: _middle(places) for key, places in measured.items() if places}
