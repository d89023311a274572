"""What a figure draws: for each row of the table, one curve per finished seed and their mean."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ablations.curves import Curve, mean_curve
from ablations.records import Cell, Study

Trace = Callable[[Cell], Iterable[tuple[int, float | None]]]
SMOOTHING = 20
FEWEST = 10


@dataclass(frozen=True)
class Series:
    """One legend entry: `place` is the row's place in the table (it fixes colour, dash and marker in every figure)."""

    label: str
    place: int
    seeds: tuple[Curve, ...]

    @property
    def mean(self) -> Curve:
        """The mean over seeds, at the steps they all have."""
        return mean_curve(self.seeds)

    @property
    def band(self) -> tuple[list[int], list[float], list[float]]:
        """Return `(steps, lowest, highest)` over the seeds, at the steps they all have."""
        steps, _ = self.mean
        tables = [dict(zip(*curve, strict=True)) for curve in self.seeds]
        values = [[table[step] for table in tables] for step in steps]
        return steps, [min(row) for row in values], [max(row) for row in values]


def series(study: Study, trace: Trace, window: int = 1) -> list[Series]:
    """Return the series of `trace` for every row with a finished seed that has any such value."""
    found = []
    for place, (arm, cells) in enumerate(study.groups()):
        curves = [running_mean(_curve(trace(cell)), window) for cell in cells if cell.done]
        drawn = tuple(curve for curve in curves if curve[0])
        if drawn:
            found.append(Series(study.short(arm), place, drawn))
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
    reach = width // 2
    windows = (values[max(0, place - reach) : place + reach + 1] for place in range(len(values)))
    return steps, [sum(part) / len(part) for part in windows]


def _curve(points: Iterable[tuple[int, float | None]]) -> Curve:
    present = [(step, float(value)) for step, value in points if value is not None]
    return [step for step, _ in present], [value for _, value in present]
