"""What supervised fine-tuning imitates: a conversation and the completion to give; here from worked solutions."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from evals.data import Item
from harness import chat
from harness.training import Prompt

ANNOTATION = re.compile(r"<<[^<>\n]*>>")
_NUMBER = r"\$?[0-9][0-9.,]*%?"
# A line that computes and says nothing: 26-8=18.
EQUATION = re.compile(rf"\s*{_NUMBER}(?:\s*[-+*/]\s*{_NUMBER})+\s*=\s*{_NUMBER}\s*")
PART = re.compile(rf"{_NUMBER}|[-+*/=]")


@dataclass(frozen=True)
class Demonstration:
    """The messages before the assistant's turn, and the turn."""

    conversation: chat.Messages
    completion: str


@dataclass(frozen=True)
class Demonstrations:
    """What a source gives: `found` of it to learn from, and how many were `dropped`, by reason."""

    found: tuple[Demonstration, ...]
    dropped: Mapping[str, int] = field(default_factory=dict)


def solutions(items: Sequence[Item], style: Prompt, annotations: bool) -> Demonstrations:
    """Questions with their worked solutions; items whose gold is an answer without steps are dropped."""
    steps = [(item, think_steps(item.gold, annotations)) for item in items]
    found = [Demonstration(chat.messages(item.question, style), text) for item, text in steps if text is not None]
    return Demonstrations(tuple(found), {"without_steps": len(items) - len(found)})


def think_steps(gold: str, annotations: bool) -> str | None:
    """A solution in GSM8K's format as `<think>` steps and `#### n`; None where it has no steps.

    Without `annotations`, the calculator's `<<3*4=12>>` are taken out, and a line that is an equation alone is set with
    spaces (` 3 * 4 = 12`): the embedded tokenizer has a number only with the space before it.
    """
    body, _, answer = gold.rpartition("####")
    if not body.strip():
        return None
    lines = body.strip().split("\n")
    if not annotations:
        lines = [_spaced(ANNOTATION.sub("", line)) for line in lines]
    steps = "\n".join(lines)
    return f"<think>{steps}</think>\n#### {answer.strip()}"


def _spaced(line: str) -> str:
    return " " + " ".join(PART.findall(line)) if EQUATION.fullmatch(line) else line
