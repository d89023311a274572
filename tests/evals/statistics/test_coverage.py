"""What the statistics promise, shown by simulation: nominal 95 % covers 94 to 96 %, and alpha is the type-I error.

Every rate prints. With 4,000 studies the Monte-Carlo standard error of a coverage near 95 % is 0.34 points, a third of
the half-width of the band; what can be summed over all outcomes is summed, and has none.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from scipy import stats

from evals.statistics import (
    clustered,
    crossed,
    hierarchical,
    holm,
    mcnemar_exact,
    needed,
    paired_scores,
    paired_sd,
    paired_shares,
    paired_t,
    share_sd,
    sign_flip,
    t_interval,
    wilson,
)

pytestmark = pytest.mark.slow
STUDIES = 4_000
NOMINAL = (0.94, 0.96)
ALPHA = (0.04, 0.06)


def told(name: str, rate: float) -> float:
    print(f"{name}: {rate:.4f}")
    return rate


def covered(interval: object, truth: float) -> bool:
    low, high = interval if isinstance(interval, tuple) else (interval.low, interval.high)  # type: ignore[attr-defined]
    return bool(low <= truth <= high)


def difficulty(generator: np.random.Generator, mean: float, questions: int) -> np.ndarray:
    """Chances of a right answer, question by question: most near 0 or 1, as of a real model."""
    return generator.beta(mean / 2, (1 - mean) / 2, questions)


def graded(generator: np.random.Generator, questions: int, k: int, a: float, b: float) -> np.ndarray:
    """Differences of k samples; B is right with A's chance times b / a, so they correlate."""
    chance = difficulty(generator, a, questions)[:, None]
    return (generator.random((questions, k)) < chance).astype(float) - (
        generator.random((questions, k)) < chance * b / a
    )


@pytest.mark.parametrize("n", [100, 1319])
def test_wilson(n: int) -> None:
    intervals = [wilson(right, n) for right in range(n + 1)]
    shares = np.linspace(0.05, 0.95, 181)
    rates = [
        sum(stats.binom.pmf(right, n, p) for right, ends in enumerate(intervals) if ends[0] <= p <= ends[1])
        for p in shares
    ]
    assert 0.945 < told(f"Wilson, n = {n}, mean over p, exact", float(np.mean(rates))) < 0.955
    assert min(rates) > (0.925 if n == 100 else 0.94)


@pytest.mark.parametrize("n", [5, 20])
def test_seeds(n: int) -> None:
    generator = np.random.default_rng(n)
    runs = generator.normal(0.6, 0.02, (STUDIES, n)).tolist()
    rate = np.mean([covered(t_interval(values), 0.6) for values in runs])
    assert NOMINAL[0] < told(f"t over {n} seeds", float(rate)) < NOMINAL[1]
    null = np.mean([paired_t([value - 0.6 for value in values]).p < 0.05 for values in runs])  # type: ignore[operator]
    assert ALPHA[0] < told(f"paired t over {n} seeds, type-I error", float(null)) < ALPHA[1]


def test_clustered_samples() -> None:
    generator = np.random.default_rng(1)
    hits, naive = 0, 0
    for _ in range(STUDIES):
        values = (generator.random((100, 8)) < difficulty(generator, 0.6, 100)[:, None]).astype(float)
        hits += covered(clustered(values.tolist()), 0.6)
        naive += covered(wilson(int(values.sum()), 800), 0.6)
    assert NOMINAL[0] < told("clustered, 100 questions, k = 8", hits / STUDIES) < NOMINAL[1]
    # What the clustering is for.
    assert told("Wilson over the same 800 samples", naive / STUDIES) < 0.75


@pytest.fixture
def untested(monkeypatch: pytest.MonkeyPatch) -> None:
    """Intervals alone: the p beside them costs most of the time and has its own simulation."""
    monkeypatch.setattr("evals.statistics.paired.sign_flip", lambda sums: None)


@pytest.mark.parametrize(("questions", "k"), [(200, 1), (600, 1), (100, 8)])
def test_difference_of_shares(untested: None, questions: int, k: int) -> None:
    generator = np.random.default_rng(questions + k)
    hits = sum(covered(paired_shares(graded(generator, questions, k, 0.6, 0.5).tolist()), 0.1) for _ in range(STUDIES))
    assert NOMINAL[0] < told(f"difference of shares, {questions} questions, k = {k}", hits / STUDIES) < NOMINAL[1]


@pytest.mark.parametrize(
    ("n", "shares"),
    [
        pytest.param(100, (0.16, 0.11), id="usual"),
        pytest.param(300, (0.05, 0.03), id="rare"),
        pytest.param(300, (0.05, 0.0), id="one-way"),
        pytest.param(50, (0.35, 0.15), id="few"),
    ],
)
def test_one_sample_difference_over_all_outcomes(n: int, shares: tuple[float, float]) -> None:
    # Agresti and Min's interval of the counts, as paired_shares computes it; summed over all counts.
    a, b = np.meshgrid(np.arange(n + 1), np.arange(n + 1), indexing="ij")
    chance = stats.multinomial.pmf(np.stack([a, b, n - a - b], -1), n, [*shares, 1 - sum(shares)])
    chance[a + b > n] = 0
    total = 0.0
    for x, y in np.argwhere(chance > 1e-7).tolist():
        differences = [[1.0]] * x + [[-1.0]] * y + [[0.0]] * (n - x - y)
        total += chance[x, y] * covered(paired_shares(differences), shares[0] - shares[1])
    assert 0.94 < told(f"difference of shares, n = {n}, {shares}, exact", total) < 0.975


def test_mcnemar_never_exceeds_alpha() -> None:
    rates = []
    for discordant in range(6, 400, 3):
        chance = stats.binom.pmf(np.arange(discordant + 1), discordant, 0.5)
        found = [mcnemar_exact(b, discordant - b) < 0.05 for b in range(discordant + 1)]
        rates.append(float(chance @ found))
    assert told("exact McNemar, largest type-I error", max(rates)) <= 0.05
    assert told("exact McNemar, mean from 100 discordant on", float(np.mean(rates[32:]))) > 0.035


def test_sign_flips() -> None:
    generator = np.random.default_rng(3)
    # Sums of few samples take few values, so the exact test stays below alpha: the more questions, the less.
    samples = (graded(generator, 300, 8, 0.5, 0.5).sum(axis=1).tolist() for _ in range(STUDIES))
    rate = sum(sign_flip(sums) < 0.05 for sums in samples) / STUDIES
    assert ALPHA[0] < told("sign-flip over 300 questions of 8 samples, type-I error", rate) < ALPHA[1]
    # 999 draws make a valid test too; the share of p <= 0.05 is exactly 0.05.
    skewed = generator.laplace(0, 1, (STUDIES, 30)).tolist()
    rate = sum(sign_flip(values, draws=999, seed=i) <= 0.05 for i, values in enumerate(skewed)) / STUDIES
    assert ALPHA[0] < told("sign-flip of 30 scores, 999 draws, type-I error", rate) < ALPHA[1]


def test_difference_of_scores(untested: None) -> None:
    generator = np.random.default_rng(4)
    truth = 0.1
    hits = sum(
        covered(
            paired_scores((generator.gamma(1, 1, (200, 1)) - 0.9 + generator.normal(0, 1, (200, 4))).tolist()), truth
        )
        for _ in range(STUDIES)
    )
    assert NOMINAL[0] < told("difference of skewed scores, 200 questions, k = 4", hits / STUDIES) < NOMINAL[1]


Estimator = Callable[..., object]


@pytest.mark.parametrize(
    ("estimator", "seeds", "spread", "band"),
    [
        pytest.param(crossed, 10, 0.1, NOMINAL, id="crossed-10"),
        pytest.param(crossed, 5, 0.1, (0.93, 0.965), id="crossed-5"),
        pytest.param(hierarchical, 10, 0.3, (0.94, 0.97), id="hierarchical-10"),
        pytest.param(hierarchical, 5, 0.3, (0.94, 0.97), id="hierarchical-5"),
        pytest.param(hierarchical, 5, 0.0, (0.94, 0.99), id="hierarchical-only-items"),
    ],
)
def test_seeds_and_items(estimator: Estimator, seeds: int, spread: float, band: Sequence[float]) -> None:
    generator = np.random.default_rng(seeds)
    options = {"draws": 1000} if estimator is hierarchical else {}
    hits, items = 0, 100
    for _ in range(STUDIES):
        values = generator.normal(0, spread, (seeds, 1)) + generator.normal(0, 1, (1, items))
        hits += covered(estimator(values + generator.normal(0, 0.7, (seeds, items)), **options), 0.0)
    name = f"{estimator.__name__}, {seeds} seeds of sd {spread}, {items} items"
    assert band[0] < told(name, hits / STUDIES) < band[1]


def test_power_is_what_was_planned() -> None:
    # Two models at 80 and 75 %, correlated over questions; the exact McNemar test at the planned n.
    a, b, both = 0.80, 0.75, 0.68
    correlation = (both - a * b) / (share_sd(a) * share_sd(b))
    n = needed(0.05, paired_sd(share_sd(a), share_sd(b), correlation))
    counts = np.random.default_rng(5).multinomial(n, [a - both, b - both, 1 - a - b + 2 * both], STUDIES)
    found = np.mean([mcnemar_exact(x, y) < 0.05 for x, y, _ in counts.tolist()])
    assert 0.775 < told(f"power of exact McNemar at the planned n = {n}, 0.8 wanted", float(found)) < 0.815
    n = needed(0.01, 0.012)
    runs = np.random.default_rng(6).normal(0.01, 0.012, (STUDIES, n)).tolist()
    found = np.mean([paired_t(values).p < 0.05 for values in runs])  # type: ignore[operator]
    assert 0.79 < told(f"power of the paired t at the planned {n} seeds", float(found)) < 0.9


def test_holm_keeps_the_family() -> None:
    # Fifteen comparisons of six equal models share their models, so the tests depend on each other.
    generator = np.random.default_rng(7)
    wrong = 0
    for _ in range(2 * STUDIES):
        means = generator.normal(0, 1, 6)
        p = [math.erfc(abs(x - y) / 2) for i, x in enumerate(means) for y in means[:i]]
        wrong += any(value < 0.05 for value in holm(p) if value is not None)
    assert told("Holm over 15 dependent tests, family-wise error", wrong / STUDIES / 2) <= 0.05
