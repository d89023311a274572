"""Data files: every malformed line is named by its number, nothing is dropped in silence."""

import hashlib
import json
from pathlib import Path

import pytest
from real import DATA, lines

from evals.data import DataError, load, read

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


def test_every_malformed_line_is_counted(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(f"{GOOD}\n" + "{\n" * 7)
    with pytest.raises(DataError) as told:
        load(tmp_path / "a.jsonl")
    said = str(told.value).splitlines()
    assert [line.split(": ")[0].rsplit(":")[-1] for line in said[:5]] == ["2", "3", "4", "5", "6"]
    assert said[5:] == ["... and 2 more malformed lines"]


def test_malformed_lines_can_be_passed_over_and_are_told(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(f"{{\n{GOOD}\n[]\n")
    data = read(tmp_path / "a.jsonl", skip_malformed=True)
    assert [item.id for item in data.items] == ["a-2"]
    assert [line.split(": ")[1] for line in data.malformed] == [
        "not JSON (Expecting property name enclosed in double quotes at column 2); mend or drop it",
        "not an object with `question` and `answer`; mend or drop the line",
    ]
    assert data.notes()[0] == "2 malformed lines were passed over:"


def test_an_id_may_stand_only_once(tmp_path: Path) -> None:
    line = '{"id": "x", "question": "q", "answer": "1"}'
    (tmp_path / "a.jsonl").write_text(f"{line}\n{line}\n")
    with pytest.raises(DataError, match=r"a\.jsonl:2: id x stands already"):
        load(tmp_path / "a.jsonl")


def test_a_line_ends_at_a_newline_only(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"question": "one\u2028two", "answer": "1"}\r\n', encoding="utf-8")
    assert load(tmp_path / "a.jsonl")[0].question == "one\u2028two"


def test_gsm_plus_problems_without_an_answer_are_counted_apart(tmp_path: Path) -> None:
    rows = [
        {"question": "q1", "solution": "... #### 4.33", "answer": "4.33", "perturbation_type": "digit expansion"},
        {"question": "q2", "solution": "... #### None", "answer": "None", "perturbation_type": "critical thinking"},
        {"question": "q3", "solution": "... #### 3", "answer": "3", "perturbation type": "adding operation"},
    ]
    (tmp_path / "plus.jsonl").write_text("\n".join(map(json.dumps, rows)))
    data = read(tmp_path / "plus.jsonl")
    assert [(item.id, item.kind) for item in data.items] == [
        ("plus-1", "digit expansion"),
        ("plus-3", "adding operation"),
    ]
    assert [item.id for item in data.unanswered] == ["plus-2"]
    assert data.notes() == ["1 problems have no answer by design and are left out"]
    assert len(load(tmp_path / "plus.jsonl")) == 3


def test_gsm_symbolic_instances_have_ids_of_their_own(tmp_path: Path) -> None:
    # The published fields; `instance` counts from 0 within every `id`, and `original_id` is the same for all of them.
    original = {"original_id": 1106, "original_question": "q", "original_answer": "#### 9", "canary": "canary GUID 0"}
    places = [(id, instance) for id in range(12) for instance in range(50)]
    rows = [
        {"id": id, "instance": instance, "question": f"q{id}-{instance}", "answer": f"so\n#### {instance}", **original}
        for id, instance in places
    ]
    (tmp_path / "symbolic.jsonl").write_text("\n".join(map(json.dumps, rows)))
    items = read(tmp_path / "symbolic.jsonl").items
    assert [item.id for item in items] == [f"{id}-{instance}" for id, instance in places]
    assert len({item.id for item in items}) == 600
    assert (items[51].question, items[51].gold, items[51].kind) == ("q1-1", "so\n#### 1", None)


def test_golds_that_do_not_parse_are_counted(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(f'{GOOD}\n{{"question": "q", "answer": "many"}}\n')
    data = read(tmp_path / "a.jsonl")
    assert (len(data.items), data.unreadable) == (2, ("a-2",))
    assert data.notes() == ["1 golds are not one number and cannot be scored: a-2"]


def test_a_column_without_any_readable_gold_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"question": "q", "answer": "many"}\n{"question": "r", "answer": "few"}\n')
    with pytest.raises(DataError, match=r"no gold is one number.*'many'"):
        read(tmp_path / "a.jsonl")


def test_a_split_is_known_by_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(f"{GOOD}\n".encode())
    (tmp_path / "b.jsonl").write_bytes(f"{GOOD}\n\n".encode())
    first, second = read(tmp_path / "a.jsonl"), read(tmp_path / "b.jsonl")
    assert (first.split, second.split) == ("a", "b")
    assert first.sha256 == hashlib.sha256(f"{GOOD}\n".encode()).hexdigest() != second.sha256


@pytest.mark.parametrize(("name", "n"), [("test.jsonl", 1319), ("train.jsonl", 7473)])
def test_gsm8ks_own_files(name: str, n: int) -> None:
    lines(name)
    data = read(DATA / name)
    assert (len(data.items), data.unreadable, data.unanswered, data.notes()) == (n, (), (), [])
