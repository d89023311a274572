"""What every format of a table prints: columns with units and directions, cells with their marks, and the notes."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

Mark = Literal["", "best", "second"]
Arrow = Literal["", "↑", "↓"]


@dataclass(frozen=True)
class Column:
    """One column. A `key` names its rows, stands left and is never given up; the others stand right.

    `arrow` says which way is better, `drop` in which order a narrow page gives columns up: the highest first, 0 never.
    """

    title: str
    unit: str = ""
    arrow: Arrow = ""
    key: bool = False
    drop: int = 0

    @property
    def heading(self) -> str:
        """`Accuracy (%) ↑`."""
        return " ".join(filter(None, (self.title, f"({self.unit})" if self.unit else "", self.arrow)))


@dataclass(frozen=True)
class Value:
    """One printed cell; `number` is what it sorts by, None where there is none."""

    text: str
    number: float | None = None
    mark: Mark = ""


Row = tuple[Value, ...]


@dataclass(frozen=True)
class Frame:
    """A table: `rows` hold one value for every column; `caption` and `footnotes` are plain text.

    `more` is a file with more columns than are printed.
    """

    name: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    caption: str
    footnotes: tuple[str, ...] = ()
    more: str = ""

    @property
    def keys(self) -> int:
        """How many columns, the first ones, name the row."""
        return sum(column.key for column in self.columns)

    def values(self, place: int) -> tuple[str, ...]:
        """Return the texts of one column."""
        return tuple(row[place].text for row in self.rows)

    def heading(self, place: int) -> list[str]:
        """Return the heading of a column in lines no wider than its widest value or word, to which the arrow sticks."""
        column = self.columns[place]
        # textwrap has no glue: a letter that no heading has holds the arrow to the word before it.
        text = column.heading.replace(f" {column.arrow}", f"\0{column.arrow}") if column.arrow else column.heading
        width = max(len(each) for each in (*text.split(), *self.values(place)))
        lines = textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)
        return [line.replace("\0", " ") for line in lines]

    def width(self, place: int) -> int:
        """Return the characters a column takes with its heading in lines."""
        return max(len(text) for text in (*self.heading(place), *self.values(place)))

    def only(self, places: Sequence[int]) -> "Frame":
        """Return the same table with these columns alone."""
        rows = tuple(tuple(row[place] for place in places) for row in self.rows)
        return replace(self, columns=tuple(self.columns[place] for place in places), rows=rows)
