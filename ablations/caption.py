"""The caption and the footnotes of a table: what was measured, on what, how often, and what is missing from it."""

from collections.abc import Iterable, Sequence

from ablations.curves import row_curves, threshold
from ablations.digits import percent
from ablations.estimates import FEWEST_FOR_STARS
from ablations.measures import score
from ablations.records import Cell, Plan, Study
from ablations.summary import SummaryRow

DAGGER = "†"


def caption(study: Study, rows: Sequence[SummaryRow]) -> str:
    """Return the caption: model, data, n, k, temperature, seeds, the interval, the test, every definition used."""
    return " ".join([_subject(study), *_intervals(rows), *_test(study, rows), *_threshold(study, rows)])


def footnotes(study: Study, rows: Sequence[SummaryRow]) -> list[str]:
    """Return what a reader must know before trusting a row: missing cells, excluded items, truncation."""
    return [*_missing(study), *_uneven(study), *_excluded(study), *_unformatted(rows), *_truncated(rows)]


def _unformatted(rows: Sequence[SummaryRow]) -> list[str]:
    """Say where accuracy given format rests on fewer seeds than the row, for seeds that never use it have none."""
    fewer = [row for row in rows if not row.is_base and row.given_format_seeds < row.seeds]
    parts = [f"{row.name} {row.given_format_seeds} of {row.seeds}" for row in fewer]
    if not parts:
        return []
    return [
        f"Seeds that write a formatted completion at the end, on which accuracy given format rests: {', '.join(parts)}."
    ]


def _subject(study: Study) -> str:
    plan = study.plan
    scores = [score(cell.items) for cell in study.cells if cell.done]
    size = f"n = {_span(item.n for item in scores)} test questions" if scores else "no finished cell"
    if scores:
        size += f", k = {_span(item.samples for item in scores)} per question at T = {_temperature(study)}"
    seeds = f"{len(plan.seeds)} training seed{'s' if len(plan.seeds) != 1 else ''} per row"
    code = f", code {plan.code}" if plan.code else ""
    seeds += _budget(study)
    return (
        f"{plan.name}: {subject(plan)}, {size}; {seeds}{code}. "
        "Accuracy is the verifier's, whatever the training reward was; greedy is one "
        "completion at T = 0; tokens are per completion, minutes per run."
    )


def subject(plan: Plan) -> str:
    """Return `tiny on tiny`, or all models and data sets of the study."""
    return f"{' and '.join(plan.models)} on {' and '.join(plan.datasets)}"


def _budget(study: Study) -> str:
    """Return `, each of 60 steps of 8 x 8 completions` where the configs of the finished cells say so and agree."""
    tables = [dict(cell.config.get("train", {})) for cell in study.cells if cell.done]
    keys = ("steps", "prompts_per_step", "group_size")
    budgets = {tuple(table.get(key) for key in keys) for table in tables}
    if len(budgets) != 1 or None in (budget := budgets.pop()):
        return ""
    steps, prompts, group = budget
    return f", each of {steps} steps of {prompts} x {group} completions"


def _temperature(study: Study) -> str:
    """Return the sampling temperature of the evaluation, which is that of training unless a config says otherwise."""
    config = next((cell.config for cell in study.cells if cell.done), {})
    named = (config.get(table, {}).get("temperature") for table in ("evaluation", "train"))
    return f"{float(next((value for value in named if value is not None), 1)):g}"


def _span(counts: Iterable[int]) -> str:
    found = sorted(set(counts))
    return str(found[0]) if len(found) == 1 else f"{found[0]} to {found[-1]}"


def _intervals(rows: Sequence[SummaryRow]) -> list[str]:
    """Name the sampling unit behind every plus-minus sign that occurs in the table."""
    trained = [row for row in rows if not row.is_base]
    lines = []
    if any(row.unit == "seeds" for row in trained):
        lines.append("± is half of a 95% t interval over training seeds, the test questions held fixed.")
    if any(row.unit == "questions" for row in trained):
        lines.append(
            "With one finished seed ± is half of a 95% interval over test questions, samples clustered by question; "
            "it says nothing about another training seed."
        )
    if any(row.is_base for row in rows):
        lines.append("(base) is the model before training, its ± over test questions, clustered.")
    if any(row.seeds for row in trained):
        lines.append("Δ is end minus base of the same runs, in points.")
    return lines


def _test(study: Study, rows: Sequence[SummaryRow]) -> list[str]:
    compared = [row for row in rows if row.p_vs_baseline is not None]
    if not compared:
        return []
    stars = (
        f"no stars below {FEWEST_FOR_STARS} seeds"
        if all(row.compared_seeds < FEWEST_FOR_STARS for row in compared)
        else f"* p < 0.05, ** p < 0.01, from {FEWEST_FOR_STARS} seeds on"
    )
    plan = study.plan
    against = f"{plan.axes[plan.compared][0]} (ref.)"
    if plan.compared == "reward":
        against += " under the same objective"
    tests = f"{len(compared)} test{'s' if len(compared) > 1 else ''}"
    return [
        f"p: paired t test on the accuracies of the common seeds against {against}, "
        f"Holm-corrected over {tests}; {stars}."
    ]


def _threshold(study: Study, rows: Sequence[SummaryRow]) -> list[str]:
    height = threshold(study)
    if height is None:
        return []
    best = max(values[-1] for _, values in row_curves(study).values() if values)
    lines = [
        "Steps to threshold: first training step at which the mean dev accuracy of the row reaches "
        f"{percent(height)}%, half-way from the base ({percent(2 * height - best)}%) to the best final dev accuracy "
        f"of the study ({percent(best)}%), interpolated linearly."
    ]
    if any(row.area is not None for row in rows):
        lines.append("Area is the mean height of the dev accuracy curve, in percent.")
    return lines


def _missing(study: Study) -> list[str]:
    return [f"{DAGGER} {study.label(cell)}: {_fate(cell)}" for cell in study.cells if not cell.done]


def _fate(cell: Cell) -> str:
    """Say in a few words why a cell is not in its row."""
    where = "" if cell.step is None else f" at step {cell.step}" + ("" if cell.steps is None else f" of {cell.steps}")
    if cell.state == "done":
        return "done, but it left no items.jsonl."
    if cell.state == "pending":
        return "not run yet."
    return f"{cell.state}{where}{': ' + cell.error.rstrip('.') if cell.error else ''}."


def _uneven(study: Study) -> list[str]:
    """Warn when cells were scored on different numbers of questions: their accuracies are then not of one test set."""
    counts = {score(cell.items).n for cell in study.cells if cell.done}
    return [f"Cells differ in scored questions ({_span(counts)}); n is the fewest of a row."] if len(counts) > 1 else []


def _excluded(study: Study) -> list[str]:
    scores = [score(cell.items) for cell in study.cells if cell.done]
    lines = []
    unscorable = sum(item.unscorable for item in scores)
    total = unscorable + sum(_completions(study))
    if unscorable:
        lines.append(
            f"Excluded, not counted as wrong: {unscorable} of {total} completions, their gold is not scorable."
        )
    troubled = sum(item.troubled for item in scores)
    if troubled:
        lines.append(f"Verifier timeout or error, counted as not correct: {troubled} of {total} completions.")
    return lines


def _completions(study: Study) -> Iterable[int]:
    return (sum(item.correct is not None for item in cell.items) for cell in study.cells if cell.done)


def _truncated(rows: Sequence[SummaryRow]) -> list[str]:
    cut = [f"{row.name} {percent(row.truncated)}%" for row in rows if row.truncated]
    return [f"Truncated at the length limit: {', '.join(cut)} of completions."] if cut else []
