"""Holm's correction on worked cases."""

import pytest

from evals.statistics.holm import holm


@pytest.mark.parametrize(
    ("raw", "adjusted"),
    [
        pytest.param([], [], id="no test"),
        pytest.param([0.03], [0.03], id="one test is itself"),
        pytest.param([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02], id="Holm 1979 step-down"),
        pytest.param([None, 0.02, None], [None, 0.02, None], id="missing tests do not count"),
        pytest.param([0.6, 0.7], [1.0, 1.0], id="capped at one"),
    ],
)
def test_holm(raw: list[float | None], adjusted: list[float | None]) -> None:
    assert holm(raw) == [value if value is None else pytest.approx(value) for value in adjusted]


def test_a_value_that_is_no_probability_is_refused() -> None:
    with pytest.raises(ValueError, match=r"1\.5 at position 1"):
        holm([0.1, 1.5])
