"""What the data do and do not show, in sentences that carry their numbers and name their file."""

import itertools
from collections import Counter
from collections.abc import Iterable, Sequence

from ablations.alarm_log import rung
from ablations.comparisons import Comparison, compare, compare_area, compare_steps
from ablations.digits import bracketed, p_value, percent, points, whole
from ablations.estimates import FEWEST_FOR_STARS, Estimate
from ablations.records import Study
from ablations.summary import SummaryRow
from ablations.variance import shares, splits

TABLE = "(`table.csv`)"
CELLS = "(`cells/*/items.jsonl`)"
CURVES = "(`cells/*/curve.jsonl`)"
VARIANCE = "(`variance.csv`)"
METRICS = "(`cells/*/metrics.jsonl`)"


def claims(study: Study, rows: Sequence[SummaryRow]) -> tuple[str, ...]:
    """Return the claims: size of the study, each row against the base, and against its reference."""
    trained = [row for row in rows if not row.is_base]
    if not any(row.seeds for row in trained):
        return (f"No cell has finished, so nothing is shown about any reward {TABLE}.",)
    return (
        *_size(trained),
        *(sentence for row in trained if row.seeds for sentence in _rise(row)),
        *(_end_point(item) for item in compare(study)),
        *(_when(steps) for steps in compare_steps(study).values()),
        *(_area(item) for item in compare_area(study) if item.seeds),
        *_speed(trained),
        *_variance(study),
        *_alarms(study),
    )


def _size(rows: Sequence[SummaryRow]) -> list[str]:
    """Warn about a small or incomplete study before any other number is read."""
    fewest = min(row.seeds for row in rows)
    lines = []
    if fewest < FEWEST_FOR_STARS:
        lines.append(
            f"This is a small study: {fewest} finished seed{'' if fewest == 1 else 's'} in the smallest row, "
            f"fewer than {FEWEST_FOR_STARS}; read intervals, not stars {TABLE}."
        )
    failed = sum(row.failed for row in rows)
    if failed:
        planned = failed + sum(row.seeds for row in rows)
        lines.append(f"It is incomplete: {failed} of {planned} planned cells have no result {TABLE}.")
    return lines


def _rise(row: SummaryRow) -> list[str]:
    """Say how accuracy, and accuracy among formatted completions, moved from the base to the end of training."""
    seeds = f"{row.seeds} seed{'' if row.seeds == 1 else 's'}, n = {row.n} questions"
    name = row.name
    lines = []
    if row.delta is not None:
        ends = f"from {percent(row.base_accuracy)}% to {percent(row.accuracy)}%"
        lines.append(f"{name}: accuracy {_moved(row.estimate('delta'))} {ends} ({seeds}) {TABLE}.")
    if row.given_format_delta is not None:
        ends = f"from {percent(row.base_accuracy_given_format)}% to {percent(row.accuracy_given_format)}%"
        shares = f"while the format share went from {percent(row.base_format)}% to {percent(row.format)}%"
        change = _moved(row.estimate("given_format_delta"))
        if row.given_format_seeds < row.seeds:
            seeds = f"{row.given_format_seeds} of {seeds}; the others end without a formatted completion"
        lines.append(f"{name}: accuracy given format {change} {ends}, {shares} ({seeds}) {TABLE}.")
    return lines


def _moved(change: Estimate) -> str:
    """Say `rose by ...` or `fell by ...` only when the interval excludes zero."""
    if change.low is None:
        return f"changed by {bracketed(change)} (no interval)"
    unit = f"95% interval over {'training seeds' if change.unit == 'seeds' else 'test questions of one seed'}"
    if change.excludes_zero:
        return f"{'rose' if change.low > 0 else 'fell'} by {bracketed(change)} ({unit})"
    return f"is not shown to have moved: {bracketed(change)} ({unit})"


def _end_point(item: Comparison) -> str:
    """Compare final accuracies; a null result says which difference would have been found."""
    if item.seeds < 2 or item.difference.low is None:
        seeds = f"{item.seeds} common finished seed{'' if item.seeds == 1 else 's'}"
        return f"{item.names}: final accuracy cannot be compared, {seeds} where a test needs 2 {CELLS}."
    if item.p_holm is None or not item.detectable:
        return (
            f"{item.names}: final accuracy differs by {points(item.difference.value)} points in each of "
            f"{item.seeds} seeds alike, so there is no spread to test by {CELLS}."
        )
    p = f"p = {p_value(item.p_holm, 0)}".replace("= <", "< ")
    numbers = f"{bracketed(item.difference)}, {p} (paired t over {item.seeds} seeds, Holm)"
    if item.p_holm < 0.05:
        return f"{item.names}: final accuracy differs by {numbers} {CELLS}."
    return (
        f"{item.names}: no difference in final accuracy is shown, {numbers}; with this spread over seeds a true "
        f"difference below {percent(item.detectable)} points would be missed more often than one time in five {CELLS}."
    )


def _when(steps: Sequence[tuple[int, Comparison]]) -> str:
    """Say at which training steps the dev accuracies differ, and where the difference is largest."""
    pair = steps[0][1].names
    test = f"(paired t at each of {len(steps)} steps, p < 0.05 after Holm over them)"
    at, widest = max(steps, key=lambda entry: abs(entry[1].difference.value or 0.0))
    most = f"the mean difference is largest at step {at}, {bracketed(widest.difference)}"
    apart = [str(step) for step, item in steps if item.p_holm is not None and item.p_holm < 0.05]
    where = f"at step{'' if len(apart) == 1 else 's'} {', '.join(apart)}" if apart else "at no single step"
    return f"{pair}: dev accuracy is shown to differ {where} {test}; {most} {CURVES}."


def _area(item: Comparison) -> str:
    """Compare the mean height of the dev curves; the interval is not corrected, and the sentence says so."""
    numbers = f"{bracketed(item.difference)} ({item.seeds} seed{'' if item.seeds == 1 else 's'}, uncorrected)"
    if item.difference.excludes_zero:
        return f"{item.names}: the mean height of the dev accuracy curve differs by {numbers} {CURVES}."
    return f"{item.names}: no difference in the mean height of the dev accuracy curve is shown, {numbers} {CURVES}."


def _speed(rows: Iterable[SummaryRow]) -> list[str]:
    """List when each row crossed the threshold: a description, for a crossing of one mean curve has no interval."""
    timed = [row for row in rows if row.seeds]
    if all(row.steps_to_threshold is None for row in timed):
        return []
    parts = (f"{row.name} {_crossed(row)}" for row in timed)
    return [f"Steps to threshold on the mean dev curve, a description without a test: {'; '.join(parts)} {CURVES}."]


def _variance(study: Study) -> list[str]:
    """Say which sampling unit the uncertainty comes from: what more seeds would buy, and what more questions."""
    found = shares(splits(study))
    if found is None:
        return []
    words = {
        "seeds": "training seeds",
        "questions": "test questions",
        "both": "what a seed makes of single questions",
        "samples": "samples",
    }
    parts = ", ".join(f"{words[name]} {share:.0%}" for name, share in found.items())
    return [f"Where the uncertainty of a row's accuracy comes from, over all rows: {parts} {VARIANCE}."]


def _alarms(study: Study) -> list[str]:
    """Say which alarms rang, row by row: a number that was reached in a way that nobody meant."""
    lines = []
    for arm, found in itertools.groupby(rung(study), key=lambda each: each.arm):
        counts = Counter(each.name for each in found)
        done = sum(cell.done for cell in study.group(arm))
        rang = "; ".join(
            f"{name} in {count} of {done} seed{'' if done == 1 else 's'}" for name, count in counts.items()
        )
        lines.append(f"{study.name(arm)}: alarms during training: {rang} {METRICS}.")
    return lines


def _crossed(row: SummaryRow) -> str:
    return "never" if row.steps_to_threshold is None else f"at step {whole(row.steps_to_threshold)}"
