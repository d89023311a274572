"""The split of the variance: by hand on a small layout, unbiased on drawn ones, silent where a layout cannot tell."""

from pathlib import Path

import numpy as np
import pytest
from studies import Write, cell, item

from ablations.claims import claims
from ablations.records import load_study
from ablations.summary import summarise
from ablations.variance import Components, components, shares, splits


def test_planted_variances_are_recovered() -> None:
    """Means over many drawn layouts lie within four standard errors of what was planted: no bias."""
    planted = Components(seed=0.5, question=2.0, both=0.8, sample=1.5)
    chance, seeds, questions, samples = np.random.default_rng(7), 4, 12, 3
    found = []
    for _ in range(2000):
        table = (
            chance.normal(0, planted.seed**0.5, (seeds, 1, 1))
            + chance.normal(0, planted.question**0.5, (1, questions, 1))
            + chance.normal(0, planted.both**0.5, (seeds, questions, 1))
            + chance.normal(0, planted.sample**0.5, (seeds, questions, samples))
        )
        found.append(list(vars(components(table)).values()))
    values = np.array(found)
    error = values.std(axis=0, ddof=1) / len(values) ** 0.5
    assert np.all(np.abs(values.mean(axis=0) - list(vars(planted).values())) < 4 * error)
    assert np.all(error < 0.05)


def test_correctness_is_split_without_bias() -> None:
    """Answers are 0 or 1: seed and question shift the chance of a right one, and the shifts' variances are found."""
    chance, found = np.random.default_rng(3), []
    for _ in range(1500):
        level = 0.5 + chance.choice([-0.1, 0.1], (5, 1, 1)) + chance.choice([-0.25, 0.25], (1, 20, 1))
        found.append(components(chance.random((5, 20, 4)) < level))
    seed, question, both = (np.mean([getattr(each, name) for each in found]) for name in ("seed", "question", "both"))
    assert seed == pytest.approx(0.1**2, abs=0.001)
    assert question == pytest.approx(0.25**2, abs=0.002)
    assert both == pytest.approx(0, abs=0.001)


def test_by_hand() -> None:
    """Two seeds, two questions, two samples, of which only the question decides: MS_question = 2, all else 0."""
    assert components([[[1, 1], [0, 0]], [[1, 1], [0, 0]]]) == Components(seed=0, question=0.5, both=0, sample=0)


@pytest.mark.parametrize(
    ("shape", "known"),
    [
        pytest.param((3, 5, 2), {"seed", "question", "both", "sample"}, id="everything"),
        pytest.param((3, 5, 1), {"seed", "question", "sample"}, id="one sample: both is part of it"),
        pytest.param((1, 5, 2), {"question", "sample"}, id="one seed: both is part of the questions"),
        pytest.param((3, 1, 2), {"sample"}, id="one question: nothing separates it from the seeds"),
        pytest.param((1, 1, 1), set(), id="one answer"),
    ],
)
def test_what_a_layout_cannot_tell_is_none(shape: tuple[int, int, int], known: set[str]) -> None:
    found = components(np.random.default_rng(0).random(shape))
    assert {name for name, value in vars(found).items() if value is not None} == known


def test_an_empty_table_is_refused() -> None:
    with pytest.raises(ValueError, match="seeds x questions x samples"):
        components([])


@pytest.fixture
def seeds_differ(write: Write) -> Path:
    """Three seeds that get 0, 2 or 4 of four questions right in both samples; one gold cannot be scored."""
    answers = [(0, 0, 0, 0), (1, 1, 0, 0), (1, 1, 1, 1)]
    cells = [
        cell("1", seed=seed, items=[item(q, bool(a), k) for q, a in enumerate(row) for k in range(2)] + [item(9, None)])
        for seed, row in enumerate(answers)
    ]
    return write(cells, seeds=(0, 1, 2))


def test_a_study_is_split_by_its_items(seeds_differ: Path) -> None:
    (split,) = splits(load_study(seeds_differ))
    assert (split.seeds, split.questions, split.samples) == (3, 4, 2)
    # Seed means 0, .5, 1: MS_seed = 2 * 4 * .5 / 2 = 2. Question means 2/3 and 1/3: MS_question = 2 * 3 / 9 / 3 = 2/9.
    # The rest of eight cells is 1/6, of four 1/3: MS_both = 2 * (8 / 36 + 4 / 9) / 6 = 2/9. No spread in samples.
    assert (split.seed, split.question, split.both) == (
        pytest.approx((2 - 2 / 9) / 8),
        pytest.approx(0),
        pytest.approx(1 / 9),
    )
    assert split.sample == 0
    assert split.from_seeds == pytest.approx(split.seed / 3)
    assert split.from_samples == 0
    found = shares([split])
    assert found is not None
    assert sum(found.values()) == pytest.approx(1)
    assert found["seeds"] > 0.8


def test_the_claim_names_every_unit(seeds_differ: Path) -> None:
    study = load_study(seeds_differ)
    (told,) = [line for line in claims(study, summarise(study)) if "uncertainty" in line]
    assert "training seeds " in told
    assert told.endswith("(`variance.csv`).")


def test_one_seed_makes_no_claim(write: Write) -> None:
    study = load_study(write([cell("1100")]))
    assert shares(splits(study)) is None
    assert not [line for line in claims(study, summarise(study)) if "uncertainty" in line]
