"""Learning curves as numbers."""

from __future__ import annotations

import pytest

from evals.statistics import area_under, steps_to_threshold


@pytest.mark.parametrize(
    ("steps", "values", "area"),
    [
        pytest.param([0, 10], [0.0, 1.0], 0.5, id="ramp"),
        pytest.param([0, 1, 10], [0.0, 1.0, 1.0], 0.95, id="uneven-steps"),
        pytest.param([5], [0.3], 0.3, id="one-point"),
    ],
)
def test_area_under(steps: list[float], values: list[float], area: float) -> None:
    assert area_under(steps, values) == pytest.approx(area)


@pytest.mark.parametrize(
    ("threshold", "step"),
    [
        pytest.param(0.5, 15.0, id="between-points"),
        pytest.param(0.2, 0.0, id="from-the-start"),
        pytest.param(0.6, 20.0, id="at-a-point"),
        pytest.param(0.9, None, id="never"),
    ],
)
def test_steps_to_threshold(threshold: float, step: float | None) -> None:
    assert steps_to_threshold([0, 10, 20], [0.2, 0.4, 0.6], threshold) == (
        None if step is None else pytest.approx(step)
    )


@pytest.mark.parametrize("curve", [([], []), ([1], [1, 2]), ([1, 1], [0, 0])])
def test_curves_are_checked(curve: tuple[list[float], list[float]]) -> None:
    with pytest.raises(ValueError, match="curve"):
        area_under(*curve)
