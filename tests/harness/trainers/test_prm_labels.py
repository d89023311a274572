"""Labels of steps by an engine whose continuations are known, so that every count can be told beforehand."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.overlay import overlay
from evals.data import Item, drawn
from evals.engines import Completion, Request, Sampling, request_seed
from evals.evaluation import Prompted, Row
from harness import chat, threads
from harness.tiny import base, tokenizer
from harness.tiny.recipe import Recipe
from harness.trainers.prm import labels as prm_labels
from harness.trainers.prm import steps as prm_steps
from harness.training import PrmConfig, TrainRun

ROOT = Path(__file__).parents[3]
SCRIPT = Path(__file__).parent / "real_labels.py"
TOKENS = tokenizer.build()
ITEM = Item("q1", "Tom has 4 boxes of 7 eggs and finds 3 more. How many eggs has he?", "#### 31")
RIGHT = "<think> 4 * 7 = 28, 28 + 3 = 31</think>\n#### 31"
WRONG = "<think> 4 * 7 = 28, 28 - 3 = 25</think>\n#### 25"


def graded(text: str, sample: int = 0, correct: bool | None = None, reason: str = "stop") -> Row:
    said = text.endswith(" 31") if correct is None else correct
    tokens = len(chat.example(TOKENS, chat.messages(ITEM.question, "bare"), text).completion_ids)
    more = {"question": ITEM.question, "gold": ITEM.gold, "finish_reason": reason, "tokens": tokens}
    return {"id": ITEM.id, "sample": sample, "completion": text, "correct": said, **more}


class Scripted:
    """Goes on rightly in every second continuation of what has no error, and never of what has one."""

    def __init__(self) -> None:
        self.asked: list[Request] = []

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> Iterator[list[Completion]]:
        self.asked += requests
        for index, request in enumerate(requests):
            text = TOKENS.decode(request.prompt, skip_special_tokens=True)
            right = " 28 - 3" not in text and index % 2 == 0
            end = "" if "</think>" in text else "</think>\n"
            yield [Completion(index, f"{end}#### {31 if right else 9}", 5, "stop", request.seed)]


@pytest.fixture
def asked(run: TrainRun) -> TrainRun:
    prm = PrmConfig(continuations=4, max_new_tokens=60, max_length=200)
    return run.model_copy(update={"method": "prm", "grpo": None, "prm": prm})


def labels(asked: TrainRun, rows: Sequence[Row], engine: Any = None) -> Row:
    return prm_labels.labels_of(asked, engine or Scripted(), TOKENS, ITEM, rows)


def counts(solution: Row) -> list[tuple[int, int]]:
    return [(step["right"], step["scorable"]) for step in solution["steps"]]


def test_steps_before_an_error_are_worth_more_than_those_after_it(asked: TrainRun) -> None:
    found = labels(asked, [graded(RIGHT), graded(WRONG, 1)])
    right, wrong = found["solutions"]
    assert [counts(right), counts(wrong)] == [[(2, 4), (2, 4), (1, 1)], [(2, 4), (0, 4), (0, 1)]]
    texts = [[row["completion"][step["start"] : step["end"]] for step in row["steps"]] for row in (right, wrong)]
    assert ["".join(each) for each in texts] == [RIGHT, WRONG]
    assert texts[0][-1] == "#### 31"


def test_equal_beginnings_are_continued_once_and_every_request_has_its_own_seed(asked: TrainRun) -> None:
    engine = Scripted()
    found = labels(asked, [graded(RIGHT), graded(WRONG, 1), graded(RIGHT, 2)], engine)
    # The first step of all three, and the second ones of two kinds.
    assert found["prefixes"] == 3
    assert found["tokens"]["continuations"] == 5 * 4 * 3
    assert len(engine.asked) == len({request.seed for request in engine.asked}) == 12
    assert counts(found["solutions"][0]) == counts(found["solutions"][2])
    # Nor does a seed hang on the other solutions.
    alone = Scripted()
    labels(asked, [graded(WRONG)], alone)
    assert {request.seed for request in alone.asked} <= {request.seed for request in engine.asked}


def test_a_continuation_goes_on_from_the_tokens_and_to_the_length_of_a_whole_solution(asked: TrainRun) -> None:
    engine = Scripted()
    labels(asked, [graded(RIGHT)], engine)
    prompt = chat.encode(TOKENS, chat.messages(ITEM.question, "bare"))
    for request in engine.asked:
        assert list(request.prompt[: len(prompt)]) == prompt
        begun = request.prompt[len(prompt) :]
        assert RIGHT.startswith(TOKENS.decode(begun, skip_special_tokens=True))
        assert request.limit == 60 - len(begun)


@pytest.mark.parametrize(
    ("row", "changes", "reason"),
    [
        pytest.param(graded(RIGHT, correct=True) | {"correct": None}, {}, "unscorable", id="no verdict"),
        pytest.param(graded(RIGHT), {"max_length": 20}, "too long", id="too long with its prompt"),
        pytest.param(graded(RIGHT), {"max_new_tokens": 5}, "too long", id="longer than it was sampled"),
        pytest.param(graded("4 pies xyzzy"), {}, "unwritable", id="tokens that read otherwise"),
        pytest.param(graded(""), {}, "empty", id="nothing written"),
    ],
)
def test_what_cannot_be_labelled_is_counted(asked: TrainRun, row: Row, changes: dict[str, int], reason: str) -> None:
    assert asked.prm is not None
    asked = asked.model_copy(update={"prm": asked.prm.model_copy(update=changes)})
    found = labels(asked, [row])
    assert (found["solutions"], found["dropped"]) == ([], {reason: 1})
    assert found["tokens"] == {"solutions": row["tokens"], "continuations": 0}


def test_of_what_was_cut_off_the_last_step_is_unknown(asked: TrainRun) -> None:
    (found,) = labels(asked, [graded(RIGHT.removesuffix(" 31"), correct=False, reason="length")])["solutions"]
    assert counts(found) == [(2, 4), (2, 4), (0, 0)]


def test_continuations_that_cannot_be_judged_are_no_wrong_ones(asked: TrainRun) -> None:
    item = Item(ITEM.id, ITEM.question, "no number")
    found = prm_labels.labels_of(asked, Scripted(), TOKENS, item, [graded(RIGHT)])
    assert counts(found["solutions"][0])[:2] == [(0, 0), (0, 0)]


@settings(deadline=None, max_examples=40)
@given(st.lists(st.sampled_from([" 4 * 7 = 28", " 28 + 3 = 31", " 28 - 3 = 25", "\n", ", ", "</think>\n"]), min_size=1))
def test_steps_tile_the_completion_in_characters_and_tokens(parts: list[str]) -> None:
    text = "".join(["<think>", *parts, "#### 31"])
    cut = prm_steps.cut_up(TOKENS, graded(text), "bare", 10_000, 10_000)
    if isinstance(cut, str):
        assert cut == "unwritable"
        return
    assert [step.span.start for step in cut.steps] == [0, *(step.span.end for step in cut.steps[:-1])]
    assert [step.first for step in cut.steps] == [0, *(step.last for step in cut.steps[:-1])]
    for step in cut.steps:
        written = chat.decode(TOKENS, cut.ids[: step.last])
        assert written.startswith(text[: step.span.end])
        assert not chat.decode(TOKENS, cut.ids[: step.last - 1]).startswith(text[: step.span.end])


def items(count: int) -> list[Item]:
    return [Item(f"q{place}", ITEM.question, ITEM.gold) for place in range(count)]


@pytest.mark.parametrize("torn", [0, 1, 30], ids=["between two lines", "a letter", "half a line"])
def test_labelling_goes_on_where_it_was_killed(tmp_path: Path, torn: int) -> None:
    """Whatever of a line a kill left is sampled again, and nothing else is."""
    done: list[str] = []

    def labels_of(item: Item) -> Row:
        done.append(item.id)
        return {"id": item.id, "seed": request_seed(0, item.id, 0)}

    whole = prm_labels.label(tmp_path, items(5), labels_of)
    path = tmp_path / "labels.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:2]) + lines[2][:torn])
    assert prm_labels.label(tmp_path, items(5), labels_of) == whole
    assert done == ["q0", "q1", "q2", "q3", "q4", "q2", "q3", "q4"]
    assert path.read_bytes() == b"".join(lines)
    told = json.loads((tmp_path / "status.json").read_text())
    assert (told["phase"], told["graded"], told["to_grade"]) == ("labels", 5, 5)


def test_questions_are_drawn_by_the_seed_in_their_order() -> None:
    found = drawn(items(20), 6, seed=1)
    assert len(found) == 6
    assert found == sorted(found, key=lambda item: int(item.id[1:]))
    assert found == drawn(items(20), 6, seed=1) != drawn(items(20), 6, seed=2)
    assert drawn(items(3), 0, 1) == drawn(items(3), 9, 1) == items(3)


def test_the_solutions_are_an_evaluation_that_is_not_sampled_twice(asked: TrainRun, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(asked.model.path)
    prompted = [Prompted(ITEM, chat.encode(TOKENS, chat.messages(ITEM.question, "bare")))]
    found = prm_labels.solutions(asked, model, TOKENS, prompted, tmp_path, Scripted)
    assert [row["sample"] for row in found] == [0, 1, 2, 3]

    def unwanted() -> Any:
        raise AssertionError("everything is there")

    assert prm_labels.solutions(asked, model, TOKENS, prompted, tmp_path, unwanted) == found


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_vllm_labels_as_transformers_does_and_computes_prefixes_once(asked: TrainRun, tmp_path: Path) -> None:
    """Nearly greedy, so that both engines write the same; a block of the CPU build's cache has 128 tokens."""
    # The CPU build has no attention with heads narrower than 32.
    base.model(Recipe(hidden=64, mlp=64, layers=2, heads=2), TOKENS).save_pretrained(tmp_path / "model")
    TOKENS.save_pretrained(tmp_path / "model")
    assert asked.prm is not None
    prm = asked.prm.model_copy(update={"temperature": 0.01, "max_length": 500})
    model = asked.model.model_copy(update={"path": str(tmp_path / "model")})
    asked.model_copy(update={"prm": prm, "model": model}).write(tmp_path / "config.toml")
    item = Item("long", " ".join([ITEM.question] * 10), ITEM.gold)
    prompt = len(chat.encode(TOKENS, chat.messages(item.question, "bare")))
    assert 128 < prompt < 256
    rows = [graded(text, sample) | {"question": item.question} for sample, text in enumerate((RIGHT, WRONG))]
    task = {"run": str(tmp_path / "config.toml"), "item": asdict(item), "prompt": prompt, "rows": rows}
    settings = {"VLLM_CPU_KVCACHE_SPACE": "1", "HF_HUB_OFFLINE": "1"}
    environment = {**threads.environment(), **settings, "PYTHONPATH": f"{overlay('vllm-cpu')}{os.pathsep}{ROOT}"}
    command = [sys.executable, str(SCRIPT)]
    done = subprocess.run(command, input=json.dumps(task), capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["vllm"] == found["transformers"]
    # Twelve requests that share their question: all but the first have its block.
    assert found["cached"] == 11 * 128
    assert found["read"] > 12 * prompt
