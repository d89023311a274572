"""Dev curves over training: the mean over seeds, its area, and the step at which it crosses a threshold."""

from collections.abc import Sequence

from ablations.measures import mean
from ablations.records import Arm, Cell, Study

Curve = tuple[list[int], list[float]]


def accuracy_curve(cell: Cell) -> Curve:
    """Return `(steps, dev accuracies as fractions)` of one run, without evaluations that scored nothing."""
    points = [(point.step, point.accuracy) for point in cell.curve if point.accuracy is not None]
    return [step for step, _ in points], [value for _, value in points]


def mean_curve(curves: Sequence[Curve]) -> Curve:
    """Average curves over the steps they all have, so that no point of the mean rests on fewer seeds than another."""
    tables = [dict(zip(steps, values, strict=True)) for steps, values in curves if steps]
    if not tables:
        return [], []
    common = sorted(set(tables[0]).intersection(*tables[1:]))
    return common, [sum(table[step] for table in tables) / len(tables) for step in common]


def area(cell: Cell) -> float | None:
    """Return the mean height of the dev accuracy curve of one run (fraction; trapezoids over the steps), or None."""
    from evals.statistics.curves import area_under

    steps, values = accuracy_curve(cell)
    return float(area_under(steps, values)) if len(steps) > 1 else None


def threshold(study: Study) -> float | None:
    """Return the dev accuracy half-way between the base model and the best final mean of any row of the study.

    The base is the mean of all step-0 evaluations. None when no row ends above it: nothing was learned to be timed.
    """
    done = [cell for cell in study.cells if cell.done]
    base = mean(value for cell in done for step, value in zip(*accuracy_curve(cell), strict=True) if step == 0)
    finals = [values[-1] for _, values in row_curves(study).values() if values]
    if base is None or not finals or max(finals) <= base:
        return None
    return (base + max(finals)) / 2


def row_curves(study: Study) -> dict[Arm, Curve]:
    """Return the mean dev accuracy curve over the finished seeds of each row."""
    return {arm: mean_curve([accuracy_curve(cell) for cell in cells if cell.done]) for arm, cells in study.groups()}


def crossing(curve: Curve, height: float | None) -> float | None:
    """Return the first step (interpolated linearly) at which a curve reaches `height`, or None if it never does."""
    from evals.statistics.curves import steps_to_threshold

    steps, values = curve
    if height is None or not steps:
        return None
    step = steps_to_threshold(steps, values, height)
    return None if step is None else float(step)
