"""The rows of the table: one per reward and objective, and one for the model before training."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from operator import attrgetter
from typing import Any

from ablations.comparisons import Comparison, Measure, compare
from ablations.curves import area, crossing, row_curves, threshold
from ablations.estimates import Estimate, Unit, bounds, of_columns, over_questions, over_seeds
from ablations.measures import Item, Score, Test, anyone, by_question, formatted, mean, means, score
from ablations.records import Arm, Cell, Study

BASE = "base"
SHARES = ("strict", "flexible", "format", "tokens", "truncated", "right_by_wrong_steps")
# What is printed bare, with the digits that its spread supports.
OVER_QUESTIONS = ("strict", "flexible", "format", "tokens")


@dataclass(frozen=True)
class SummaryRow:
    """One line of `table.csv`; the fields marked as columns stand there in this order. None is an empty cell.

    Shares (accuracy, strict, flexible, format, their intervals and differences, dead_groups, area) are fractions.
    `n` is test questions per cell, `seeds` finished cells, `failed` planned cells that are not. `tokens` is the mean
    completion length, `minutes` and `generated_tokens` are means per cell, `area` is the mean height of the dev
    accuracy curve, `right_by_wrong_steps` the share of correct completions with a false equation, `steps_to_threshold`
    is in training steps. `p_vs_baseline` is paired over seeds and Holm-corrected. `name` is the row's in sentences.
    Intervals are over training seeds, or over test questions with one seed: `unit` says which. `errors` has half of the
    interval of the numbers that have no columns for theirs, in their own unit.
    """

    reward: str
    objective: str
    model: str
    data: str
    seeds: int
    n: int
    accuracy: float | None = None
    accuracy_low: float | None = None
    accuracy_high: float | None = None
    strict: float | None = None
    flexible: float | None = None
    format: float | None = None
    tokens: float | None = None
    p_vs_baseline: float | None = None
    minutes: float | None = None
    accuracy_given_format: float | None = None
    accuracy_given_format_low: float | None = None
    accuracy_given_format_high: float | None = None
    given_format_seeds: int = 0
    given_format_delta: float | None = None
    given_format_delta_low: float | None = None
    given_format_delta_high: float | None = None
    greedy: float | None = None
    base_accuracy: float | None = None
    base_format: float | None = None
    base_accuracy_given_format: float | None = None
    delta: float | None = None
    delta_low: float | None = None
    delta_high: float | None = None
    area: float | None = None
    steps_to_threshold: float | None = None
    dead_groups: float | None = None
    generated_tokens: float | None = None
    right_by_wrong_steps: float | None = None
    failed: int = 0
    variant: str = ""
    name: str = field(default="", metadata={"column": False})
    unit: Unit = field(default="", metadata={"column": False})
    compared_seeds: int = field(default=0, metadata={"column": False})
    reference: bool = field(default=False, metadata={"column": False})
    truncated: float | None = field(default=None, metadata={"column": False})
    errors: Mapping[str, float | None] = field(default_factory=dict, metadata={"column": False})

    @property
    def is_base(self) -> bool:
        """Whether this is the model before training."""
        return not self.objective

    def estimate(self, name: str) -> Estimate:
        """Return `name` with its interval: accuracy, accuracy_given_format, given_format_delta or delta."""
        return of_columns(self, name, self.unit)


def is_reference(row: SummaryRow) -> bool:
    """Whether the other rows are compared with this one, which has something to compare."""
    return row.reference and row.seeds > 0


COLUMNS = tuple(f.name for f in fields(SummaryRow) if f.metadata.get("column", True))


def summarise(study: Study) -> tuple[SummaryRow, ...]:
    """Return the base rows (one of each model and data with a base evaluation), then the others in plan order."""
    comparisons = {item.arm: item for item in compare(study)}
    curves, height = row_curves(study), threshold(study)
    rows = (_row(study, arm, comparisons.get(arm), crossing(curves[arm], height)) for arm in study.arms)
    return (*_bases(study), *rows)


def _row(study: Study, arm: Arm, comparison: Comparison | None, reached: float | None) -> SummaryRow:
    cells = study.group(arm)
    done = [cell for cell in cells if cell.done]
    accuracy = _end(done, anyone)
    measured = {name: [measure(cell) for cell in done] for name, measure in MEASURES.items()}
    averages: dict[str, Any] = {name: mean(values) for name, values in measured.items()}
    return SummaryRow(
        **vars(arm),
        name=study.name(arm),
        seeds=len(done),
        failed=len(cells) - len(done),
        n=min((score(cell.items).n for cell in done), default=0),
        **bounds("accuracy", accuracy),
        **bounds("accuracy_given_format", _end(done, formatted)),
        given_format_seeds=sum(_share(cell.items, formatted) is not None for cell in done),
        **bounds("given_format_delta", _change(done, formatted)),
        **bounds("delta", _change(done, anyone)),
        **averages,
        **_base_shares([score(cell.items_base) for cell in done]),
        steps_to_threshold=reached,
        p_vs_baseline=comparison.p_holm if comparison else None,
        compared_seeds=comparison.seeds if comparison else 0,
        reference=arm == study.plan.reference(arm),
        unit=accuracy.unit,
        errors={name: over_seeds(values).half_width for name, values in measured.items()}
        | (_errors(done[0].items, done[0].items_greedy) if len(done) == 1 else {}),
    )


def _of_score(name: str) -> Measure:
    return lambda cell: getattr(score(cell.items), name)


MEASURES: dict[str, Measure] = {name: _of_score(name) for name in SHARES} | {
    "greedy": lambda cell: score(cell.items_greedy).accuracy,
    "area": area,
    "dead_groups": lambda cell: mean(row.get("dead_groups") for row in cell.metrics),
    "generated_tokens": lambda cell: cell.generated_tokens,
    "minutes": lambda cell: None if cell.seconds is None else cell.seconds / 60,
}


def _errors(items: Sequence[Item], greedy: Sequence[Item]) -> dict[str, float | None]:
    """Return half of the interval over questions of what is printed without it."""
    values = {name: by_question(items, of=attrgetter(name)) for name in OVER_QUESTIONS}
    values["greedy"] = by_question(greedy)
    return {name: over_questions(each).half_width for name, each in values.items()}


def _bases(study: Study) -> Iterator[SummaryRow]:
    for model, data in dict.fromkeys((arm.model, arm.data) for arm in study.arms):
        cells = [cell for cell in study.cells if (cell.arm.model, cell.arm.data) == (model, data) and cell.items_base]
        if cells:
            yield _base(model, data, cells)


def _base(model: str, data: str, cells: Sequence[Cell]) -> SummaryRow:
    """Pool the base evaluations, one per seed: a seed's cells share their base model and its sampling seed."""
    chosen = {cell.seed: cell for cell in reversed(cells)}
    sampled = [item for seed in sorted(chosen) for item in chosen[seed].items_base]
    greedy = [item for seed in sorted(chosen) for item in chosen[seed].items_base_greedy]
    # No training seed separates base evaluations, so their only sampling unit is the question.
    accuracy, given = (over_questions(by_question(sampled, among)) for among in (anyone, formatted))
    return SummaryRow(
        reward=BASE,
        objective="",
        model=model,
        data=data,
        name=f"({BASE})",
        seeds=0,
        n=score(sampled).n,
        **bounds("accuracy", accuracy),
        **bounds("accuracy_given_format", given),
        **means((score(cell.items_base) for cell in chosen.values()), SHARES),
        greedy=score(greedy).accuracy,
        unit="questions",
        errors=_errors(sampled, greedy),
    )


def _end(done: Sequence[Cell], among: Test) -> Estimate:
    """Estimate a share of the final models: over seeds, or over questions when there is one seed."""
    if len(done) == 1:
        return over_questions(by_question(done[0].items, among))
    return over_seeds(_share(cell.items, among) for cell in done)


def _change(done: Sequence[Cell], among: Test) -> Estimate:
    """Estimate end minus base, each run against its own base evaluation, question by question with one seed."""
    if len(done) == 1:
        end, base = by_question(done[0].items, among), by_question(done[0].items_base, among)
        return over_questions({question: end[question] - base[question] for question in end if question in base})
    ends = [(_share(cell.items, among), _share(cell.items_base, among)) for cell in done]
    return over_seeds(end - base for end, base in ends if end is not None and base is not None)


def _share(items: Sequence[Item], among: Test) -> float | None:
    measured = score(items)
    return measured.accuracy if among is anyone else measured.accuracy_given_format


def _base_shares(scores: Sequence[Score]) -> dict[str, Any]:
    found = means(scores, ("accuracy", "format", "accuracy_given_format"))
    return {f"base_{name}": value for name, value in found.items()}
