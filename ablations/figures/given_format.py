"""Which of the two rose, the share of formatted completions or the accuracy among them?"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ablations.figures.canvas import finish, legend, panels
from ablations.figures.lines import BAND, NO_BAND, plot
from ablations.figures.looks import Looks
from ablations.records import Study
from ablations.series import FEWEST, Trace, dev, formatted_accuracy, series

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PANELS: Sequence[tuple[Trace, str, str]] = (
    (formatted_accuracy, "Accuracy given format, dev split", "accuracy among formatted (%)"),
    (dev("format"), "Format share, dev split", "completions with the format (%)"),
)


def given_format(study: Study, looks: Looks) -> "Figure | None":
    """Draw accuracy among formatted completions beside the share that is formatted, in percent."""
    found = [series(study, trace) for trace, _, _ in PANELS]
    if not any(found):
        return None
    figure, axes = panels(2, (3.4, 2.7))
    for axis, drawn, (_, title, unit) in zip(axes, found, PANELS, strict=True):
        plot(axis, looks, drawn, scale=100)
        axis.set(title=title, xlabel="training step", ylabel=unit)
    left = f"left: only evaluations with {FEWEST} formatted completions"
    notes = [NO_BAND if looks.others else BAND, left, looks.note]
    return finish(figure, study, notes, legend(looks, (item.arm for drawn in found for item in drawn)))
