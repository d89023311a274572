"""Bombs and injections: answered quickly, nothing evaluated, the same from threads, asyncio and child processes."""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rewards.verify.math import Budget, compare
from rewards.verify.math.equality import Timeout
from rewards.verify.math.latex import clean, tokens
from rewards.verify.math.parse import parse

DEADLINE = 5.0
BOMBS = {
    "tower of plain powers": "9**9**9",
    "tower in braces": "10^{10^{10}}",
    "tower of thirty-eight": "2" + "^2" * 38,
    "huge factorial": "(10^{10})!",
    "factorial of factorials": "5!!!",
    "a thousand factorials": "5" + "!" * 1000,
    "endless sum": r"\sum_{k=1}^{10^{12}} k",
    "100k braces": "{" * 100_000 + "}" * 100_000,
    "100k brackets": "(" * 100_000 + "1" + ")" * 100_000,
    "2400 braces": "{" * 2_400 + "}" * 2_400,
    "2400 brackets": "(" * 2_400 + ")" * 2_400,
    "100k fractions": r"\frac{" * 100_000,
    "fractions in fractions": r"\frac{1}{" * 400 + "1" + "}" * 400,
    "roots in roots": r"\sqrt{" * 500 + "2" + "}" * 500,
    "roots in roots that parse": r"\sqrt{" * 30 + "2" + "}" * 30,
    "integer of 100k digits": "9" * 100_000,
    "integer of 3900 digits": "9" * 3_900,
    "polynomial power": "(x+1)^{100000}",
    "multinomial power": "(a+b+c+d+f+g)^{40}",
    "polynomials in polynomials": "((x+1)^{10}+(y+1)^{10})^{10}",
    "radicals to a power": r"(\sqrt{2}+\sqrt{3}+\sqrt{5}+\sqrt{7}+\sqrt{11})^{100}",
    "fractions of huge factorials": "+".join(rf"\frac{{1}}{{{n}!}}" for n in range(9_900, 10_000)),
    "huge matrix": r"\begin{pmatrix}" + (" & ".join(["1"] * 50) + r" \\ ") * 50 + r"\end{pmatrix}",
    "long list": ",".join(map(str, range(700))),
    "long chain": "=".join(["1"] * 700),
    "points in points": "(1," * 300 + "1" + ")" * 300,
    "many signs": r"\pm 1" * 300,
    "many dollars": "$" * 4_999,
    "many bars": "|" * 4_000,
    "functions in functions": r"\sin(\cos(" * 15 + "x" + "))" * 15,
    "huge angle": r"\tan(10^{50})",
    "huge binomial": r"\binom{10^9}{5\cdot 10^8}",
    "huge exponent": "1e9999",
    "huge root": r"\sqrt[10^{10}]{2}",
    "hard to factor": r"\sqrt{123456789012345678901234567891}",
    "compound interest": r"(1+10^{-60})^{10^{60}}",
    "cases in cases": r"\begin{cases}" * 150 + "1" + r"\end{cases}" * 150,
    "many branches": r"\begin{cases}" + r"x & \text{if } x > 0 \\" * 200 + r"\end{cases}",
    "texts in conditions": r"\begin{cases} 1 & " + r"\text{if " * 100 + "}" * 100 + r"\end{cases}",
    "norms": r"\|" * 2_000,
    "arrows": r"\vec" * 1_200 + "a",
    "points joined by or": "x=1,y=2 or " * 300,
    "ors in brackets": "(x=1,y=2 or " * 100 + "1" + ")" * 100,
    "amounts": "2 feet " * 400,
    "open moduli": "(mod " * 1_000,
    "unions": "(1,2) U " * 400,
    "holes": "all real numbers except " * 200,
    "factorials of a variable": "(n+12)!" * 100,
    "binomials of variables": r"\binom{n+12}{k+12}" * 60,
    "division by zero": r"\frac{1}{0}",
    "surrogate": "\x00\ud800",
}
GOLDS = ["18", r"\frac{1}{2}", "(1,2)", r"\{1,2\}", "x>3", "2x+1", r"\text{Tuesday}", "(B)", r"\sqrt{3+2\sqrt2}"]


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS.keys())
def test_bombs_are_refused_at_once_as_answer_and_as_gold(bomb: str) -> None:
    # Of the CPU: how busy the machine is with other work says nothing.
    started = time.process_time()
    for gold in GOLDS:
        assert compare(bomb, gold).status in ("wrong", "unreadable", "ambiguous")
        assert compare(gold, bomb).status in ("wrong", "unreadable", "ambiguous", "unparseable_gold")
    # Eighteen comparisons; none of these needs the worker.
    assert time.process_time() - started < DEADLINE


@pytest.mark.parametrize("tower", ["9^{9^9}", "10^{10^{10}}", "(10^{10})!", r"\sum_{k=1}^{10^{12}} k"])
def test_what_cannot_be_computed_equals_itself(tower: str) -> None:
    assert compare(tower, tower).status == "correct"


INJECTIONS = [
    "__import__('os').system('touch {}')",
    "().__class__.__bases__[0].__subclasses__()",
    r"\input{{{}}}",
    r"\immediate\write18{{touch {}}}",
    "exec(\"open('{}','w')\")",
    "lambda: open('{}', 'w')",
    "[open('{}', 'w')]",
]


@pytest.mark.parametrize("text", INJECTIONS)
def test_nothing_is_evaluated(text: str, tmp_path: Path) -> None:
    target = tmp_path / "touched"
    code = text.replace("{{", "{").replace("}}", "}").replace("{}", str(target))
    for answer, gold in ((code, "18"), ("18", code), (code, r"\sqrt{2}"), (f"18 + {code}", "18")):
        assert compare(answer, gold).status != "correct"
    assert not target.exists()


@pytest.mark.parametrize("text", ["1_8", "0x12", "18j", "1 8", "True", "int(18)", "18#", "'18' + ''"])
def test_python_literals_are_not_numbers(text: str) -> None:
    assert compare(text, "18").status != "correct"


SYMBOLIC = [(r"\sqrt{3+2\sqrt{2}}", r"1+\sqrt{2}", "correct"), (r"\cos 2x", r"2\cos^2 x - 1", "correct")]
CASES = [
    *SYMBOLIC,
    ("1/2", "0.5", "correct"),
    ("17", "18", "wrong"),
    ("9^{9^9}", "18", "wrong"),
    ("", "5", "unreadable"),
]


def statuses() -> list[str]:
    return [compare(answer, gold).status for answer, gold, _ in CASES]


EXPECTED = [status for _, _, status in CASES]


def _child(queue: multiprocessing.Queue[list[str]]) -> None:
    queue.put(statuses())


def test_the_same_from_many_threads() -> None:
    with ThreadPoolExecutor(8) as threads:
        assert [job.result() for job in [threads.submit(statuses) for _ in range(16)]] == [EXPECTED] * 16


def test_the_same_under_asyncio() -> None:
    assert asyncio.run(asyncio.to_thread(statuses)) == EXPECTED


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_the_same_in_a_child_process(method: str) -> None:
    # The parent's worker is warm: a forked child must not share it.
    assert statuses() == EXPECTED
    context = multiprocessing.get_context(method)
    queue: multiprocessing.Queue[list[str]] = context.Queue()
    child = context.Process(target=_child, args=(queue,))
    child.start()
    assert queue.get(timeout=120) == EXPECTED
    child.join(30)
    assert child.exitcode == 0


def test_the_deadline_ends_symbolic_work_and_the_next_question_is_answered() -> None:
    hard = r"\cos 2x \sin^7 x + \sqrt{2\cos^2 x - 1 + y^2}", r"(2\cos^2 x - 1) \sin^7 x + \sqrt{\cos 2x + y^2}"
    started = time.monotonic()
    assert compare(*hard, deadline=0.001).status == "timeout"
    assert compare(r"\cos 2x", r"1 - 2\sin^2 x").status == "correct"
    assert time.monotonic() - started < 60


def test_a_budget_is_spent_once_for_all_questions() -> None:
    a, b = (parse(tokens(clean(text))) for text in (r"\cos 2x", r"1 - 2\sin^2 x"))
    budget = Budget(30.0)
    assert budget.ask(a, b) is True
    assert budget.seconds < 30.0
    budget.seconds = 0.0
    with pytest.raises(Timeout):
        budget.ask(a, b)
