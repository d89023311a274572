"""Rejection sampling: which completions of an evaluation are kept, and that none is of a test question."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.items import ItemsError
from harness import chat
from harness.trainers.rejection import TestQuestions, path, read


def row(completion: str, question: str = "q", correct: bool | None = True, **more: Any) -> dict[str, Any]:
    return {"id": question, "question": question, "completion": completion, "correct": correct, **more}


def written(folder: Path, rows: list[dict[str, Any]]) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "items.jsonl").write_text("".join(json.dumps(each) + "\n" for each in rows), encoding="utf-8")
    return folder


def test_correct_distinct_and_capped(tmp_path: Path) -> None:
    rows = [
        row("First 2 + 3 = 5. #### 5"),
        row("Then 2+3=5, said otherwise. #### 5"),
        row("3 + 3 = 6 #### 6", correct=False),
        row("?", correct=None),
        row("2 * 2 = 4 and 4 + 1 = 5", finish_reason="length"),
        row("6 - 1 = 5 #### 5", finish_reason="stop"),
        row("1 + 4 = 5 #### 5"),
        row("2 + 3 = 5 #### 5", question="r"),
    ]
    found = read([written(tmp_path / "eval", rows)], "bare", per_question=2)
    assert [(each.conversation, each.completion) for each in found.found] == [
        (chat.messages("q", "bare"), "First 2 + 3 = 5. #### 5"),
        (chat.messages("q", "bare"), "6 - 1 = 5 #### 5"),
        (chat.messages("r", "bare"), "2 + 3 = 5 #### 5"),
    ]
    assert found.dropped == {"repeated": 1, "wrong": 1, "unscorable": 1, "truncated": 1, "over_cap": 1}


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.sampled_from(["1 + 1 = 2", "2 - 1 = 1", "so", "so  "]), st.booleans())
    ),
    st.integers(1, 3),
)
def test_every_completion_is_kept_or_counted(
    tmp_path_factory: pytest.TempPathFactory, drawn: list[tuple[str, str, bool]], cap: int
) -> None:
    if not drawn:
        return
    rows = [row(text, question, correct) for question, text, correct in drawn]
    found = read([written(tmp_path_factory.mktemp("items"), rows)], "bare", cap)
    assert len(found.found) + sum(found.dropped.values()) == len(rows)
    asked = [each.conversation[-1]["content"] for each in found.found]
    assert all(asked.count(question) <= cap for question in asked)
    kept = [(question, path(each.completion)) for question, each in zip(asked, found.found, strict=True)]
    assert len(set(kept)) == len(kept)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2 + 3 = 5, so 5 * 2 = 10", "She has 3 + 2 = 5. Then 5*2=10.", True),
        ("2 + 3 = 5, so 5 * 2 = 10", "5 * 2 = 10 after 2 + 3 = 5", False),
        ("2 + 3 = 5", "6 - 1 = 5", False),
        ("The  answer is 5", "The answer is 5", True),
        ("The answer is 5", "It is 5", False),
    ],
    ids=["other words", "another order", "another equation", "white space", "no equation"],
)
def test_reasoning_paths_are_told_apart_by_their_equations(one: str, other: str, same: bool) -> None:
    assert (path(one) == path(other)) == same


def test_several_evaluations_share_the_cap(tmp_path: Path) -> None:
    files = [written(tmp_path / name, [row(f"{n} + 1 = {n + 1}")]) for n, name in enumerate("abc")]
    assert len(read(files, "bare", per_question=2).found) == 2


def test_rollouts_of_test_questions_are_refused(tmp_path: Path) -> None:
    folder = written(tmp_path / "eval", [row("x", "seen"), row("y", "held out")])
    with pytest.raises(TestQuestions, match=r"1 questions of the rollouts are test questions.*--split train"):
        read([folder], "bare", 4, test={"held out"})


def test_rows_that_hold_no_texts_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ItemsError, match="no texts under `question` and `completion`"):
        read([written(tmp_path / "eval", [{"id": "a", "correct": True}])], "bare", 4)
