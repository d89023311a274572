"""Whether two expressions have the same value: exactly and cheaply where possible, symbolically in a worker else."""

from __future__ import annotations

import os
from dataclasses import dataclass

from rewards.verify.math import probe
from rewards.verify.math.cost import TooLarge, small
from rewards.verify.math.forms import Form, Opaque, certain, ratio, same
from rewards.verify.math.normal import form
from rewards.verify.math.tree import Apply, Name, Node, dump
from rewards.worker import Crashed, Overrun, Pool

__all__ = ["Budget", "Timeout", "equal", "exact", "multiple"]


# It starts its processes when the first question comes.
POOL = Pool("rewards.verify.math.symbolic:equal", size=len(os.sched_getaffinity(0)))


class Timeout(Exception):
    """The symbolic route did not answer within the deadline."""


@dataclass
class Budget:
    """The seconds of symbolic work that one comparison may still spend, however many questions it asks."""

    seconds: float

    def ask(self, a: Node, b: Node) -> bool | None:
        """Return math-verify's verdict, `None` where it neither proves nor refutes. Raises `Timeout`."""
        if self.seconds <= 0:
            raise Timeout
        try:
            verdict, spent = POOL.call(dump(a), dump(b), deadline=self.seconds)
        except Overrun as error:
            raise Timeout from error
        except Crashed:
            return None
        # What the worker took, not what we waited: a busy pool must not cost anybody the answer.
        self.seconds -= spent
        return None if verdict is None else bool(verdict)


def equal(a: Node, b: Node, budget: Budget) -> bool:
    """Return whether a = b for all values of their variables. Raises `Timeout`.

    Identical trees; normal forms; 60 digits at generic points; math-verify. Where even that neither proves nor refutes
    it, expressions that agree to 40 digits everywhere are taken to be equal.
    """
    if a == b:
        return True
    if (decided := _by_form(a, b)) is not None:
        return decided
    outcome = probe.compare(a, b)
    if outcome == "different" or not (small(a) and small(b)):
        return False
    verdict = budget.ask(a, b)
    return outcome == "agree" if verdict is None else verdict


def _by_form(a: Node, b: Node) -> bool | None:
    if Name("inf") in (a, b) or Apply("neg", (Name("inf"),)) in (a, b):
        return False
    left, right = exact(a), exact(b)
    if left is None or right is None:
        return None
    try:
        if same(left, right):
            return True
    except (TooLarge, Opaque):
        return None
    return False if certain(left, right) else None


def exact(node: Node) -> Form | None:
    """Return the normal form, `None` where there is none."""
    try:
        return form(node)
    except (TooLarge, Opaque, RecursionError):
        return None


def multiple(a: Node, b: Node) -> int | None:
    """Return the sign of the constant c where a = c * b (so that a = 0 and b = 0 say the same), else `None`."""
    left, right = exact(a), exact(b)
    if left is not None and right is not None:
        if not left.top or not right.top:
            return None
        factor = ratio(Form(left.top, {}), Form(right.top, {}))
        if factor is not None:
            return 1 if factor > 0 else -1
    found = probe.proportional(a, b)
    return None if found is None else 1 if found > 0 else -1
