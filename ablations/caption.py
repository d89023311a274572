"""The caption and the footnotes of a table: what was measured, on what, how often, and what is missing from it."""

from collections.abc import Iterable, Sequence

from ablations.curves import row_curves, threshold
from ablations.digits import percent
from ablations.estimates import FEWEST_FOR_STARS
from ablations.measures import score
from ablations.records import Arm, Cell, Plan, Study
from ablations.summary import SummaryRow

DAGGER = "†"
# The share of completions cut at the length limit from which a row is marked for it.
TRUNCATED = 0.05
# Cells that are missing for the same reason are named together, and no more reasons than these.
MOST_REASONS = 12


def dagger(row: SummaryRow) -> bool:
    """Whether a footnote says what is wrong with a row: cells are missing, or completions were cut."""
    return not row.is_base and (row.failed > 0 or (row.truncated or 0.0) > TRUNCATED)


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
        f"{plan.name}: {subject(plan)}{_hashes(study)}, {size}; {_constant(study)}{seeds}{code}. "
        "Accuracy is the verifier's, whatever the training reward was; greedy is one "
        "completion at T = 0; tokens are per completion, minutes per run."
    )


def subject(plan: Plan) -> str:
    """Return `tiny on tiny`, or all models and data sets of the study."""
    return f"{' and '.join(plan.models)} on {' and '.join(plan.datasets)}"


def _hashes(study: Study) -> str:
    """Return ` (model fb1165a31b0d, data 951854670dbf)`: which weights and which data the configs of the cells name."""
    parts = []
    for table in ("model", "data"):
        found = [cell.config.get(table, {}).get("fingerprint") for cell in study.cells]
        known = dict.fromkeys(str(each) for each in found if each)
        parts += [f"{table} {' and '.join(known)}"] if known else []
    return f" ({', '.join(parts)})" if parts else ""


def _constant(study: Study) -> str:
    """Name the reward and the objective that all rows share, which have no column."""
    shared = [name for name in ("reward", "objective") if name not in study.varying and study.arms]
    return "".join(f"{name} {getattr(study.arms[0], name)}; " for name in shared)


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
    """Name the cells that are not in the table: those of a row that share a reason in one line, many by number."""
    reasons: dict[tuple[Arm, str], list[int]] = {}
    for cell in study.cells:
        if not cell.done:
            reasons.setdefault((cell.arm, _fate(cell)), []).append(cell.seed)
    lines = [
        f"{DAGGER} {study.name(arm)} / seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}: {fate}"
        for (arm, fate), seeds in reasons.items()
    ]
    rest = sum(len(seeds) for seeds in list(reasons.values())[MOST_REASONS:])
    more = [f"{DAGGER} {rest} more cells are missing; `cells/*/status.json` says why."] if rest else []
    return [*lines[:MOST_REASONS], *more]


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
    """Say which rows were cut at the length limit more than a little, and how much the others were at most."""
    cut = [row for row in rows if (row.truncated or 0.0) > TRUNCATED]
    most = max((row.truncated or 0.0 for row in rows if row not in cut), default=0.0)
    others = f"at most {percent(most)}% of the completions of {'the others' if cut else 'any row'}" if most else ""
    named = ", ".join(f"{row.name} {percent(row.truncated)}%" for row in cut)
    if not cut:
        return [f"Truncated at the length limit: {others}."] if most else []
    return [f"{DAGGER} Truncated at the length limit: {named} of completions{', ' if most else ''}{others}."]
