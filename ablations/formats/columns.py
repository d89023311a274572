"""The columns of a study's table, its marks, and the frame that they make with the caption and the footnotes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ablations.caption import DAGGER, caption, dagger, footnotes
from ablations.digits import MISSING, minutes, p_value, percent, whole, with_interval
from ablations.formats.frame import Arrow, Column, Frame, Mark, Value
from ablations.records import Study
from ablations.summary import SummaryRow, is_reference

Printer = Callable[[SummaryRow], str]
MARKS = "Bold: the best accuracy and those that tie with it by their intervals; underlined: the second, likewise."


@dataclass(frozen=True)
class Measured:
    """A column of numbers: `name` is its field, `printed` its text; `base` says whether the base model has it."""

    column: Column
    name: str
    printed: Printer
    base: bool = True
    optional: bool = True

    def value(self, row: SummaryRow, mark: Mark = "") -> Value:
        """Return the cell of a row; empty where the number cannot exist."""
        if row.is_base and not self.base:
            return Value("")
        return Value(self.printed(row), getattr(row, self.name), mark)


def frame(study: Study, rows: Sequence[SummaryRow]) -> Frame:
    """Return the table of a study: what varies between its rows, then every measure that any of them has."""
    columns = [each for each in measures(rows) if not _empty(each, rows)]
    marked = marks(rows)
    keys = {name: Column(TITLES[name], key=True) for name in study.varying}
    notes = footnotes(study, rows)
    cells = tuple(
        (
            *(Value(_key(row, name, name == study.varying[0])) for name in keys),
            *(each.value(row, mark if each.name == "accuracy" else "") for each in columns),
        )
        for row, mark in zip(rows, marked, strict=True)
    )
    if any(value.text == MISSING for row in cells for value in row):
        notes.append(f"{MISSING} no finished cell of the row has this number.")
    under = " ".join([caption(study, rows), *([MARKS] if any(marked) else [])])
    heads = (*keys.values(), *(each.column for each in columns))
    return Frame(study.plan.name, heads, cells, under, tuple(notes), "table.csv")


TITLES = {"reward": "Reward", "objective": "Objective", "variant": "Variant", "model": "Model", "data": "Data"}


def _key(row: SummaryRow, name: str, first: bool) -> str:
    """Return what names a row in one column; the base model has neither reward nor objective."""
    if not row.is_base or name in ("model", "data"):
        text: str = getattr(row, name)
        return f"{row.name}: {text}" if row.is_base and first else text
    return row.name if first else ""


def _empty(each: Measured, rows: Sequence[SummaryRow]) -> bool:
    """Whether a column would have no number in it; the accuracy stands in any table."""
    return each.optional and all(getattr(row, each.name) is None or (row.is_base and not each.base) for row in rows)


def marks(rows: Sequence[SummaryRow]) -> list[Mark]:
    """Return the mark of every row: the best accuracies, then the best of the others, each with whom it ties.

    Two tie where the interval of one holds the accuracy of the other, and whoever is above a row that ties with the
    best ties as well: no row has a mark that a higher one lacks. Where all would share it, it says nothing and is left.
    """
    trained = [place for place, row in enumerate(rows) if not row.is_base and row.accuracy is not None]
    best = _leaders(rows, trained)
    second = _leaders(rows, [place for place in trained if place not in best]) if best else []
    return ["best" if place in best else "second" if place in second else "" for place in range(len(rows))]


def _leaders(rows: Sequence[SummaryRow], among: Sequence[int]) -> list[int]:
    accuracies = {place: rows[place].accuracy or 0.0 for place in among}
    top = max(accuracies, key=accuracies.__getitem__, default=None)
    if top is None:
        return []
    best = accuracies[top]
    low, reach = rows[top].accuracy_low, {place: rows[place].accuracy_high for place in among}
    ties = (own for place, own in accuracies.items() if own >= (low or best) or (reach[place] or own) >= best)
    least = min(best, *ties)
    tied = [place for place, own in accuracies.items() if own >= least]
    return tied if len(tied) < len(among) else []


def measures(rows: Sequence[SummaryRow]) -> list[Measured]:
    """Return every measured column, in the order of the table."""
    return [
        Measured(Column("Seeds"), "seeds", _seeds, base=False, optional=False),
        _estimate("Accuracy", "accuracy", "%", optional=False),
        _estimate("Δ base", "delta", base=False, signed=True, drop=4),
        Measured(Column("p"), "p_vs_baseline", _p, base=False),
        _share("Format", "format", drop=2),
        _estimate("Accuracy given format", "accuracy_given_format", "%", drop=1),
        _estimate("Δ given format", "given_format_delta", base=False, signed=True, drop=11),
        _share("Greedy", "greedy", "↑", drop=5),
        _share("Strict", "strict", "↑", drop=12),
        _share("Flexible", "flexible", "↑", drop=13),
        _share("Right by wrong steps", "right_by_wrong_steps", "↓", drop=8),
        _share("Area", "area", "↑", base=False, drop=10),
        Measured(Column("Steps to threshold", arrow="↓", drop=3), "steps_to_threshold", _reached(rows), base=False),
        _share("Dead groups", "dead_groups", base=False, drop=9),
        Measured(Column("Tokens", drop=7), "tokens", lambda row: whole(row.tokens, row.errors.get("tokens"))),
        Measured(Column("Sampled tokens", drop=14), "generated_tokens", _generated, base=False),
        Measured(Column("Minutes", arrow="↓", drop=6), "minutes", _minutes, base=False),
    ]


def _estimate(
    title: str, name: str, unit: str = "", base: bool = True, signed: bool = False, optional: bool = True, drop: int = 0
) -> Measured:
    """A number with its interval; more of it is better."""
    column = Column(title, unit, "↑", drop=drop)
    return Measured(column, name, lambda row: with_interval(row.estimate(name), signed), base, optional)


def _share(title: str, name: str, arrow: Arrow = "", base: bool = True, drop: int = 0) -> Measured:
    """A share without its interval, with the digits that it supports."""
    column = Column(title, "%", arrow, drop=drop)
    return Measured(column, name, lambda row: percent(getattr(row, name), row.errors.get(name)), base)


def _seeds(row: SummaryRow) -> str:
    return f"{row.seeds}{DAGGER if dagger(row) else ''}"


def _p(row: SummaryRow) -> str:
    return "ref." if is_reference(row) else p_value(row.p_vs_baseline, row.compared_seeds)


def _generated(row: SummaryRow) -> str:
    return whole(row.generated_tokens, row.errors.get("generated_tokens"))


def _minutes(row: SummaryRow) -> str:
    return minutes(row.minutes, row.errors.get("minutes"))


def _reached(rows: Sequence[SummaryRow]) -> Printer:
    """Print the step, or `never` where another row got there: the best row always does when a threshold exists."""
    reachable = any(row.steps_to_threshold is not None for row in rows)

    def printed(row: SummaryRow) -> str:
        return "never" if row.steps_to_threshold is None and row.seeds and reachable else whole(row.steps_to_threshold)

    return printed
