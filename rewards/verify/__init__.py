r"""The verifier: find THE final answer, decide equality exactly, never hang, never evaluate, never raise.

    >>> verify("<think>9*2</think>\n#### 18.00", "#### 18")
    Verdict(correct=True, status='correct', answer='18', reason='committed by marker', kind='marker')

`extract` finds the answer, `numbers` reads and compares values, `gold` reads the gold, `verdict` is what comes out.
"""

from __future__ import annotations

from functools import lru_cache

from rewards.completion import Completion, text_of
from rewards.verify.extract import extract
from rewards.verify.gold import gold_number
from rewards.verify.numbers import Number, canonical, same
from rewards.verify.verdict import Kind, Status, Verdict

__all__ = ["Kind", "Status", "Verdict", "verify"]


def verify(completion: Completion, gold: object, domain: str = "gsm8k") -> Verdict:
    """Judge a completion against its gold. Works the same from any thread; linear in the text; never raises.

    `completion` is a string or chat messages; `gold` a number, its text, or GSM8K's whole `answer` field. Of visible
    text longer than 100,000 characters the end is read. `domain="math"` is not here yet: status `error` says so.
    """
    if domain != "gsm8k":
        known = "the math domain is not here yet" if domain == "math" else f"there is no domain {domain!r}"
        return Verdict(False, "error", None, f"{known}: use gsm8k")
    expected = gold_number(gold)
    if expected is None:
        shown = repr(gold[-80:]) if isinstance(gold, str) else type(gold).__name__
        return Verdict(False, "unparseable_gold", None, f"the gold is not one number: {shown}")
    return _judge(text_of(completion), expected)


# The components of a composite reward ask the same question of the same text one after the other.
@lru_cache(maxsize=512)
def _judge(text: str, expected: Number) -> Verdict:
    found = extract(text)
    if found.number is None:
        status: Status = "ambiguous" if found.status == "ambiguous" else "no_answer"
        return Verdict(False, status, None, found.reason, found.kind)
    answer = canonical(found.number)
    if same(found.number, expected):
        return Verdict(True, "correct", answer, found.reason, found.kind)
    return Verdict(False, "wrong", answer, f"{found.reason}, but the gold is {canonical(expected)}", found.kind)
