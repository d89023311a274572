"""The items an audit is made on: a question, its worked solution taken apart, and the gold.

72 grade-school problems of this project, each with a gold of its own, come with the package; any file with GSM8K's
`question` and `answer` serves as well. The reader here shares no code with the verifier: an oracle that read numbers as
the rewards do would share their mistakes.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, cached_property
from importlib.resources import files

__all__ = ["Item", "Step", "builtin", "last_number", "read", "written"]

NUMBER = re.compile(r"(?<![\w.])-?(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]{1,18})(?:\.[0-9]{1,18})?(?![0-9])")
ANNOTATION = re.compile(r"<<([^<>=\n]{1,200})=([^<>=\n]{1,60})>>")
MARKED = re.compile(r"(?:####|^A:)[ \t]*([^\n]*)\s*\Z", re.MULTILINE)


@dataclass(frozen=True)
class Step:
    """One operation of a solution as it is written: `23*3` and its result `69`."""

    expression: str
    result: str

    def __str__(self) -> str:
        """Return the equation in free text: `23 * 3 = 69`."""
        spaced = re.sub(r"(?<=[\w)%])[ ]*([-+*/])[ ]*", r" \1 ", self.expression)
        return f"{spaced} = {self.result}"

    @property
    def annotation(self) -> str:
        """The step as GSM8K's calculator annotation."""
        return f"<<{self.expression}={self.result}>>{self.result}"


@dataclass(frozen=True)
class Item:
    """One problem. `answer` is the gold column as the file gives it; `lines` are its solution without annotations."""

    id: str
    question: str
    answer: str
    gold: Fraction
    lines: tuple[str, ...]
    steps: tuple[Step, ...]

    @cached_property
    def numbers(self) -> list[Fraction]:
        """The numbers of the question in order, as digits only."""
        return _numbers(self.question)


def read(name: str, question: str, answer: str) -> Item | None:
    """Take a problem apart; `None` where its gold is not one plain number, for then nothing can be held against it."""
    marked = MARKED.search(answer)
    gold = _numbers(marked[1] if marked else answer)
    if len(gold) != 1:
        return None
    solution = answer[: marked.start()] if marked else ""
    lines = tuple(line.strip() for line in ANNOTATION.sub("", solution).splitlines() if line.strip())
    steps = tuple(Step(match[1], match[2]) for match in ANNOTATION.finditer(solution))
    return Item(name, question, answer, gold[0], lines, steps)


@cache
def builtin() -> tuple[Item, ...]:
    """Return the items that come with the package; all golds differ."""
    text = files(__package__).joinpath("items.jsonl").read_text(encoding="utf-8")
    rows = [json.loads(line) for line in text.splitlines()]
    items = [read(row["id"], row["question"], row["answer"]) for row in rows]
    return tuple(item for item in items if item is not None)


def last_number(text: str) -> Fraction | None:
    """Return the last number of a text, which is what a reader in a hurry takes for its answer."""
    found = _numbers(text)
    return found[-1] if found else None


def written(value: Fraction) -> str:
    """Write a number as a solution does: `18`, `6.5`, else `1/3`."""
    scaled = value * 10_000
    if scaled.denominator != 1:
        return str(value)
    return f"{float(value):.4f}".rstrip("0").rstrip(".") if value.denominator != 1 else str(value.numerator)


def _numbers(text: str) -> list[Fraction]:
    return [Fraction(found.replace(",", "")) for found in NUMBER.findall(text)]
