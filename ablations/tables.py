"""The table of a study, three times: `table.csv` for programs, `table.md` for papers, a rich table for the terminal."""

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ablations.caption import DAGGER
from ablations.digits import MISSING, minutes, p_value, percent, points, whole, with_interval
from ablations.summary import BASE, COLUMNS, SummaryRow

if TYPE_CHECKING:
    from rich.table import Table

WIDTH = 100
NAME_WIDTH = 24
# A longer spec is folded before a column is given up.
FOLDED_NAME = 20
# What a narrow terminal does without, in this order; the csv has every column.
DISPENSABLE = ("tokens", "min", "greedy\n%", "Δ base\npoints")


@dataclass(frozen=True)
class Column:
    """One printed column. `base` says whether the model before training has such a number at all."""

    title: str
    cell: Callable[[SummaryRow], str]
    base: bool = True

    def text(self, row: SummaryRow) -> str:
        """Print one cell; empty where the number cannot exist."""
        return "" if row.is_base and not self.base else self.cell(row)


def to_csv(rows: Sequence[SummaryRow]) -> str:
    """Return `table.csv`."""
    return csv_text(COLUMNS, rows)


def csv_text(columns: Sequence[str], rows: Sequence[object]) -> str:
    """Return the named attributes of rows: floats with six significant digits, empty where there is no number."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_plain(getattr(row, name)) for name in columns] for row in rows)
    return out.getvalue()


def _plain(value: str | float | None) -> str:
    return "" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)


def to_markdown(rows: Sequence[SummaryRow], caption: str, footnotes: Sequence[str]) -> str:
    """Return `table.md`: the table, its caption and footnotes. The best accuracies are bold."""
    best = best_rows(rows)
    columns = _columns(rows)
    table = [[_emphasised(column, row, row in best) for column in columns] for row in rows]
    lines = [
        _line([column.title for column in columns]),
        _line(["---"] + ["---:"] * (len(columns) - 1)),
        *(_line(cells) for cells in table),
        "",
        caption,
        *(["Bold: the best accuracy, and those whose interval reaches it."] if best else []),
        "More columns: `table.csv`.",
    ]
    return "\n".join([*lines, *(f"\n{note}" for note in footnotes)]) + "\n"


def _emphasised(column: Column, row: SummaryRow, best: bool) -> str:
    text = _markdown(column.text(row))
    return f"**{text}**" if best and column.title.startswith("Accuracy (%)") else text


def _markdown(text: str) -> str:
    """Keep a reward spec from being read as markup."""
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("*", "\\*").replace("_", "\\_").replace("<", "&lt;")


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def best_rows(rows: Sequence[SummaryRow]) -> list[SummaryRow]:
    """Return the trained rows that share the mark of the best: it, and those whose interval reaches its accuracy.

    Empty when every trained row would share it: a mark that marks everything says nothing.
    """
    trained = [row for row in rows if not row.is_base]
    ranked = [row for row in trained if row.accuracy is not None]
    if not ranked:
        return []
    top = max(row.accuracy or 0.0 for row in ranked)
    best = [row for row in ranked if max(row.accuracy or 0.0, row.accuracy_high or 0.0) >= top]
    return best if len(best) < len(ranked) else []


def _columns(rows: Sequence[SummaryRow]) -> list[Column]:
    """Return the columns of `table.md`; the objective has one only where there are several."""
    objectives = {row.objective for row in rows if not row.is_base}
    return [
        Column("Reward", _name),
        *([Column("Objective", lambda row: row.objective, base=False)] if len(objectives) > 1 else []),
        Column("Seeds", _seeds, base=False),
        Column("Accuracy (%) ↑", lambda row: with_interval(row.estimate("accuracy"))),
        Column("Δ base ↑", lambda row: with_interval(row.estimate("delta"), True), base=False),
        *_tested(rows),
        Column("Format (%)", lambda row: percent(row.format)),
        Column("Accuracy given format (%) ↑", lambda row: with_interval(row.estimate("accuracy_given_format"))),
        Column("Δ given format ↑", lambda row: with_interval(row.estimate("given_format_delta"), True), base=False),
        Column("Greedy (%) ↑", lambda row: percent(row.greedy)),
        *_wrong_steps(rows),
        Column("Area (%) ↑", lambda row: percent(row.area), base=False),
        Column("Steps to threshold ↓", lambda row: _steps(row, rows), base=False),
        Column("Dead groups (%)", lambda row: percent(row.dead_groups), base=False),
        Column("Tokens", lambda row: whole(row.tokens)),
        Column("Minutes ↓", lambda row: minutes(row.minutes), base=False),
    ]


def _terminal_columns(rows: Sequence[SummaryRow]) -> list[Column]:
    """Return what people look at first, narrow enough for a terminal of 100 columns."""
    return [
        Column("reward", lambda row: _label(row, rows)),
        Column("seeds", _seeds, base=False),
        Column("accuracy\n%", lambda row: with_interval(row.estimate("accuracy"))),
        Column("Δ base\npoints", lambda row: points(row.delta), base=False),
        Column("format\n%", lambda row: percent(row.format)),
        Column("accuracy\n| format %", lambda row: with_interval(row.estimate("accuracy_given_format"))),
        Column("greedy\n%", lambda row: percent(row.greedy)),
        Column("steps\nto thr.", lambda row: _steps(row, rows), base=False),
        Column("tokens", lambda row: whole(row.tokens)),
        Column("min", lambda row: minutes(row.minutes), base=False),
        *_tested(rows),
    ]


def _fitting(columns: list[Column], rows: Sequence[SummaryRow], width: int) -> list[Column]:
    """Drop dispensable columns until the table is no wider than `width`."""
    for title in DISPENSABLE:
        if sum(_width(column, rows) + 1 for column in columns) + 1 <= width:
            break
        columns = [column for column in columns if column.title != title]
    return columns


def _width(column: Column, rows: Sequence[SummaryRow]) -> int:
    texts = [column.title, *(column.text(row) for row in rows)]
    widest = max(len(line) for text in texts for line in text.split("\n"))
    return min(widest, FOLDED_NAME) if column.title == "reward" else widest


def to_terminal(rows: Sequence[SummaryRow], caption: str, footnotes: Sequence[str], width: int = WIDTH) -> "Table":
    """Return a rich table of at most `width` columns, the best accuracies bold."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    best = best_rows(rows)
    under = "\n".join([caption, *footnotes])
    table = Table(box=box.SIMPLE_HEAD, padding=0, pad_edge=False, caption_justify="left")
    table.caption = Text(under)
    columns = _fitting(_terminal_columns(rows), rows, width)
    for column in columns:
        first = column.title == "reward"
        table.add_column(
            column.title,
            justify="left" if first else "right",
            overflow="fold",
            no_wrap=not first,
            max_width=NAME_WIDTH if first else None,
        )
    for row in rows:
        table.add_row(*(Text(column.text(row), style="bold" if row in best else "") for column in columns))
    return table


def terminal_text(rows: Sequence[SummaryRow], caption: str, footnotes: Sequence[str], width: int = WIDTH) -> str:
    """Return the terminal table as plain text, without colours: for logs, pipes and tests."""
    from rich.console import Console

    out = io.StringIO()
    console = Console(file=out, width=width, color_system=None, force_terminal=False, legacy_windows=False)
    console.print(to_terminal(rows, caption, footnotes, width))
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


def _name(row: SummaryRow) -> str:
    return f"({BASE})" if row.is_base else row.reward


def _label(row: SummaryRow, rows: Sequence[SummaryRow]) -> str:
    """Name a row by what differs from others, over several lines where a reader would break them."""
    trained = [other for other in rows if not other.is_base]
    if row.is_base or len({other.objective for other in trained}) == 1:
        return _broken(_name(row))
    objective = row.objective.replace("+", "\n+")
    return objective if len({other.reward for other in trained}) == 1 else f"{_broken(row.reward)}\n/ {objective}"


def _broken(spec: str) -> str:
    """Break a sum of rewards at its plus signs."""
    return spec.replace(")+", ")\n+")


def _seeds(row: SummaryRow) -> str:
    return f"{row.seeds}{DAGGER if row.failed else ''}"


def _tested(rows: Sequence[SummaryRow]) -> list[Column]:
    """Return the column of p, or none where nothing could be tested."""
    tested = any(row.p_vs_baseline is not None for row in rows)
    return [Column("p", _p, base=False)] if tested else []


def _wrong_steps(rows: Sequence[SummaryRow]) -> list[Column]:
    """Return the column of right answers by wrong steps, or none where nobody counted steps."""
    counted = any(row.right_by_wrong_steps is not None for row in rows)
    return [Column("Right by wrong steps (%) ↓", lambda row: percent(row.right_by_wrong_steps))] if counted else []


def _p(row: SummaryRow) -> str:
    return "ref." if row.reference and row.seeds else p_value(row.p_vs_baseline, row.compared_seeds)


def _steps(row: SummaryRow, rows: Sequence[SummaryRow]) -> str:
    """Print the step, or `never` where another row got there: the best row always does when a threshold exists."""
    reachable = any(other.steps_to_threshold is not None for other in rows)
    if row.steps_to_threshold is None and row.seeds and reachable:
        return "never"
    return MISSING if row.steps_to_threshold is None else whole(row.steps_to_threshold)
