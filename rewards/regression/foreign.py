"""Other people's verifiers, called in a child process that is killed when it overruns its deadline.

A foreign verifier is a function named `module:function`, called as `function(completion, gold, domain)`, or
`function(completion, gold)` where it takes two; the completion is a text, the gold what the case's file gives. It may
return

- a bool, or a number of which 0.5 and more means correct;
- `None`: it has no score for this sample;
- an object with `.correct` (one of the above) and, if it likes, `.status`, `.answer` and `.reason`.

Anything else, and any exception, is status `error`; an overrun is status `timeout`.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import math
import operator
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from rewards.completion import text_of
from rewards.regression.cases import Case
from rewards.regression.run import DEADLINE, Judgement
from rewards.worker import Overrun, Pool, WorkerError

__all__ = ["BadVerifier", "Foreign"]


class BadVerifier(ValueError):
    """A verifier cannot be loaded; the message names it and the reason."""


class Foreign:
    """The function `target` ("module:function") as a verifier; modules in the current directory are found too.

    `thread` runs it off the child's main thread, where limits by signal do not work. Up to `size` children are used,
    one for each thread that calls. `memory` bounds a child's address space in bytes; the default leaves it open, for
    a verifier may import torch. Raises `BadVerifier` at once where the target cannot be loaded.
    """

    def __init__(
        self,
        target: str,
        *,
        deadline: float = DEADLINE,
        thread: bool = False,
        size: int = 1,
        memory: int | None = None,
    ) -> None:
        self._deadline, self._thread = deadline, thread
        # The child looks the target up as an attribute of this module, see `__getattr__`: so its imports are over
        # before the first deadline begins.
        self._pool = Pool(f"{__name__}:{target}", size=size, memory=memory)
        try:
            self._pool.call(deadline=deadline)
        except WorkerError as error:
            raise BadVerifier(str(error).removeprefix(f"{__name__}:")) from error

    def __call__(self, case: Case) -> Judgement:
        """Judge one case; never raises for anything that the verifier does."""
        started = time.perf_counter()
        try:
            request = (self._thread, text_of(case.completion), case.gold, case.domain)
            answer = self._pool.call(*request, deadline=self._deadline)
        except WorkerError as error:
            status = "timeout" if isinstance(error, Overrun) else "error"
            # What goes beyond the deadline was spent on waiting for a child, or on starting one.
            seconds = min(time.perf_counter() - started, self._deadline)
            return Judgement(False, status, None, str(error), seconds)
        return Judgement(**answer)

    def close(self) -> None:
        """End the children."""
        self._pool.close()


def __getattr__(name: str) -> Callable[..., dict[str, Any]]:
    """Return the function that a child serves for the target `name`; raises what its import raises."""
    module, separator, path = name.partition(":")
    if not separator:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    function = operator.attrgetter(path)(importlib.import_module(module))
    if not callable(function):
        raise TypeError(f"{path} is not a function")
    columns = 3 if _takes(function, 3) else 2

    def judge(thread: bool | None = None, *case: Any) -> dict[str, Any]:
        if thread is None:
            return {}
        started = time.perf_counter()
        value = _beside(function, *case[:columns]) if thread else function(*case[:columns])
        return _read(value) | {"seconds": time.perf_counter() - started}

    return judge


def _takes(function: Callable[..., Any], count: int) -> bool:
    try:
        inspect.signature(function).bind(*range(count))
    except TypeError:
        return False
    return True


def _beside(function: Callable[..., Any], *arguments: Any) -> Any:
    return _thread().submit(function, *arguments).result()


@functools.cache
def _thread() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1)


def _read(value: Any) -> dict[str, Any]:
    correct = _correct(getattr(value, "correct", value))
    status = getattr(value, "status", None)
    answer = getattr(value, "answer", None)
    return {
        "correct": correct,
        "status": str(status) if status else {None: "unscored", True: "correct", False: "wrong"}[correct],
        "answer": None if answer is None else str(answer)[:500],
        "reason": str(getattr(value, "reason", ""))[:500],
    }


def _correct(value: Any) -> bool | None:
    if value is None:
        return None
    if isinstance(value, str | bytes) or not hasattr(value, "__float__"):
        raise TypeError(f"returned {type(value).__name__}; give a bool, a number, None or an object with .correct")
    if not math.isfinite(value):
        raise ValueError(f"returned {value}; give a finite number")
    return float(value) >= 0.5
