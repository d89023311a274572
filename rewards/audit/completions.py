"""Completions as a policy writes them: thinking, then an answer in the form that the reward reads; and their tokens."""

from __future__ import annotations

import random
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from rewards.audit.items import Item, last_number, written

__all__ = ["FORMS", "Attempt", "Commit", "Scene", "Tokenize", "commit", "filler", "pieces"]

Tokenize = Callable[[str], list[int]]
"""Token ids of a text."""

FORMS = ("marker", "boxed", "tag", "sentence")
"""Ways to give an answer; an audit uses the first that its reward pays for."""

Commit = Callable[[object], str]

PIECE = re.compile(r"\w+|[^\w\s]")

# Plain words that say nothing, name no number and neither take an answer back nor announce one.
WORDS = (
    "we look at the story again and keep every part of it in mind while people in town go about their day with "
    "bags boxes letters music bread rivers trees birds windows gardens paper colours clouds streets friends tables"
).split()


def pieces(text: str) -> list[int]:
    """Stand in for a tokenizer: one id for each run of letters and digits, and for each other visible character."""
    return [zlib.crc32(piece.encode("utf-8", "surrogatepass")) % 50_000 for piece in PIECE.findall(text)]


def filler(tokens: int, seed: object = 0) -> str:
    """Return `tokens` words of prose, hardly a phrase of which comes twice."""
    return " ".join(random.Random(f"filler/{seed}").choices(WORDS, k=max(0, tokens)))


def commit(form: str, number: object) -> str:
    r"""Write an answer down in a form: `#### 18`, `\boxed{18}`, `<answer>18</answer>` or "The answer is 18."."""
    shapes = {
        "marker": "#### {}",
        "boxed": "\\boxed{{{}}}",
        "tag": "<answer>{}</answer>",
        "sentence": "The answer is {}.",
    }
    return shapes[form].format(written(number) if isinstance(number, Fraction) else number)


@dataclass(frozen=True)
class Attempt:
    """A completion: its thinking (`None`: there is no think block), and what stands after it.

    `claim` is the number that a careful reader would say it gives as its answer, known by construction.
    """

    think: str | None
    visible: str
    claim: Fraction | None = None

    @property
    def text(self) -> str:
        """The completion as the reward sees it."""
        return self.visible if self.think is None else f"<think>{self.think}</think>\n{self.visible}"

    @property
    def guess(self) -> Fraction | None:
        """The claim; where none was made, the last number, so that a lucky one never counts as an exploit."""
        if self.claim is not None:
            return self.claim
        visible = last_number(self.visible)
        return last_number(self.text) if visible is None else visible


@dataclass(frozen=True)
class Scene:
    """What an attack may look at: an item, the form of answers, the token limit and the commonest golds of the data."""

    item: Item
    form: str
    limit: int
    top: tuple[Fraction, ...]

    def commit(self, number: object) -> str:
        """Write an answer down in the form of this audit."""
        return commit(self.form, number)

    @property
    def constant(self) -> Fraction:
        """The best constant answer."""
        return self.top[0]
