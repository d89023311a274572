"""`variance.csv`: how much of the uncertainty of a row's accuracy comes from seeds, from questions and from samples.

Every seed s answers the same questions q, k samples each: correct = mu + seed_s + question_q + both_sq + sample_sqk,
all random and independent. With S seeds, Q questions and K samples and the mean squares of the two-way layout,

    E MS_sample = v_sample                         E MS_both = v_sample + K v_both
    E MS_question = v_sample + K v_both + K S v_question
    E MS_seed     = v_sample + K v_both + K Q v_seed

which solved for the variances v gives unbiased estimates; they may come out below 0 (Searle, Casella and McCulloch
1992, Variance Components, chapter 4). The variance of the row's mean is v_seed / S + v_question / Q + v_both / (S Q) +
v_sample / (S Q K). With one sample v_both and v_sample cannot be told apart: v_sample is the sum. With one seed v_seed
is unknown, and v_both is part of v_question.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from ablations.measures import answers, mean
from ablations.records import Arm, Cell, Study

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


@dataclass(frozen=True)
class Components:
    """Variances of one correctness (fractions squared); None where the layout cannot tell them."""

    seed: float | None
    question: float | None
    both: float | None
    sample: float | None


@dataclass(frozen=True)
class Split:
    """One line of `variance.csv`. `from_*` are the parts of the variance of the row's mean, in fractions squared.

    `seeds`, `questions` and `samples` are the sizes of the layout: the questions that every finished seed has scored,
    and the fewest samples of any of them.
    """

    reward: str
    objective: str
    model: str
    data: str
    variant: str
    seeds: int
    questions: int
    samples: int
    seed: float | None
    question: float | None
    both: float | None
    sample: float | None
    from_seeds: float | None
    from_questions: float | None
    from_both: float | None
    from_samples: float | None


COLUMNS = tuple(each.name for each in fields(Split))


def splits(study: Study) -> tuple[Split, ...]:
    """Return the split of every row that has a finished seed."""
    rows = ((arm, [cell for cell in cells if cell.done]) for arm, cells in study.groups())
    return tuple(_split(arm, layout(done)) for arm, done in rows if done)


def components(values: "ArrayLike") -> Components:
    """Return the variance components of a table of shape (seeds, questions, samples). Raises `ValueError` if empty."""
    import numpy as np

    table = np.asarray(values, dtype=np.float64)
    if table.ndim != 3 or table.size == 0:
        raise ValueError("need a table of seeds x questions x samples with something in it")
    seeds, questions, samples = table.shape
    cells = table.mean(axis=2)
    by_seed, by_question, grand = cells.mean(axis=1), cells.mean(axis=0), float(cells.mean())
    rest = cells - by_seed[:, None] - by_question[None, :] + grand

    def square(total: float, df: int) -> float | None:
        return float(total) / df if df else None

    within = square(((table - cells[:, :, None]) ** 2).sum(), seeds * questions * (samples - 1))
    mixed = square(samples * (rest**2).sum(), (seeds - 1) * (questions - 1))
    items = square(samples * seeds * ((by_question - grand) ** 2).sum(), questions - 1)
    runs = square(samples * questions * ((by_seed - grand) ** 2).sum(), seeds - 1)
    return Components(
        seed=_solved(runs, mixed, samples * questions),
        question=_solved(items, mixed if seeds > 1 else within, samples * seeds),
        both=_solved(mixed, within, samples),
        sample=within if samples > 1 else mixed,
    )


def _solved(square: float | None, below: float | None, count: int) -> float | None:
    """Return the variance that a mean square has beyond the one below it."""
    return None if square is None or below is None else (square - below) / count


def layout(done: Sequence[Cell]) -> list[list[list[bool]]]:
    """Return correctness by seed, question and sample, of the questions all have scored, with equally many samples."""
    tables = [answers(cell.items) for cell in done]
    common = [question for question in tables[0] if all(question in table for table in tables)]
    fewest = min((len(table[question]) for table in tables for question in common), default=0)
    return [[table[question][:fewest] for question in common] for table in tables]


def _split(arm: Arm, table: list[list[list[bool]]]) -> Split:
    seeds, questions = len(table), len(table[0])
    samples = len(table[0][0]) if questions else 0
    found = components(table) if samples else Components(None, None, None, None)
    return Split(
        **vars(arm),
        seeds=seeds,
        questions=questions,
        samples=samples,
        **vars(found),
        from_seeds=_part(found.seed, seeds),
        from_questions=_part(found.question, questions),
        from_both=_part(found.both, seeds * questions),
        from_samples=_part(found.sample, seeds * questions * samples),
    )


def _part(variance: float | None, count: int) -> float | None:
    return None if variance is None else variance / count


def shares(found: Iterable[Split]) -> dict[str, float] | None:
    """Return which share of the variance of a row's accuracy each unit has, over all rows; None where none is known.

    Seeds stand beside questions and samples; what a seed makes of single questions belongs to the seeds and questions
    alike and is named `both`. Estimates below 0 count as 0.
    """
    rows = [row for row in found if row.from_seeds is not None]
    parts = {
        name: mean(getattr(row, f"from_{name}") for row in rows) for name in ("seeds", "questions", "both", "samples")
    }
    known = {name: max(0.0, part) for name, part in parts.items() if part is not None}
    total = sum(known.values())
    return {name: part / total for name, part in known.items()} if total else None
