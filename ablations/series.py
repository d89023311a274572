"""What a curve figure draws: for each row of the table, one curve per finished seed, their mean and their range."""

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

from ablations.curves import Curve, mean_curve
from ablations.records import Arm, Cell, Study

Trace = Callable[[Cell], Iterable[tuple[int, float | None]]]
SMOOTHING = 20
FEWEST = 10


@dataclass(frozen=True)
class Series:
    """The curves of one row of the table."""

    arm: Arm
    seeds: tuple[Curve, ...]

    @cached_property
    def mean(self) -> Curve:
        """The mean over seeds, at the steps they all have."""
        return mean_curve(self.seeds)

    @cached_property
    def band(self) -> tuple[list[int], list[float], list[float]]:
        """Return `(steps, lowest, highest)` over the seeds, at the steps they all have."""
        steps, _ = self.mean
        tables = [dict(zip(*curve, strict=True)) for curve in self.seeds]
        values = [[table[step] for table in tables] for step in steps]
        return steps, [min(row) for row in values], [max(row) for row in values]


def series(study: Study, trace: Trace, window: int = 1) -> list[Series]:
    """Return the series of `trace` for every row with a finished seed that has any such value."""
    found = []
    for arm, cells in study.groups():
        curves = [running_mean(curve(trace(cell)), window) for cell in cells if cell.done]
        drawn = tuple(one for one in curves if one[0])
        if drawn:
            found.append(Series(arm, drawn))
    return found


def dev(name: str) -> Trace:
    """Trace a field of the dev evaluations: accuracy, format or accuracy_given_format."""
    return lambda cell: ((point.step, getattr(point, name)) for point in cell.curve)


def formatted_accuracy(cell: Cell) -> Iterable[tuple[int, float | None]]:
    """Trace accuracy given format, leaving out evaluations with fewer than `FEWEST` formatted completions."""
    for point in cell.curve:
        formatted = (point.n or 0) * (point.format or 0.0)
        # Half a completion of slack: n * format is a count that went through a division.
        yield point.step, point.accuracy_given_format if formatted > FEWEST - 0.5 else None


def training(key: str) -> Trace:
    """Trace a field of the training rows: reward or rewards/<component>."""
    return lambda cell: ((int(row["step"]), row.get(key)) for row in cell.metrics)


def components(study: Study) -> list[str]:
    """Return the reward components any finished cell logged (`rewards/<component>` keys), in order of appearance."""
    rows = (row for cell in study.cells if cell.done for row in cell.metrics)
    return list(dict.fromkeys(key for row in rows for key in row if key.startswith("rewards/")))


def window(study: Study) -> int:
    """Return how many training steps a curve is averaged over: a twentieth of the longest run, odd, at least one."""
    longest = max((len(cell.metrics) for cell in study.cells if cell.done), default=0)
    return longest // SMOOTHING // 2 * 2 + 1


def running_mean(curve: Curve, width: int) -> Curve:
    """Average each value with its neighbours in a centred window of `width` points, narrower at both ends."""
    steps, values = curve
    if width < 2:
        return curve
    reach, sums = width // 2, [0.0, *itertools.accumulate(values)]
    edges = [(max(0, place - reach), min(len(values), place + reach + 1)) for place in range(len(values))]
    return steps, [(sums[last] - sums[first]) / (last - first) for first, last in edges]


def curve(points: Iterable[tuple[int, float | None]]) -> Curve:
    """Return `(steps, values)` of the points that have a value."""
    present = [(step, float(value)) for step, value in points if value is not None]
    return [step for step, _ in present], [value for _, value in present]
