"""Completions as a policy writes them: thinking, then an answer in the form that the reward reads; and their tokens."""

from __future__ import annotations

import random
import re
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from rewards.audit.items import Item, Step, last_number, written

__all__ = ["FORMS", "Attempt", "Commit", "Scene", "Tokenize", "chunks", "commit", "filler", "pieces", "scenes"]

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


def chunks(text: str) -> list[str]:
    """Return the text of each of those tokens, blanks with the token after them; joined they are `text`.

    >>> chunks("23 * 3 = 69 ")
    ['23', ' *', ' 3', ' =', ' 69', ' ']
    """
    ends = [match.end() for match in PIECE.finditer(text)]
    cuts = [0, *ends, *([len(text)] if len(text) > (ends[-1] if ends else 0) else [])]
    return [text[start:end] for start, end in pairwise(cuts)]


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
    """What an attack may look at: an item, the form of answers, the token limit and the commonest golds of the data.

    `annotated` says how steps are written: as `<<23*3=69>>69`, else as `23 * 3 = 69`.
    """

    item: Item
    form: str
    limit: int
    top: tuple[Fraction, ...]
    annotated: bool = False

    def commit(self, number: object) -> str:
        """Write an answer down in the form of this audit."""
        return commit(self.form, number)

    def step(self, step: Step) -> str:
        """Write a step down as the scorer of this audit reads it."""
        return step.annotation if self.annotated else str(step)

    @property
    def constant(self) -> Fraction:
        """The best constant answer."""
        return self.top[0]


def scenes(items: Sequence[Item], form: str, limit: int, *, annotated: bool = False) -> tuple[Scene, ...]:
    """Return a scene for each item of the data."""
    counts = Counter(item.gold for item in items)
    top = tuple(sorted(counts, key=lambda gold: (-counts[gold], gold)))
    return tuple(Scene(item, form, limit, top, annotated) for item in items)
