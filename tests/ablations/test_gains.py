"""Reward and accuracy in one unit: what rises alike coincides, what is paid for another thing parts."""

import math
from collections.abc import Callable
from pathlib import Path
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ablations.figures.gains import Gains, gains
from ablations.measures import Item, Items
from ablations.records import Arm, Cell, Plan, Study
from ablations.series import running_mean

STEPS = 40
Law = Callable[[float], float]
ARM = Arm("sparse", "grpo", "tiny", "words")
ITEM = Item("q", True, True, True, True, 5.0, None, "correct", "stop")


def gain(reward: Law, right: Law, deviation: Law, seeds: int = 3, jitter: float = 0.0) -> list[Gains]:
    """Return the gains of runs of `STEPS` steps; laws are of the share of training done, seeds differ by `jitter`."""
    cells = []
    for seed in range(seeds):
        shares = [step / STEPS for step in range(1, STEPS + 1)]
        rows = [
            {"step": step, "reward": reward(x) + seed * jitter * x, "accuracy": right(x), "reward_std": deviation(x)}
            for step, x in enumerate(shares, 1)
        ]
        cells.append(Cell(f"c{seed}", ARM, seed, "done", metrics=tuple(rows), items=Items([ITEM])))
    plan = Plan("s", "", "", ("sparse",), ("grpo",), ("tiny",), ("words",), ("",), tuple(range(seeds)), "sparse")
    return gains(Study(Path("s"), plan, tuple(cells)))


def rising(share: float) -> float:
    return 0.1 + 0.6 * share


def spread(right: Law, weight: float = 1.0) -> Law:
    """The deviation of a reward that pays `weight` for a right answer."""
    return lambda share: weight * math.sqrt(right(share) * (1 - right(share)))


@given(weight=st.floats(0.01, 100), shift=st.floats(-10, 10))
def test_a_reward_for_right_answers_gains_what_accuracy_does(weight: float, shift: float) -> None:
    (row,) = gain(lambda x: shift + weight * rising(x), rising, spread(rising, weight))
    assert row.gap[1] == pytest.approx([0.0] * STEPS, abs=1e-6)
    assert row.since is None


def test_a_reward_that_rises_alone_is_marked_where_it_parted() -> None:
    (row,) = gain(lambda x: float(x > 0.5), lambda _: 0.3, spread(lambda x: float(x > 0.5)), jitter=0.01)
    assert row.since is not None
    assert row.since / STEPS == pytest.approx(0.5, abs=0.05)
    # Half of the steps at 0 and half at 1 have a deviation of a half.
    assert row.reward.mean[1][-1] == pytest.approx(2.0, abs=0.05)


@pytest.mark.parametrize(
    ("reward", "right"),
    [
        pytest.param(lambda _: 0.5, lambda _: 0.3, id="nothing moves"),
        pytest.param(lambda _: 0.5, rising, id="accuracy rises alone"),
        pytest.param(lambda x: 0.5 + 0.05 * x, lambda _: 0.3, id="the gap is below what is called one"),
    ],
)
def test_no_mark_without_a_gap(reward: Law, right: Law) -> None:
    (row,) = gain(reward, right, lambda _: 0.5)
    assert row.since is None


def test_one_seed_marks_nothing() -> None:
    (row,) = gain(rising, lambda _: 0.3, lambda _: 0.2, seeds=1)
    assert row.gap[1][-1] > 1
    assert row.since is None


def test_a_quantity_that_never_varies_has_gained_nothing() -> None:
    (row,) = gain(lambda _: 0.0, lambda _: 0.0, lambda _: 0.0)
    assert row.reward.mean[1] == row.accuracy.mean[1] == [0.0] * STEPS


def test_without_verified_accuracy_there_are_no_gains() -> None:
    nothing: Law = lambda _: None  # type: ignore[assignment, return-value] # noqa: E731
    assert gain(rising, nothing, lambda _: 0.5) == []


@given(st.lists(st.floats(-100, 100), max_size=60), st.integers(0, 6).map(lambda k: 2 * k + 1))
def test_running_mean_is_that_of_the_neighbours(values: list[float], width: int) -> None:
    reach = width // 2
    expected = [fmean(values[max(0, k - reach) : k + reach + 1]) for k in range(len(values))]
    assert running_mean((list(range(len(values))), values), width)[1] == pytest.approx(expected, abs=1e-9)
