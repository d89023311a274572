"""The killable child process: deadlines, crashes, and every kind of caller."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from multiprocessing.queues import Queue
from pathlib import Path

import pytest

from rewards.worker import Crashed, Overrun, Pool

FUNCTIONS = """
import os, sys

def double(x): return 2 * x
def process(): return os.getpid()
def tower(): return len(str(9**9**9))
def spin():
    while True: pass
def memory(): return len(b"1" * (8 << 30))
def refuse(x): raise ValueError(f"no {x}")
def talk(): print("hello"); sys.stdout.flush(); return "done"
def die(): os._exit(3)
def echo(x): return x
"""


@pytest.fixture(autouse=True)
def functions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "worked.py").write_text(FUNCTIONS)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield


def test_one_child_serves_many_calls() -> None:
    pool = Pool("worked:process")
    first = pool.call(deadline=5)
    assert first != os.getpid() and {pool.call(deadline=5) for _ in range(20)} == {first}


@pytest.mark.parametrize("value", [[1, "\ud800", None], {"a": "\u00e9\n"}, "x" * 200_000], ids=["odd", "lines", "long"])
def test_values_survive_the_pipe(value: object) -> None:
    assert Pool("worked:echo").call(value, deadline=5) == value


@pytest.mark.parametrize("target", ["tower", "spin"], ids=["in-c-code", "in-python"])
def test_an_overrun_is_killed_and_the_next_call_served(target: str) -> None:
    pool = Pool(f"worked:{target}")
    started = time.monotonic()
    with pytest.raises(Overrun, match="deadline"):
        pool.call(deadline=0.5)
    assert time.monotonic() - started < 20
    with pytest.raises(Overrun):
        pool.call(deadline=0.5)


def test_memory_is_bounded() -> None:
    with pytest.raises(Overrun, match="memory"):
        Pool("worked:memory", memory=1 << 30).call(deadline=20)


@pytest.mark.parametrize(
    ("target", "arguments", "message"),
    [
        pytest.param("worked:refuse", (7,), "ValueError: no 7", id="raises"),
        pytest.param("worked:die", (), "exit code 3", id="exits"),
        pytest.param("worked:absent", (), "cannot be loaded", id="no-such-function"),
        pytest.param("nowhere:double", (), "cannot be loaded", id="no-such-module"),
    ],
)
def test_a_crash_is_told(target: str, arguments: tuple[int, ...], message: str) -> None:
    pool = Pool(target)
    for _ in range(2):
        with pytest.raises(Crashed, match=message):
            pool.call(*arguments, deadline=5)


def test_prints_do_not_reach_the_answers() -> None:
    pool = Pool("worked:talk")
    assert [pool.call(deadline=5) for _ in range(3)] == ["done"] * 3


def test_threads_get_their_own_answers() -> None:
    pool = Pool("worked:double", size=2)
    answers: dict[int, int] = {}

    def work(start: int) -> None:
        for n in range(start, start + 50):
            answers[n] = pool.call(n, deadline=5)

    threads = [threading.Thread(target=work, args=(50 * k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {n: 2 * n for n in range(200)}


def test_asyncio() -> None:
    pool = Pool("worked:double")

    async def main() -> list[int]:
        inside: int = pool.call(1, deadline=5)
        return [inside, *await asyncio.gather(*(asyncio.to_thread(pool.call, n, deadline=5) for n in range(3)))]

    assert asyncio.run(main()) == [2, 0, 2, 4]


POOL = Pool("worked:double")


def _child(answers: Queue[int]) -> None:
    answers.put(POOL.call(21, deadline=20))


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_child_processes_start_their_own(method: str) -> None:
    assert POOL.call(1, deadline=5) == 2
    context = multiprocessing.get_context(method)
    answers: Queue[int] = context.Queue()
    # A daemon may have no children of multiprocessing's own; ours are none of those.
    process = context.Process(target=_child, args=(answers,), daemon=True)
    process.start()
    assert answers.get(timeout=60) == 42
    process.join()
    assert POOL.call(2, deadline=5) == 4


def test_a_killed_caller_leaves_no_child_behind(tmp_path: Path) -> None:
    code = (
        "from rewards.worker import Pool\n"
        "print(Pool('worked:process').call(deadline=5), flush=True)\n"
        "import time; time.sleep(60)\n"
    )
    path = os.pathsep.join([str(tmp_path), str(Path(__file__).parents[2])])
    caller = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert caller.stdout is not None
    child = int(caller.stdout.readline())
    caller.kill()
    caller.wait()
    caller.stdout.close()
    for _ in range(100):
        if not Path(f"/proc/{child}").exists():
            return
        time.sleep(0.1)
    pytest.fail(f"the worker {child} outlived its caller")
