"""The completions on disk: everything that is known of each, of the newest steps, whole files only."""

from pathlib import Path

import pytest

from harness.trainers.completions import Completions, read
from harness.trainers.scoring import Sample

PROMPT = [{"role": "user", "content": "How many eggs?"}]
SAMPLES = [
    Sample(PROMPT, "#### 1\u2028", 5, "stop", "1", "correct", {"format": 0.0, "answer": 1.0}, 0.8),
    Sample(PROMPT, "<think>", 8, "length", "1", "no_answer", {"format": None, "answer": None}, None),
]


def test_every_field_of_a_completion_comes_back(tmp_path: Path) -> None:
    Completions(tmp_path, 3).write(7, SAMPLES, [0.5, None])
    first, second = read(tmp_path, 7)
    assert first == {
        "step": 7,
        "prompt": PROMPT,
        "completion": "#### 1\u2028",
        "tokens": 5,
        "finish": "stop",
        "gold": "1",
        "status": "correct",
        "components": {"format": 0.0, "answer": 1.0},
        "reward": 0.8,
        "late": False,
        "steps": [],
        "advantage": 0.5,
    }
    assert (second["reward"], second["advantage"], second["components"]["answer"]) == (None, None, None)


def test_advantages_of_tokens_are_kept_without_those_of_padding(tmp_path: Path) -> None:
    Completions(tmp_path, 1).write(1, SAMPLES, [[0.25, 0.1234567, 0.0, 0.0, -1.0, 9.0, 9.0, 9.0], [0.5] * 8])
    first, second = read(tmp_path, 1)
    assert first["advantage"] == [0.25, 0.12346, 0.0, 0.0, -1.0]
    assert len(second["advantage"]) == 8


@pytest.mark.parametrize(("keep", "steps"), [(2, [9, 10]), (0, []), (50, list(range(1, 11)))])
def test_only_the_newest_steps_stay(tmp_path: Path, keep: int, steps: list[int]) -> None:
    for step in range(1, 11):
        Completions(tmp_path, keep).write(step, SAMPLES, [0.5, None])
    found = sorted(path.name for path in tmp_path.rglob("*") if path.is_file())
    assert found == [f"step_{step:06d}.jsonl.gz" for step in steps]


def test_equal_completions_are_equal_bytes_and_a_step_done_again_replaces_its_file(tmp_path: Path) -> None:
    kept = Completions(tmp_path, 5)
    kept.write(1, SAMPLES[:1], [0.0])
    kept.write(1, SAMPLES, [0.5, None])
    first = (tmp_path / "completions" / "step_000001.jsonl.gz").read_bytes()
    kept.write(1, SAMPLES, [0.5, None])
    assert (tmp_path / "completions" / "step_000001.jsonl.gz").read_bytes() == first
    assert len(read(tmp_path, 1)) == 2
