"""An evaluation in a folder: killed at any moment it goes on, and ends with the file of an uninterrupted one."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from evals.data import Item
from evals.engines import Completion, Request, Sampling
from evals.evaluation import Prompted
from evals.run import Run, RunError, mended
from harness import threads

ROOT = Path(__file__).parents[2]
ITEMS = [Item(f"i{n}", f"{n} + 1?", f"#### {n + 1}") for n in range(6)]


class Counted:
    """An engine that adds one, two requests a batch, last ones first; it fails where it is told to."""

    def __init__(self, batches: int = 99) -> None:
        self.batches = batches
        self.asked: list[int] = []

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> Iterator[list[Completion]]:
        for count, start in enumerate(range(len(requests) - 2, -2, -2)):
            if count == self.batches:
                raise KeyboardInterrupt
            chosen = [i for i in (start, start + 1) if i >= 0]
            self.asked += [requests[i].prompt[0] for i in chosen]
            yield [Completion(i, f"#### {requests[i].prompt[0] + 1}", 4, "stop", requests[i].seed) for i in chosen]


def run(folder: Path, request: dict[str, Any] | None = None, samples: int = 1, items: Sequence[Item] = ITEMS) -> Run:
    prompted = [Prompted(item, [int(item.question.split()[0])]) for item in items]
    return Run(folder, request or {"sampling": {"seed": 0}}, prompted, Sampling(8), samples)


def finish(run: Run, engine: Any) -> list[dict[str, Any]]:
    return run.finish(lambda: engine, lambda rows, found: None)


def test_rows_end_in_the_order_of_the_data(tmp_path: Path) -> None:
    rows = finish(run(tmp_path / "e", samples=2), Counted())
    assert [(row["id"], row["sample"]) for row in rows] == [(f"i{n}", s) for n in range(6) for s in (0, 1)]
    assert all(row["correct"] for row in rows)
    assert len({row["seed"] for row in rows}) == 12
    assert [json.loads(line) for line in (tmp_path / "e/items.jsonl").read_text().splitlines()] == rows


def test_an_interrupted_run_asks_only_for_what_is_missing(tmp_path: Path) -> None:
    expected = finish(run(tmp_path / "whole"), Counted())
    first, second = Counted(batches=2), Counted()
    with pytest.raises(KeyboardInterrupt):
        finish(run(tmp_path / "e"), first)
    assert sorted(first.asked) == [2, 3, 4, 5]
    seen: list[tuple[int, bool]] = []
    rows = run(tmp_path / "e").finish(lambda: second, lambda rows, found: seen.append((len(rows), found)))
    assert rows == expected
    assert sorted(second.asked) == [0, 1]
    assert seen == [(4, True), (2, False)]
    assert (tmp_path / "e/items.jsonl").read_bytes() == (tmp_path / "whole/items.jsonl").read_bytes()
    timing = [json.loads(line) for line in (tmp_path / "e/timing.jsonl").read_text().splitlines()]
    assert [line["completions"] for line in timing] == [2, 2, 2]
    assert run(tmp_path / "e").seconds() == sum(line["seconds"] for line in timing)


def test_a_finished_run_loads_no_engine(tmp_path: Path) -> None:
    rows = finish(run(tmp_path / "e"), Counted())

    def refuse() -> Any:
        raise AssertionError("loaded")

    assert run(tmp_path / "e").finish(refuse, lambda rows, found: None) == rows


@pytest.mark.parametrize("cut", [1, 40, 200], ids=["the newline", "some of the last line", "most of it"])
def test_a_torn_last_line_is_mended(tmp_path: Path, cut: int) -> None:
    expected = finish(run(tmp_path / "e"), Counted())
    items = tmp_path / "e/items.jsonl"
    whole = items.read_bytes()
    items.write_bytes(whole[:-cut])
    engine = Counted()
    assert finish(run(tmp_path / "e"), engine) == expected
    assert engine.asked == [5]
    assert items.read_bytes() == whole


@pytest.mark.parametrize("line", ["{broken", "[1]"], ids=["no JSON", "no object"])
def test_damage_elsewhere_is_told_with_its_line(tmp_path: Path, line: str) -> None:
    path = tmp_path / "items.jsonl"
    path.write_text(f'{{"a": 1}}\n{line}\n{{"a": 2}}\n')
    with pytest.raises(RunError, match=r"items\.jsonl:2: not "):
        mended(path)


def test_repeated_and_unknown_rows_are_refused(tmp_path: Path) -> None:
    finish(run(tmp_path / "e"), Counted())
    items = tmp_path / "e/items.jsonl"
    first = items.read_text().splitlines(keepends=True)[0]
    for extra in (first, first.replace('"i0"', '"other"')):
        items.write_text(items.read_text() + extra)
        with pytest.raises(RunError, match="repeated or unknown"):
            finish(run(tmp_path / "e"), Counted())


def test_another_request_is_refused_by_name(tmp_path: Path) -> None:
    finish(run(tmp_path / "e", {"sampling": {"seed": 0, "stop": ["Q:"]}, "model": {"name": "a"}}), Counted())
    other = {"sampling": {"seed": 1, "stop": ["Q:"], "top_p": 0.9}, "model": {"name": "a"}}
    with pytest.raises(RunError) as caught:
        finish(run(tmp_path / "e", other), Counted())
    told = str(caught.value).splitlines()
    assert "holds another evaluation; give another --out" in told[0]
    assert told[1:] == ["  sampling.seed: 0 there, 1 asked", "  sampling.top_p: null there, 0.9 asked"]


def test_items_of_unknown_origin_are_refused(tmp_path: Path) -> None:
    (tmp_path / "items.jsonl").write_text("")
    with pytest.raises(RunError, match=r"without its eval\.json"):
        finish(run(tmp_path), Counted())


def test_two_processes_do_not_share_a_folder(tmp_path: Path) -> None:
    class Nested(Counted):
        def generate(self, requests: Sequence[Request], sampling: Sampling) -> Iterator[list[Completion]]:
            with pytest.raises(RunError, match="another process is at this evaluation"):
                finish(run(tmp_path / "e"), Counted())
            return super().generate(requests, sampling)

    assert len(finish(run(tmp_path / "e"), Nested())) == 6


def test_lone_surrogates_survive(tmp_path: Path) -> None:
    item = Item("x", "5 \ud800?", "#### 6")
    rows = finish(run(tmp_path / "e", items=[item]), Counted())
    assert rows[0]["question"] == "5 \ud800?"
    assert mended(tmp_path / "e/items.jsonl") == rows


# A model whose every draw matters: sampled, in batches, with rows that end early. It is loaded once, and each folder
# named on stdin is filled by a child, whose id and exit status are printed.
CHILDREN = """
import os
import sys
from pathlib import Path
import torch
from evals.data import Item
from evals.engines import Sampling
from evals.engines.transformers import TransformersEngine
from evals.evaluation import Prompted
from evals.run import Run
from harness.tiny import base, tokenizer
from harness.tiny.recipe import Recipe

torch.manual_seed(0)
tokens = tokenizer.build()
model = base.model(Recipe(hidden=32, mlp=64, layers=2, heads=2), tokens)
items = [Item(f"i{n}", f"Tom has {n} apples." + " Tom has 3 eggs." * (n % 5), f"#### {n}") for n in range(60)]
prompted = [Prompted(item, tokens(item.question)["input_ids"]) for item in items]
for line in sys.stdin:
    child = os.fork()
    if not child:
        run = Run(Path(line.strip()), {"seed": 0}, prompted, Sampling(40, 1.0, stop=("k",)), samples=2)
        run.finish(lambda: TransformersEngine(model, tokens, 4), lambda rows, found: None)
        os._exit(0)
    print(child, flush=True)
    print(os.waitpid(child, 0)[1], flush=True)
"""


class Children:
    """Runs of one process that has the model in memory."""

    def __init__(self) -> None:
        path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
        self.parent = subprocess.Popen(
            [sys.executable, "-c", CHILDREN],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**threads.environment(), "PYTHONPATH": path},
        )

    def start(self, folder: Path) -> int:
        assert self.parent.stdin is not None
        self.parent.stdin.write(f"{folder}\n")
        self.parent.stdin.flush()
        return self.read()

    def read(self) -> int:
        assert self.parent.stdout is not None
        return int(self.parent.stdout.readline())


@pytest.fixture
def children() -> Iterator[Children]:
    made = Children()
    yield made
    made.parent.kill()
    made.parent.wait()


def test_killed_at_random_moments_it_ends_with_the_same_file(tmp_path: Path, children: Children) -> None:
    children.start(tmp_path / "whole")
    assert children.read() == 0
    items = tmp_path / "killed/items.jsonl"
    moments = random.Random(0)
    kept: list[int] = []
    for _ in range(5):
        before = items.stat().st_size if items.exists() else 0
        child = children.start(tmp_path / "killed")
        # Wait for a batch of this session, then for a moment that has nothing to do with batches.
        while not items.exists() or items.stat().st_size <= before:
            time.sleep(0.001)
        time.sleep(moments.random() * 0.05)
        os.kill(child, signal.SIGKILL)
        assert children.read() == signal.SIGKILL
        kept.append(items.read_bytes().count(b"\n"))
    assert kept == sorted(set(kept)), "every session keeps what was there and adds to it"
    assert kept[-1] < 120
    children.start(tmp_path / "killed")
    assert children.read() == 0
    assert items.read_bytes() == (tmp_path / "whole/items.jsonl").read_bytes()
