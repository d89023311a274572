"""Hold a verifier to labelled cases: each one is judged, timed and compared with its label."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from rewards.regression.cases import Case
from rewards.verify import verify

__all__ = ["DEADLINE", "Judgement", "Result", "Verifier", "hold", "ours"]

DEADLINE = 10.0
"""Seconds after which a case counts as hung; a foreign verifier is killed then."""


@dataclass(frozen=True)
class Judgement:
    """What a verifier said of one case and the `seconds` it took.

    `correct` is `None` where it gave no score at all (`status` unscored): a trainer skips such a sample.
    """

    correct: bool | None
    status: str
    answer: str | None
    reason: str
    seconds: float


Verifier = Callable[[Case], Judgement]


@dataclass(frozen=True)
class Result:
    """A case and its judgement."""

    case: Case
    judgement: Judgement

    @property
    def right(self) -> bool:
        """Whether the case was paid exactly if its label says so; what is not scored is not paid."""
        return (self.judgement.correct is True) == self.case.label


def ours(case: Case) -> Judgement:
    """Judge a case with `rewards.verify`, in this process and thread."""
    started = time.perf_counter()
    try:
        verdict = verify(case.completion, case.gold, case.domain)
    except Exception as error:  # verify never raises; should it ever, the other cases are still worth their verdicts
        return Judgement(False, "error", None, f"raised {type(error).__name__}: {error}", time.perf_counter() - started)
    return Judgement(verdict.correct, verdict.status, verdict.answer, verdict.reason, time.perf_counter() - started)


def hold(
    verifier: Verifier,
    cases: Sequence[Case],
    *,
    threads: int = 0,
    watch: Callable[[Iterable[Result]], Iterable[Result]] = iter,
) -> list[Result]:
    """Return one result a case, in order.

    `threads=0` calls the verifier in the calling thread; more call it from that many other threads, as trainers with
    asynchronous rewards do. `watch` sees the results pass, for a progress bar.
    """
    return list(watch(_results(verifier, cases, threads)))


def _results(verifier: Verifier, cases: Sequence[Case], threads: int) -> Iterator[Result]:
    if not threads:
        yield from (Result(case, verifier(case)) for case in cases)
        return
    pool = ThreadPoolExecutor(threads)
    try:
        yield from map(Result, cases, pool.map(verifier, cases))
    finally:
        # Ctrl-C must not wait for the cases that nobody has begun.
        pool.shutdown(cancel_futures=True)
