"""A warm child process that runs one function under a deadline, and is killed when it overruns it.

    >>> pool = Pool("rewards.verify.math.symbolic:equal", size=2)
    >>> pool.call("2x+1", "1+2x", deadline=5.0)
    True

Arguments and results travel as JSON lines, never as pickles. The child is a fresh interpreter, not a fork, so calls
work the same from any thread, under asyncio, after `fork` or `spawn`, in daemonic processes and in Ray actors. The
caller needs no signal: Python's handlers run in the main thread only, which is why alarms fail in trainers.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import json
import os
import resource
import selectors
import signal
import subprocess
import sys
import threading
import time
import weakref
from pathlib import Path
from typing import Any

__all__ = ["Crashed", "Overrun", "Pool", "WorkerError"]

START_SECONDS = 120.0
# A child whose parent was killed in mid-call ends itself after this much more CPU time.
ORPHAN_SECONDS = 5.0


class WorkerError(Exception):
    """The function gave no result."""


class Overrun(WorkerError):
    """The deadline passed, or the memory ran out; the child was killed or will be replaced."""


class Crashed(WorkerError):
    """The function raised, or its process died; the message is the error's own."""


class Pool:
    """At most `size` children for `target` ("module:function"), started when they are first needed.

    `memory` bounds a child's address space in bytes; `None` leaves it open.
    """

    def __init__(self, target: str, *, size: int = 1, memory: int | None = 2 << 30) -> None:
        self.target, self.size, self.memory = target, size, memory
        self._forget()
        _pools.add(self)

    def call(self, *arguments: Any, deadline: float) -> Any:
        """Return `function(*arguments)`; `deadline` is seconds of work, counted from when a child takes it.

        Raises `Overrun` and `Crashed`. Waiting for a free child and for its imports does not count.
        """
        with self._slots:
            child = self._take()
            try:
                result = child.call(arguments, deadline)
            except BaseException:
                # Whatever stopped us (the deadline, Ctrl-C), the child's answer would be read by the next call.
                child.kill()
                raise
            self._idle.append(child)
        return _opened(result)

    def close(self) -> None:
        """Kill the idle children; the next call starts new ones."""
        while self._idle:
            self._idle.pop().kill()

    def _take(self) -> _Child:
        # list.pop is atomic; a child that died while idle is replaced.
        with contextlib.suppress(IndexError):
            while True:
                child = self._idle.pop()
                if child.alive():
                    return child
        return _Child(self.target, self.memory)

    def _forget(self) -> None:
        self._slots = threading.BoundedSemaphore(self.size)
        self._idle: list[_Child] = []

    def _after_fork(self) -> None:
        # The children belong to the parent process: a fork that wrote to them would read its parent's answers.
        for child in self._idle:
            child.abandon()
        self._forget()


_pools: weakref.WeakSet[Pool] = weakref.WeakSet()


def _forked() -> None:
    for pool in list(_pools):
        pool._after_fork()


os.register_at_fork(after_in_child=_forked)


@atexit.register
def _close_all() -> None:
    for pool in list(_pools):
        pool.close()


class _Child:
    def __init__(self, target: str, memory: int | None) -> None:
        path = os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "rewards.worker", target, str(memory or 0)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": path},
            # Ctrl-C in a terminal goes to the whole group: the parent decides what becomes of its children.
            start_new_session=True,
        )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._stdin, self._stdout = self._process.stdin.fileno(), self._process.stdout.fileno()
        self._rest = b""
        try:
            ready = self._receive(time.monotonic() + START_SECONDS)
        except BaseException:
            self.kill()
            raise
        if "ready" not in ready:
            self.kill()
            _opened(ready)

    def call(self, arguments: tuple[Any, ...], deadline: float) -> dict[str, Any]:
        ends = time.monotonic() + deadline
        request = json.dumps({"arguments": arguments, "seconds": deadline}).encode() + b"\n"
        try:
            _write_all(self._stdin, request)
        except BrokenPipeError as error:
            raise Crashed(self._died()) from error
        return self._receive(ends)

    def alive(self) -> bool:
        return self._process.poll() is None

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        self._process.wait()
        self.abandon()

    def abandon(self) -> None:
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()

    def _receive(self, ends: float) -> dict[str, Any]:
        with selectors.DefaultSelector() as selector:
            selector.register(self._stdout, selectors.EVENT_READ)
            while b"\n" not in self._rest:
                left = ends - time.monotonic()
                if left <= 0 or not selector.select(left):
                    raise Overrun("the deadline passed")
                chunk = os.read(self._stdout, 1 << 16)
                if not chunk:
                    raise Crashed(self._died())
                self._rest += chunk
        line, _, self._rest = self._rest.partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _died(self) -> str:
        try:
            code = self._process.wait(timeout=1)
        except subprocess.TimeoutExpired:
            return "the worker closed its pipe"
        return f"the worker died with {signal.Signals(-code).name if code < 0 else f'exit code {code}'}"


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def _opened(answer: dict[str, Any]) -> Any:
    if "memory" in answer:
        raise Overrun("the memory ran out")
    if "error" in answer:
        raise Crashed(answer["error"])
    return answer["value"]


def _serve(target: str, memory: int) -> None:
    """Be the child: answer one JSON line per JSON line until the parent closes the pipe."""
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    # Whatever the function prints must not end up among the answers.
    os.dup2(2, 1)

    def answer(**fields: Any) -> None:
        answers.write(json.dumps(fields).encode() + b"\n")

    if memory:
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    try:
        module, _, name = target.partition(":")
        function = getattr(importlib.import_module(module), name)
    except Exception as error:
        return answer(error=f"{target} cannot be loaded: {type(error).__name__}: {error}")
    answer(ready=True)
    for line in sys.stdin.buffer:
        request = json.loads(line)
        # The kernel ends us even inside a long computation in C, where no Python code would get to run.
        signal.setitimer(signal.ITIMER_PROF, request["seconds"] + ORPHAN_SECONDS)
        try:
            value = function(*request["arguments"])
        except MemoryError:
            return answer(memory=True)
        except Exception as error:  # the function's own failure is its answer, told to the caller
            answer(error=f"{type(error).__name__}: {str(error)[:500]}")
        else:
            answer(value=value)
        signal.setitimer(signal.ITIMER_PROF, 0)


if __name__ == "__main__":
    _serve(sys.argv[1], int(sys.argv[2]))
