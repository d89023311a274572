"""Cases: what a file must hold, and what the shipped ones do hold."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from rewards.regression import Case, CaseError, load, shipped

GOOD = {"id": "a", "category": "plain", "completion": "#### 18", "gold": "18", "domain": "gsm8k", "label": True}


def written(path: Path, *rows: Any) -> Path:
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows) + "\n")
    return path


def test_a_line_becomes_a_case(tmp_path: Path) -> None:
    rows = [GOOD, "", GOOD | {"id": "b", "gold": None, "why": "because", "note": "ignored"}]
    assert load([written(tmp_path / "cases.jsonl", *rows)]) == [
        Case("a", "#### 18", "18", "gsm8k", True, "plain"),
        Case("b", "#### 18", None, "gsm8k", True, "plain", "because"),
    ]


@pytest.mark.parametrize(("label", "means"), [("correct", True), ("Wrong", False), (1, True), (0, False)])
def test_labels_may_be_words(tmp_path: Path, label: object, means: bool) -> None:
    row = GOOD | {"label": label, "category": None, "why": None}
    assert load([written(tmp_path / "cases.jsonl", row)]) == [Case("a", "#### 18", "18", "gsm8k", means)]


def test_line_separators_inside_a_text_end_no_line(tmp_path: Path) -> None:
    path = tmp_path / "cases.jsonl"
    path.write_text(json.dumps(GOOD | {"completion": "a\u2028#### 18"}, ensure_ascii=False), encoding="utf-8")
    assert load([path])[0].completion == "a\u2028#### 18"


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("{broken", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[1]", "not an object"),
        ({key: GOOD[key] for key in GOOD if key != "gold"}, "no field gold"),
        ({"id": "b"}, "no field completion, gold, domain, label"),
        (GOOD | {"id": "b", "label": 2}, "`label` must be true or false, or correct or wrong, not 2"),
        (GOOD | {"id": "b", "label": "maybe"}, "`label` must be true or false, or correct or wrong, not 'maybe'"),
        (GOOD | {"id": "b", "domain": "gms8k"}, "`domain` must be gsm8k or math, not 'gms8k'"),
        (GOOD | {"id": 7}, "`id` must be a text, not 7"),
        (GOOD | {"id": ""}, "`id` is empty"),
        (GOOD | {"id": "b", "completion": 18}, "`completion` must be a text or a list of messages"),
        (GOOD, "the id 'a' was taken at"),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 60 else "",
)
def test_a_malformed_line_is_named(tmp_path: Path, row: Any, says: str) -> None:
    path = written(tmp_path / "cases.jsonl", GOOD, row)
    with pytest.raises(CaseError) as caught:
        load([path])
    message = str(caught.value)
    assert message.startswith(f"{path}:2: ")
    assert says in message
    assert "\n" not in message


def test_ids_are_unique_over_all_files(tmp_path: Path) -> None:
    one, two = (written(tmp_path / name, GOOD) for name in ("one.jsonl", "two.jsonl"))
    with pytest.raises(CaseError, match=r"two.jsonl:1: the id 'a' was taken at .*one.jsonl:1"):
        load([one, two])


@pytest.mark.parametrize("content", [None, b"\xff\xfe", b"\n\n"], ids=["missing", "not UTF-8", "empty"])
def test_a_file_without_cases_is_an_error(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "cases.jsonl"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CaseError):
        load([path])


def test_the_shipped_cases_are_many_balanced_and_explained() -> None:
    cases = shipped()
    assert len(cases) >= 700
    assert all(case.why.strip() and case.category != "other" for case in cases)
    assert len({(str(case.completion), str(case.gold), case.domain) for case in cases}) == len(cases)
    for domain in ("gsm8k", "math"):
        labels = Counter(case.label for case in cases if case.domain == domain)
        assert min(labels.values()) >= 0.35 * labels.total(), labels
