"""The live table: running cells with their numbers, failed ones with their reason, of the rest what there is room for.

A terminal shows no more lines than it is high; finished cells give way first, then those that wait.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ablations.cells import CellRun
from ablations.live import words
from ablations.live.names import names, stages
from ablations.live.progress import Progress, Reading, number, whole_seconds

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table

GAP = 2
NAME_WIDTH = 12, 36
COMPONENT_WIDTH = 10
# The summary, the headings, the line of what is hidden, and the one on which the cursor stands.
OWN_LINES = 4
STYLES = {"running": "bold", "done": "green", "pending": "dim", "interrupted": "yellow"}
# Whoever comes first here is shown first where not all can be.
PRIORITY = ("running", "interrupted", "pending", "done")


def drawn(cells: Sequence[CellRun], progress: Progress, elapsed: float, width: int, height: int) -> "Group":
    """All of the view, at most `height` lines: summary, table, failed cells, and how many are not shown."""
    from rich.console import Group
    from rich.text import Text

    begun = stages(cells)
    named = list(zip([*begun, *cells], [*names(begun), *names(cells)], strict=True))
    failed = [f"{name}, seed {cell.config.seed} {words.reason(cell)}" for cell, name in named if cell.state == "failed"]
    room = max(0, height - OWN_LINES)
    told = failed[: max(1, (room - sum(cell.state == "running" for cell, _ in named)) // 2)]
    shown = _chosen([pair for pair in named if pair[0].state != "failed"], max(0, room - len(told)))
    hidden = Counter(cell.state for cell, _ in named) - Counter(cell.state for cell, _ in shown)
    hidden["failed"] -= len(told)
    rest = ", ".join(f"{hidden[state]} {words.WORDS.get(state, state)}" for state in words.ORDER if hidden[state] > 0)
    return Group(
        Text(words.summary(cells, progress, elapsed), no_wrap=True, overflow="ellipsis"),
        _table(shown, progress, whole_seconds(cells), width),
        *(Text(line, style="red", no_wrap=True, overflow="ellipsis") for line in told),
        *([Text(f"not shown: {rest}", style="dim")] if rest else []),
    )


def _chosen(named: Sequence[tuple[CellRun, str]], room: int) -> list[tuple[CellRun, str]]:
    """As many as there is room for, in the order of the plan: those that run, that wait next, that finished last."""

    def rank(index: int) -> tuple[int, int]:
        state = named[index][0].state
        return PRIORITY.index(state), -index if state == "done" else index

    return [named[index] for index in sorted(sorted(range(len(named)), key=rank)[:room])]


def _table(shown: Sequence[tuple[CellRun, str]], progress: Progress, whole: float | None, width: int) -> "Table":
    from rich.table import Table
    from rich.text import Text

    readings = [progress.of(cell) if cell.state in ("running", "done") else Reading() for cell, _ in shown]
    rows = [_row(cell, reading, progress, whole) for (cell, _), reading in zip(shown, readings, strict=True)]
    headings = ["seed", "state", "step", "reward", "dev accuracy", "tokens/s", "left"]
    room = width - sum(max(map(len, column)) + GAP for column in zip(headings, *rows, strict=True))
    longest = max(NAME_WIDTH[0], min(NAME_WIDTH[1], room - GAP))
    called = [_cut(name, longest) for _, name in shown]
    components = _components(readings, room - max(map(len, ["cell", *called])) - GAP)
    table = Table(box=None, padding=(0, GAP, 0, 0), pad_edge=False)
    for heading in ["cell", *headings[:4], *(_short(name) for name in components), *headings[4:]]:
        table.add_column(heading, justify="left" if heading in ("cell", "state") else "right", no_wrap=True)
    for (cell, _), name, reading, row in zip(shown, called, readings, rows, strict=True):
        scores = [_score(reading.components, component) for component in components]
        # Text, because a name may hold what rich takes for markup.
        table.add_row(*map(Text, [name, *row[:4], *scores, *row[4:]]), style=STYLES.get(cell.state))
    return table


def _row(cell: CellRun, reading: Reading, progress: Progress, whole: float | None) -> tuple[str, ...]:
    running = cell.state == "running"
    speed = reading.tokens_per_second if running else None
    return (
        str(cell.config.seed),
        words.phase(cell),
        words.steps(cell),
        _score(reading.metrics, "reward"),
        words.accuracy(reading),
        "" if speed is None else f"{speed:,.0f}",
        words.duration(progress.seconds_left(cell, whole)) if running else "",
    )


def _cut(name: str, width: int) -> str:
    """The end of a long name is kept: its start is what it has in common with others."""
    return name if len(name) <= width else f"...{name[3 - width :]}"


def _components(readings: Sequence[Reading], room: int) -> list[str]:
    """The components that fit; those of a reward of one component say no more than the reward."""
    found = dict.fromkeys(name for reading in readings if len(reading.components) > 1 for name in reading.components)
    kept = []
    for name in found:
        room -= max(len(_short(name)), len("-0.00")) + GAP
        if room < 0:
            break
        kept.append(name)
    return kept


def _short(component: str) -> str:
    """`length_linear(max_tokens=40)` is `length_lin`: enough to tell it in a column."""
    return component.partition("(")[0][:COMPONENT_WIDTH]


def _score(row: Mapping[str, object], name: str) -> str:
    """Two digits; a dash for what was measured and is not known, nothing where it was not measured."""
    if name not in row:
        return ""
    value = number(row[name])
    return words.UNKNOWN if value is None else f"{value:.2f}"
