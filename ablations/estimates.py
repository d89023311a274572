"""A number with its interval, over one of the two sampling units: training seeds or test questions."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import stdev
from typing import Any, Literal

from ablations.measures import mean

Unit = Literal["seeds", "questions", ""]
FEWEST_FOR_STARS = 5


@dataclass(frozen=True)
class Estimate:
    """A mean and its 95 % interval. `low` and `high` are None when one value cannot have an interval."""

    value: float | None = None
    low: float | None = None
    high: float | None = None
    unit: Unit = ""

    @property
    def half_width(self) -> float | None:
        """Half the interval, what stands after the plus-minus sign."""
        return None if self.low is None or self.high is None else (self.high - self.low) / 2

    @property
    def excludes_zero(self) -> bool:
        """Whether the whole interval lies on one side of zero."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


def bounds(name: str, estimate: Estimate) -> dict[str, Any]:
    """Return the columns of an estimate in a table: `name`, `name_low` and `name_high`."""
    return {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}


def of_columns(row: object, name: str, unit: Unit) -> Estimate:
    """Return the estimate that `bounds` wrote into the columns of a row."""
    value, low, high = (getattr(row, name + end) for end in ("", "_low", "_high"))
    return Estimate(value, low, high, unit if low is not None else "")


def over_seeds(values: Iterable[float | None]) -> Estimate:
    """Return the mean over training seeds with its t interval (df = seeds - 1); no interval below two seeds."""
    return _estimate([value for value in values if value is not None], "seeds")


def over_questions(values: Mapping[str, float]) -> Estimate:
    """Return the mean over questions with its t interval (df = questions - 1), for values from `by_question`.

    Where every question has the same value (none right, or nothing moved) there is no spread to take an interval from,
    and one of no width would claim certainty: the estimate has none.
    """
    found = list(values.values())
    return Estimate(mean(found)) if len(set(found)) < 2 else _estimate(found, "questions")


def _estimate(values: Sequence[float], unit: Unit) -> Estimate:
    from evals.statistics.intervals import t_interval

    if len(values) < 2:
        return Estimate(mean(values))
    interval = t_interval(values)
    return Estimate(interval.mean, interval.low, interval.high, unit)


def paired_p(differences: Sequence[float]) -> float | None:
    """Return the two-sided p of a paired t test over seeds; None below two seeds, or when all seeds differ alike."""
    from evals.statistics.paired import paired_t

    if len(differences) < 2:
        return None
    # Equal differences of equal fractions may differ in the last bit, which would pass for a tiny spread.
    return paired_t([round(difference, 12) for difference in differences]).p


def detectable(differences: Sequence[float]) -> float | None:
    """Return the smallest true mean difference found with 80 % power at two-sided alpha 0.05, from the spread seen.

    `evals.statistics.detectable` at the standard deviation of the differences. None below two seeds.
    """
    from evals.statistics import planning

    if len(differences) < 2:
        return None
    return planning.detectable(stdev(round(value, 12) for value in differences), len(differences))
