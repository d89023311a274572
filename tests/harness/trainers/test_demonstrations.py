"""Worked solutions as demonstrations: the shape that the format reward pays for, with the answer that the gold has."""

import os
from itertools import islice
from pathlib import Path

import pytest

from evals.data import Item, load
from harness import chat
from harness.tiny.problems import problems
from harness.trainers.demonstrations import solutions, think_steps
from rewards import verify_batch
from rewards.outcome import has_format

DATA = Path(os.environ.get("HARNESS_GSM8K", Path(__file__).parents[3] / "../shared/data/gsm8k"))
CLIPS = (
    "Natalia sold 48/2 = <<48/2=24>>24 clips in May.\n"
    "Natalia sold 48+24 = <<48+24=72>>72 clips altogether in April and May.\n#### 72"
)


@pytest.mark.parametrize(
    ("gold", "annotations", "text"),
    [
        (
            CLIPS,
            False,
            "<think>Natalia sold 48/2 = 24 clips in May.\n"
            "Natalia sold 48+24 = 72 clips altogether in April and May.</think>\n#### 72",
        ),
        (CLIPS, True, f"<think>{CLIPS.removesuffix(chr(10) + '#### 72')}</think>\n#### 72"),
        ("3*4=<<3*4=12>>12\n#### 12", False, "<think> 3 * 4 = 12</think>\n#### 12"),
        ("3*4=<<3*4=12>>12\n#### 12", True, "<think>3*4=<<3*4=12>>12</think>\n#### 12"),
        ("$5*20% = $1\n#### 1", False, "<think> $5 * 20% = $1</think>\n#### 1"),
        ("He is 10-20 years old.\n#### 15", False, "<think>He is 10-20 years old.</think>\n#### 15"),
        ("It is 1/2.\nx - 3 = 4\n#### 7", False, "<think>It is 1/2.\nx - 3 = 4</think>\n#### 7"),
        ("18", False, None),
        ("#### 18", False, None),
    ],
    ids=[
        "annotations go, words stay",
        "annotations stay",
        "a line that only computes is spaced",
        "an annotated line stays as it is",
        "money and percent are parts of numbers",
        "a range in a sentence is no equation",
        "letters make no equation",
        "a bare number has no steps",
        "a mark without steps",
    ],
)
def test_solutions_become_think_steps(gold: str, annotations: bool, text: str | None) -> None:
    assert think_steps(gold, annotations) == text


@pytest.mark.parametrize("difficulty", [1, 2, 3])
def test_the_embedded_data_is_written_as_its_model_writes(difficulty: int) -> None:
    for problem in islice(problems("train", 5, difficulty), 200):
        assert think_steps(problem.solution, annotations=False) == problem.chain


@pytest.mark.parametrize("annotations", [False, True], ids=["without", "with annotations"])
def test_every_gsm8k_solution_has_the_format_and_verifies(annotations: bool) -> None:
    path = DATA / "train.jsonl"
    if not path.is_file():
        pytest.skip(f"no {path.name} in {DATA}: set HARNESS_GSM8K to the folder of GSM8K's jsonl files")
    items = load(path)
    texts = [think_steps(item.gold, annotations) for item in items]
    written = [text for text in texts if text is not None]
    assert len(written) == len(items) == 7473
    assert all(has_format(text) for text in written)
    assert all(verdict.correct for verdict in verify_batch(written, [item.gold for item in items]))
    assert any("<<" in text for text in written) == annotations


def test_items_without_steps_are_dropped_and_counted() -> None:
    items = [Item("a", "How many?", "1+1=<<1+1=2>>2\n#### 2"), Item("b", "And now?", "2")]
    found = solutions(items, "think", annotations=False)
    assert [each.conversation for each in found.found] == [chat.messages("How many?", "think")]
    assert found.dropped == {"without_steps": 1}
