"""The table on a terminal, as wide as that is: what is looked at least is left out first."""

import io
from typing import TYPE_CHECKING

from ablations.formats.frame import Column, Frame, Value

if TYPE_CHECKING:
    from rich.table import Table

WIDTH = 100
NAME_WIDTH = 28
STYLES = {"best": "bold", "second": "underline", "": ""}


def terminal_text(frame: Frame, width: int = WIDTH) -> str:
    """Return the table as plain text of at most `width` columns, without colours: for logs, pipes and tests."""
    from rich.console import Console

    out = io.StringIO()
    console = Console(file=out, width=width, color_system=None, force_terminal=False, legacy_windows=False)
    console.print(to_terminal(frame, width))
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


def to_terminal(frame: Frame, width: int = WIDTH) -> "Table":
    """Return a rich table of at most `width` columns: the best accuracies bold, the second ones underlined."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    shown = _fitting(_named(frame), width)
    table = Table(box=box.SIMPLE_HEAD, padding=0, pad_edge=False, caption_justify="left")
    table.caption = Text("\n".join([frame.caption, *frame.footnotes]))
    for place, column in enumerate(shown.columns):
        table.add_column(
            "\n".join(shown.heading(place)),
            justify="left" if column.key else "right",
            overflow="fold",
            no_wrap=not column.key,
            max_width=NAME_WIDTH if column.key else None,
        )
    for row in shown.rows:
        table.add_row(*(Text(value.text, style=STYLES[value.mark]) for value in row))
    return table


def _named(frame: Frame) -> Frame:
    """Join the columns that name a row to one, folded where a reader would break it."""
    keys = frame.keys
    title = " / ".join(column.title for column in frame.columns[:keys])
    rows = tuple(
        (Value(_folded([value.text for value in row[:keys] if value.text])), *row[keys:]) for row in frame.rows
    )
    columns = (Column(title, key=True), *frame.columns[keys:])
    return Frame(frame.name, columns, rows, frame.caption, frame.footnotes)


def _folded(names: list[str]) -> str:
    """Break a long name between its parts, and a part at its plus signs."""
    text = "\n/ ".join(names)
    if max(map(len, text.split("\n"))) <= NAME_WIDTH:
        return text
    return "\n".join(line.replace("+", "\n+") if len(line) > NAME_WIDTH else line for line in text.split("\n"))


def _fitting(frame: Frame, width: int) -> Frame:
    """Give up columns, the least looked at first, until the table fits."""
    places = list(range(len(frame.columns)))
    while sum(_width(frame, place) + 1 for place in places) > width:
        worst = max(places, key=lambda place: frame.columns[place].drop)
        if frame.columns[worst].drop == 0:
            break
        places.remove(worst)
    return frame.only(places)


def _width(frame: Frame, place: int) -> int:
    if not frame.columns[place].key:
        return frame.width(place)
    lines = [line for text in (frame.columns[place].heading, *frame.values(place)) for line in text.split("\n")]
    return min(max(map(len, lines)), NAME_WIDTH)
