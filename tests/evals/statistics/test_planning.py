"""Power, minimum detectable effect and needed n against the normal approximation and each other."""

from __future__ import annotations

import math

import pytest
from scipy import stats

from evals.statistics import detectable, needed, paired_sd, power, share_sd

ITEMS = share_sd(0.8)
PAIRED = paired_sd(ITEMS, ITEMS, 0.5)


@pytest.mark.parametrize(
    ("sd", "paired", "points"),
    [pytest.param(ITEMS, False, 4.37, id="unpaired"), pytest.param(PAIRED, True, 3.09, id="paired")],
)
def test_what_gsm8k_can_show(sd: float, paired: bool, points: float) -> None:
    assert 100 * detectable(sd, 1319, paired=paired) == pytest.approx(points, abs=0.01)  # type: ignore[operator]
    z = stats.norm.ppf(0.975) + stats.norm.ppf(0.8)
    assert needed(0.01, sd, paired=paired) == pytest.approx(z**2 * sd**2 * (1 if paired else 2) / 0.01**2, rel=1e-3)


# G*Power 3.1, t tests: one group or matched pairs, and two independent groups; alpha 0.05 two-sided, power 0.8.
@pytest.mark.parametrize(
    ("effect", "paired", "n"),
    [(0.5, True, 34), (0.8, True, 15), (0.5, False, 64), (0.8, False, 26), (0.2, False, 394)],
)
def test_cohens_examples(effect: float, paired: bool, n: int) -> None:
    assert needed(effect, 1.0, paired=paired) == n
    assert power(effect, 1.0, n, paired=paired) >= 0.8 > power(effect, 1.0, n - 1, paired=paired)


@pytest.mark.parametrize("n", [2, 3, 5, 10, 1319, 9999, 50_000])
@pytest.mark.parametrize("paired", [True, False])
def test_detectable_inverts_power(n: int, paired: bool) -> None:
    effect = detectable(0.02, n, paired=paired)
    assert effect is not None
    assert power(effect, 0.02, n, paired=paired) == pytest.approx(0.8, abs=1e-6)
    assert power(-effect, 0.02, n, paired=paired) == pytest.approx(0.8, abs=1e-6)
    assert power(0.0, 0.02, n, paired=paired) == pytest.approx(0.05, abs=1e-4)


def test_normal_and_noncentral_t_meet() -> None:
    assert power(0.025, 1.0, 10_001) == pytest.approx(power(0.025, 1.0, 10_002), abs=2e-4)


def test_few_units_and_none() -> None:
    assert detectable(0.1, 1) is None and power(1.0, 0.1, 1) == 0.0
    assert detectable(0.0, 5) == 0.0 and power(0.1, 0.0, 5) == 1.0 and needed(0.1, 0.0) == 2
    assert paired_sd(0.4, 0.4, 1.0) == 0.0
    assert paired_sd(0.3, 0.4, 0.0) == pytest.approx(math.hypot(0.3, 0.4))


def test_bad_designs_are_refused() -> None:
    for call, said in (
        (lambda: needed(0.0, 0.1), "difference of 0"),
        (lambda: needed(1e-9, 0.4), "more than"),
        (lambda: power(0.1, -1.0, 5), "standard deviation"),
        (lambda: power(0.1, 1.0, 0), "at least 1"),
        (lambda: detectable(0.1, 5, alpha=5), "alpha"),
        (lambda: detectable(0.1, 5, chance=0.01), "power"),
        (lambda: share_sd(80), "share"),
        (lambda: paired_sd(1, 1, 2), "correlation"),
    ):
        with pytest.raises(ValueError, match=said):
            call()
