"""Data files: every malformed line is named by its number, nothing is dropped in silence."""

import json
from pathlib import Path

import pytest

from evals.data import DataError, load

GOOD = json.dumps({"question": "How many?", "answer": "2+2=<<2+2=4>>4\n#### 4"})


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{not json", r"a\.jsonl:2: not JSON"),
        ("[1, 2]", r"a\.jsonl:2: not an object"),
        ('{"question": "x"}', r"a\.jsonl:2: no text under `answer`"),
        ('{"question": "", "answer": "1"}', r"a\.jsonl:2: no text under `question`"),
        ('{"question": "x", "answer": 18}', r"a\.jsonl:2: no text under `answer`"),
    ],
    ids=["not json", "not an object", "no answer", "empty question", "answer is a number"],
)
def test_a_malformed_line_is_named(tmp_path: Path, line: str, says: str) -> None:
    (tmp_path / "a.jsonl").write_text(f"{GOOD}\n{line}\n{GOOD}\n")
    with pytest.raises(DataError, match=says):
        load(tmp_path / "a.jsonl")


@pytest.mark.parametrize("text", ["", "\n\n"], ids=["empty", "blank lines"])
def test_a_file_without_problems_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.jsonl").write_text(text)
    with pytest.raises(DataError, match="holds no problems"):
        load(tmp_path / "a.jsonl")


def test_binary_and_missing_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b"\xff\xfe\x00")
    for name in ("a.jsonl", "missing.jsonl"):
        with pytest.raises(DataError, match="cannot be read"):
            load(tmp_path / name)


def test_ids_come_from_the_file_or_the_line(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(f'{GOOD}\n\n{{"id": 7, "question": "x", "answer": "1"}}\n')
    items = load(tmp_path / "a.jsonl")
    assert [item.id for item in items] == ["a-1", "7"]
    assert [item.id for item in load(tmp_path / "a.jsonl", limit=1)] == ["a-1"]
