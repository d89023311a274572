r"""The verifier: find THE final answer, decide equality exactly, never hang, never evaluate, never raise.

    >>> verify("<think>9*2</think>\n#### 18.00", "#### 18")
    Verdict(correct=True, status='correct', answer='18', reason='committed by marker', kind='marker')

`commitments` are the places where a text answers, `reading` and `formula` read them as numbers and as mathematics,
`extract` settles which one is final; `numbers` and `math` decide equality; `gold` reads the gold; `verdict` comes out.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

from rewards.completion import Completion, text_of
from rewards.verify.extract import FORMULA, NUMBER, Extraction, extract
from rewards.verify.gold import gold_number
from rewards.verify.numbers import Number, canonical, same
from rewards.verify.verdict import Kind, Status, Verdict

__all__ = ["DEADLINE", "Kind", "Status", "Verdict", "verify", "verify_batch"]

DEADLINE = 5.0
"""Seconds that the symbolic comparison of one answer may take, counted from when a worker takes it up."""


def verify(completion: Completion, gold: object, domain: str = "gsm8k", *, deadline: float = DEADLINE) -> Verdict:
    """Judge a completion against its gold. Works the same from any thread; never raises.

    `completion` is a string or chat messages. For `domain="gsm8k"` the gold is a number, its text, or GSM8K's whole
    `answer` field; for `"math"` it is the answer in LaTeX or plain text, or a whole solution with its `\\boxed{}`. Of
    visible text longer than 100,000 characters the end is read.
    """
    try:
        text = text_of(completion)
    except (AttributeError, TypeError) as error:
        return Verdict(False, "error", None, f"the completion is neither text nor chat messages: {error}")
    if domain == "gsm8k":
        return _number(text, gold)
    if domain == "math":
        return _formula(text, gold, deadline)
    return Verdict(False, "error", None, f"there is no domain {domain!r}: use gsm8k or math")


def verify_batch(
    completions: Sequence[Completion], golds: Sequence[object], domain: str = "gsm8k", *, deadline: float = DEADLINE
) -> list[Verdict]:
    """Judge completions against golds, in order, as `verify` does one; symbolic work runs on all cores.

    Raises `ValueError` where the two differ in number.
    """
    pairs = list(zip(completions, golds, strict=True))
    if domain != "math":
        return [verify(completion, gold, domain) for completion, gold in pairs]
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as threads:
        return list(threads.map(lambda pair: verify(pair[0], pair[1], domain, deadline=deadline), pairs))


def _number(text: str, gold: object) -> Verdict:
    expected = gold_number(gold)
    if expected is None:
        shown = repr(gold[-80:]) if isinstance(gold, str) else type(gold).__name__
        return Verdict(False, "unparseable_gold", None, f"the gold is not one number: {shown}")
    return _judged(text, expected)


# The components of a composite reward ask the same question of the same text one after the other.
@lru_cache(maxsize=4096)
def _judged(text: str, expected: Number) -> Verdict:
    found = extract(text, NUMBER)
    if not isinstance(found.value, Number):
        return _unanswered(found)
    answer = canonical(found.value)
    if same(found.value, expected):
        return Verdict(True, "correct", answer, found.reason, found.kind)
    return Verdict(False, "wrong", answer, f"{found.reason}, but the gold is {canonical(expected)}", found.kind)


def _unanswered(found: Extraction) -> Verdict:
    status: Status = "ambiguous" if found.status == "ambiguous" else "no_answer"
    return Verdict(False, status, None, found.reason, found.kind)


@lru_cache(maxsize=4096)
def _formula_of(text: str) -> Extraction:
    return extract(text, FORMULA)


def _formula(text: str, gold: object, deadline: float) -> Verdict:
    # Loaded on first use: GSM8K needs none of it.
    from rewards.verify.math import compare

    found = _formula_of(text)
    if not isinstance(found.value, str):
        known = compare("0", gold, deadline=deadline)
        if known.status == "unparseable_gold":
            return Verdict(False, "unparseable_gold", None, known.reason)
        return _unanswered(found)
    parts = [*(str(rival) for rival in found.rivals), found.value]
    judged = compare(", ".join(parts), gold, deadline=deadline)
    # Side by side may stand the parts of one list, or one value in several forms.
    if found.rivals and judged.status not in ("correct", "unparseable_gold", "timeout", "error"):
        if not all(compare(part, gold, deadline=deadline).status == "correct" for part in parts):
            return Verdict(False, "ambiguous", None, "different answers are committed side by side", found.kind)
        judged = compare(found.value, gold, deadline=deadline)
    status: Status = "no_answer" if judged.status == "unreadable" else judged.status
    reason = found.reason if judged.status == "correct" else judged.reason
    return Verdict(status == "correct", status, judged.answer, reason, found.kind)
