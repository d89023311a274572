"""How far the reward and the verified accuracy of a row rose in training, in one unit.

Rewards have no common scale, so both are gains over their start in standard deviations of one completion, taken over
all completions of the row's training: sqrt(mean within-step variance + variance of the step means). A reward that pays
for right answers alone has the curve of accuracy itself, whatever its weight.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean, pvariance
from typing import Any, NamedTuple

from ablations.curves import Curve
from ablations.estimates import over_seeds
from ablations.records import Arm, Cell, Study
from ablations.series import Series, running_mean, window

# A gap below this, in standard deviations, is none.
GROWN = 0.2
FIFTH = 5


class Step(NamedTuple):
    """One training step: means of reward and verified accuracy, and the deviation of the rewards of its completions."""

    step: int
    reward: float
    reward_std: float
    accuracy: float


@dataclass(frozen=True)
class Gains:
    """Gains of a row over its start, in standard deviations of one completion, at the steps all seeds have."""

    arm: Arm
    reward: Series
    accuracy: Series

    @property
    def gap(self) -> Curve:
        """Reward less accuracy, means over seeds."""
        steps, rewards = self.reward.mean
        return steps, [a - b for a, b in zip(rewards, self.accuracy.mean[1], strict=True)]

    @property
    def since(self) -> int | None:
        """The step from which the gap stays above half of its final height; None where it is not there over seeds.

        It is there where its mean over the last fifth is above `GROWN` and its 95 % interval over seeds above 0.
        """
        steps, heights = self.gap
        final = over_seeds(self._ends())
        if final.value is None or final.value <= GROWN or final.low is None or final.low <= 0:
            return None
        below = [place for place, height in enumerate(heights) if height < final.value / 2]
        return steps[min(below[-1] + 1, len(steps) - 1)] if below else steps[0]

    def _ends(self) -> Iterator[float]:
        for (steps, rewards), (_, rights) in zip(self.reward.seeds, self.accuracy.seeds, strict=True):
            last = -(-len(steps) // FIFTH)
            yield fmean(rewards[-last:]) - fmean(rights[-last:])


def gains(study: Study) -> list[Gains]:
    """Return the gains of every row whose finished cells logged reward, its deviation and verified accuracy."""
    found, width = [], window(study)
    for arm, cells in study.groups():
        runs = [rows for rows in (_known(cell) for cell in cells if cell.done) if rows]
        if runs:
            every = [row for rows in runs for row in rows]
            reward = _gain(arm, runs, "reward", _deviation(every), width)
            found.append(Gains(arm, reward, _gain(arm, runs, "accuracy", _binary(every), width)))
    return found


def _known(cell: Cell) -> list[Step]:
    rows: Iterator[list[Any]] = ([row.get(name) for name in Step._fields] for row in cell.metrics)
    return [Step(*row) for row in rows if None not in row]


def _gain(arm: Arm, runs: Sequence[Sequence[Step]], field: str, unit: float, width: int) -> Series:
    """Smooth each run and take its first value from it, in units; what never varies has gained nothing."""
    curves = []
    for rows in runs:
        steps, values = running_mean(([row.step for row in rows], [getattr(row, field) for row in rows]), width)
        curves.append((steps, [(value - values[0]) / unit if unit else 0.0 for value in values]))
    return Series(arm, tuple(curves))


def _deviation(rows: Sequence[Step]) -> float:
    return math.sqrt(fmean(row.reward_std**2 for row in rows) + pvariance([row.reward for row in rows]))


def _binary(rows: Sequence[Step]) -> float:
    right = fmean(row.accuracy for row in rows)
    return math.sqrt(right * (1 - right))
