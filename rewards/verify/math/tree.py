"""The syntax tree of an expression: numbers, names and operations, and nothing that could run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

__all__ = ["Apply", "Name", "Node", "Num", "Unreadable", "dump", "load", "names", "walk"]


class Unreadable(ValueError):
    """The text is no expression of the grammar; the message says why."""


@dataclass(frozen=True, slots=True)
class Num:
    """An exact number; `places` is how many decimals were written (None for an integer or a repeating decimal)."""

    value: Fraction
    places: int | None = None


@dataclass(frozen=True, slots=True)
class Name:
    """A variable, or one of the constants `pi`, `e`, `i` and `inf`."""

    name: str


@dataclass(frozen=True, slots=True)
class Apply:
    """An operation: + * / ^ neg root(x, n) ! binom deg %, log(x, base), ln, sin, ..., abs, floor, ceil."""

    op: str
    args: tuple[Node, ...]


Node = Num | Name | Apply

CONSTANTS = frozenset({"pi", "e", "i", "inf"})


def walk(node: Node) -> Iterator[Node]:
    """Yield every node, without recursion."""
    waiting = [node]
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, Apply):
            waiting.extend(node.args)


def names(node: Node) -> frozenset[str]:
    """Return the variables of an expression."""
    return frozenset(part.name for part in walk(node) if isinstance(part, Name)) - CONSTANTS


def dump(node: Node) -> Any:
    """Return the tree as JSON values: `"x"`, `{"n": "1/2"}`, `["+", ...]`."""
    if isinstance(node, Name):
        return node.name
    if isinstance(node, Num):
        # hex: Python refuses to write or read decimal integers beyond 4,300 digits.
        return {"n": [hex(node.value.numerator), hex(node.value.denominator)]}
    return [node.op, *map(dump, node.args)]


def load(data: Any) -> Node:
    """Return the tree that `dump` wrote."""
    if isinstance(data, str):
        return Name(data)
    if isinstance(data, dict):
        top, bottom = data["n"]
        return Num(Fraction(int(top, 16), int(bottom, 16)))
    return Apply(data[0], tuple(map(load, data[1:])))
