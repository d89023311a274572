"""Chat files: which messages are learnt, after which, and what is said of lines that cannot be used."""

import json
from pathlib import Path
from typing import Any

import pytest

from harness import chat
from harness.trainers.conversations import BadConversations, read

USER = {"role": "user", "content": "2+2?"}
ANSWER = {"role": "assistant", "content": "<think>2+2=4</think>\n#### 4"}
AGAIN = {"role": "user", "content": "And 3+3?"}
SIX = {"role": "assistant", "content": "6"}


def written(folder: Path, *rows: Any) -> Path:
    path = folder / "chat.jsonl"
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("row", "learnt"),
    [
        ({"messages": [USER, ANSWER]}, [([USER], ANSWER)]),
        ({"messages": [USER, ANSWER, AGAIN, SIX]}, [([USER], ANSWER), ([USER, ANSWER, AGAIN], SIX)]),
        ({"prompt": [USER, ANSWER, AGAIN], "completion": [SIX]}, [([USER, ANSWER, AGAIN], SIX)]),
        ({"prompt": "2+2?", "completion": ANSWER["content"]}, [(chat.messages("2+2?", "think"), ANSWER)]),
        ({"messages": [USER, ANSWER], "source": "x", "n": 1}, [([USER], ANSWER)]),
    ],
    ids=["one answer", "every answer", "a prompt's answers are given", "texts", "other fields"],
)
def test_answers_are_learnt_after_what_stands_before_them(tmp_path: Path, row: Any, learnt: Any) -> None:
    found = read([written(tmp_path, row)], "think").found
    assert [(each.conversation, each.completion) for each in found] == [
        (before, answer["content"]) for before, answer in learnt
    ]


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("{", "Invalid JSON"),
        ('"text"', "should be an object"),
        ({"text": "x"}, "give `messages`, or `prompt` and `completion`"),
        ({"prompt": "x"}, "give `messages`, or `prompt` and `completion`"),
        ({"messages": [USER, ANSWER], "prompt": "x", "completion": "y"}, "give `messages`, or"),
        ({"messages": []}, "must be the assistant's"),
        ({"messages": [USER, ANSWER, AGAIN]}, "must be the assistant's"),
        ({"messages": [ANSWER]}, "before the first answer"),
        ({"prompt": "", "completion": "y"}, "before the first answer"),
        ({"prompt": "x", "completion": ""}, "must be the assistant's, and not empty"),
        ({"messages": [USER, {"role": "assistant", "content": None}]}, "messages.1.content"),
        ({"messages": [USER, {"role": "tool", "content": "x"}, ANSWER]}, "messages.1.role"),
    ],
    ids=[
        "not JSON",
        "not an object",
        "another form",
        "half of a form",
        "both forms",
        "empty",
        "nobody answers at the end",
        "nothing is asked",
        "an empty prompt",
        "an empty completion",
        "no text",
        "a role that has no place",
    ],
)
def test_malformed_lines_are_named_with_their_number(tmp_path: Path, row: Any, says: str) -> None:
    path = written(tmp_path, {"messages": [USER, ANSWER]}, row)
    with pytest.raises(BadConversations) as error:
        read([path], "bare")
    assert str(error.value).startswith(f"{path}:2: ")
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_many_malformed_lines_are_counted(tmp_path: Path) -> None:
    with pytest.raises(BadConversations) as error:
        read([written(tmp_path, *["{"] * 8)], "bare")
    lines = str(error.value).splitlines()
    assert len(lines) == 6
    assert lines[-1] == "... and 3 more malformed lines"


def test_a_line_separator_within_a_text_ends_no_line(tmp_path: Path) -> None:
    path = tmp_path / "chat.jsonl"
    path.write_text(json.dumps({"prompt": "a\u2028b", "completion": "c"}, ensure_ascii=False), encoding="utf-8")
    assert read([path], "bare").found[0].conversation == [{"role": "user", "content": "a\u2028b"}]


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(BadConversations, match=r"none\.jsonl: cannot be read"):
        read([tmp_path / "none.jsonl"], "bare")
