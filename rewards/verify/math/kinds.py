"""The kinds of values that an answer can be."""

from __future__ import annotations

from dataclasses import dataclass

from rewards.verify.math.tree import Node

__all__ = ["Cases", "Group", "Many", "Matrix", "Relation", "Scalar", "Union", "Value", "Words"]


@dataclass(frozen=True)
class Scalar:
    """An expression; `unit` is canonical ("cm2", "%", "mod 7", "" for none)."""

    node: Node
    unit: str = ""


@dataclass(frozen=True)
class Group:
    """Items in order between brackets: a point, a vector, or an interval."""

    items: tuple[Value, ...]
    open: str
    close: str


@dataclass(frozen=True)
class Many:
    """Items in no order: a set, or a list joined by "," "and" "or"."""

    items: tuple[Value, ...]
    joint: str  # "set", ",", "and", "or"


@dataclass(frozen=True)
class Union:
    """Parts of a union; `without` are taken away from them."""

    parts: tuple[Value, ...]
    without: Value | None = None


@dataclass(frozen=True)
class Matrix:
    """Rows of entries; the bars of a determinant (`v`) are significant, round and square brackets are not."""

    rows: tuple[tuple[Value, ...], ...]
    fence: str = "p"


@dataclass(frozen=True)
class Cases:
    """A function by its branches: value and condition; a row without a condition is one of a system of equations."""

    branches: tuple[tuple[Value, Value | None], ...]


@dataclass(frozen=True)
class Relation:
    """A chain of sides; `labels` are the names of what a side merely names (`f(x)`, `AB`), else ""."""

    operators: tuple[str, ...]
    sides: tuple[Value, ...]
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Words:
    """Plain text, or the name of a set of numbers (`setR`)."""

    text: str


Value = Scalar | Group | Many | Union | Matrix | Cases | Relation | Words
