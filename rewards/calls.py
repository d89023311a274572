"""What the calls of a calculator are worth: the equations that a solution had computed, and those that failed."""

from __future__ import annotations

import re
from dataclasses import dataclass

from rewards.batch import Batch
from rewards.calculator import ERROR, asked
from rewards.outcome import answer_scores
from rewards.process import SCORES, Process, Status, steps
from rewards.registry import register
from rewards.reward import Components, Scores
from rewards.spans import Span

__all__ = ["Calls"]

SIGN = re.compile(rf"=(?:[ ]?{ERROR}\b)?(?:>>)?")

Judged = list[tuple[Span, Status]]
"""The calls of a transcript in order, without overlap, and what they are worth; a failed one is `false`."""


@register("calls")
@dataclass(frozen=True)
class Calls(Process):
    """process * valid_calls + answer * correct, range [0, process + answer]; defaults 0.2 and 0.8.

    valid_calls is the share of a transcript's calls, `expression = result` or `<<expression=result>>`, that are valid:
    grounded, new and used, as `process` judges equations (`rewards.process.steps`), before any that is false. Repeats
    and trivial calls are not counted, so calls cannot be farmed; a call that divides by zero is a false one.
    correct is `sparse`'s 0/1. Equations that are no calls, as `28 = 4 * 7`, are not looked at.
    A reward for every call, as process rewards of agents have it (arXiv 2502.10325, section 3).
    As a scorer of steps (`spans`) it gives a valid call 1, a false or failed one -1 and every other one `None`.
    Reads column `question` if there is one, else the prompt. Components: `process`, `answer`. `None` where the gold is
    unparseable. Raises `RewardError` for a negative or infinite weight.
    """

    def score(self, batch: Batch) -> Components:
        """Return components `process` and `answer`."""
        pairs = zip(batch.texts, batch.questions, strict=True)
        shares: Scores = [_valid_share(_judged(text, question)) for text, question in pairs]
        return {"process": shares, "answer": answer_scores(batch)}

    def spans(self, batch: Batch) -> list[list[Span]]:
        """Return every call of every completion, repeats included; the gold is not asked for."""
        pairs = zip(batch.texts, batch.questions, strict=True)
        return [[span for span, _ in _judged(text, question)] for text, question in pairs]


def _judged(text: str, question: str) -> Judged:
    """Judge the calls of `text`."""
    found: dict[int, tuple[Span, Status]] = {}
    for step in steps(text, question):
        one = step.equation
        if asked(text, text.index("=", one.start) + 1) is not None:
            found[one.start] = Span(one.start, one.end, SCORES.get(step.status)), step.status
    for sign in SIGN.finditer(text):
        call = asked(text, sign.start() + 1)
        if call is not None and call.value is None:
            # In an annotation it stands in the place of an equation that cannot be read.
            found[call.start] = Span(call.start, sign.end(), SCORES["false"]), "false"
    return [found[start] for start in sorted(found)]


def _valid_share(judged: Judged) -> float:
    """(valid calls) / (calls that are not trivial), in [0, 1]; 0 without calls."""
    counted = [status for _, status in judged if status != "trivial"]
    return counted.count("valid") / len(counted) if counted else 0.0
