"""What the verifier says about one completion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["COMMITTED", "Kind", "Status", "Verdict"]

Status = Literal["correct", "wrong", "no_answer", "ambiguous", "unparseable_gold", "timeout", "error"]
"""Why a completion is (not) correct; only `wrong` means that one readable answer differs from the gold."""

Kind = Literal["marker", "boxed", "tag", "sentence", "prose"]
"""How the answer was given: `####`, `\\boxed{}`, `<answer>`, "the answer is", or just the last number."""

COMMITTED: frozenset[Kind] = frozenset({"marker", "boxed", "tag"})
"""The kinds that nobody writes by accident; strict rewards pay for these only."""


@dataclass(frozen=True)
class Verdict:
    """The judgement of one completion against one gold; a status is never folded into a zero.

    `answer` is the number read, in canonical form (`18`, `-3/4`, `12.5`), `None` where none was; `reason` is one
    sentence for a human; `kind` is how the answer was given.
    """

    correct: bool
    status: Status
    answer: str | None
    reason: str
    kind: Kind | None = None

    @property
    def scorable(self) -> bool:
        """Whether the completion was judged at all: an unreadable gold, a timeout or an error says nothing about it."""
        return self.status not in ("unparseable_gold", "timeout", "error")

    @property
    def committed(self) -> bool:
        """Whether the answer was committed explicitly: by `####`, a box or an `<answer>` tag."""
        return self.kind in COMMITTED
