"""A study is read back whole, a torn last line is forgiven, and everything else malformed is named."""

import json
from pathlib import Path

import pytest
from studies import Write, cell, items, metric, point, rows

from ablations.files import RecordError
from ablations.files import write as write_file
from ablations.records import StudyNotFound, load_study


def test_cells_come_in_plan_order_whatever_the_manifest_says(write: Write) -> None:
    cells = [cell("1", reward, seed, objective=o) for seed in (2, 1) for o in ("b", "a") for reward in ("y", "x")]
    study = load_study(write(cells, ("x", "y"), ("a", "b"), (1, 2)))
    assert [(c.arm.objective, c.arm.reward, c.seed) for c in study.cells] == [
        (o, r, s) for o in ("a", "b") for r in ("x", "y") for s in (1, 2)
    ]


def test_every_record_of_a_cell_is_read(write: Write) -> None:
    study = load_study(write([cell("1?-0")]))
    only = study.cells[0]
    assert study.plan.baseline == "sparse"
    assert study.plan.settings == {"steps": 4}
    assert (only.state, only.step, only.seconds, only.generated_tokens) == ("done", 4, 90.0, 1000)
    assert [(i.correct, i.format) for i in only.items] == [(True, True), (None, True), (False, False), (False, True)]
    assert [row["reward"] for row in only.metrics] == [0.25, 0.5, 0.75, 1.0]
    assert [p.accuracy for p in only.curve] == [0.2, 0.3, 0.6]


def test_a_cell_the_manifest_does_not_list_is_ignored(write: Write) -> None:
    folder = write([cell("1")])
    (folder / "cells" / "stray").mkdir()
    (folder / "cells" / "stray" / "status.json").write_text("not even JSON")
    assert len(load_study(folder).cells) == 1


def test_a_planned_cell_without_records_is_pending(write: Write) -> None:
    study = load_study(write([cell("1")], seeds=(1, 2)))
    assert [(c.seed, c.state, c.done) for c in study.cells] == [(1, "done", True), (2, "pending", False)]


def test_an_error_becomes_one_line(write: Write) -> None:
    status = {"state": "failed", "step": 2, "error": {"type": "MemoryError", "message": "two\nlines"}}
    assert load_study(write([cell("1", status=status)])).cells[0].error == "MemoryError: two lines"


def test_a_torn_last_line_is_dropped(write: Write) -> None:
    folder = write([cell("10")])
    path = folder / "cells" / "c00" / "items.jsonl"
    path.write_bytes(path.read_bytes()[:-20])
    assert len(load_study(folder).cells[0].items) == 1


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        pytest.param("items.jsonl", "{\n" + rows(*items("1")), r"items\.jsonl:1: not JSON", id="torn mid-file"),
        pytest.param("items.jsonl", '{"id": "a"}\n', r"items\.jsonl:1: an item needs id and correct", id="no grade"),
        pytest.param("items.jsonl", "\n[1]\n", r"items\.jsonl:2: expected an object, found list", id="not an object"),
        pytest.param("items.jsonl", "{\n", r"items\.jsonl:1: not JSON", id="last line malformed but complete"),
        pytest.param("metrics.jsonl", '{"reward": 1}\n', r"metrics\.jsonl:1: a training row needs step", id="metrics"),
        pytest.param("curve.jsonl", '{"n": 1}\n', r"curve\.jsonl:1: a dev evaluation needs step", id="curve"),
        pytest.param("status.json", "{", r"status\.json: not JSON", id="status"),
        pytest.param("config.toml", "a =", r"config\.toml: not TOML", id="config"),
    ],
)  # fmt: skip
def test_a_malformed_record_is_named(write: Write, name: str, text: str, message: str) -> None:
    folder = write([cell("1")])
    (folder / "cells" / "c00" / name).write_text(text)
    with pytest.raises(RecordError, match=message):
        load_study(folder)


def test_a_step_repeated_after_a_resume_keeps_its_later_record(write: Write) -> None:
    again = cell("1", metrics=[metric(1, 0.0), metric(2, 0.1), metric(2, 0.9)], curve=[point(0, 0.1), point(0, 0.2)])
    only = load_study(write([again])).cells[0]
    assert [row["reward"] for row in only.metrics] == [0.0, 0.9]
    assert [p.accuracy for p in only.curve] == [0.2]


def test_nan_is_a_missing_number(write: Write) -> None:
    only = load_study(write([cell("1", metrics=[metric(1, float("nan"))])])).cells[0]
    assert only.metrics[0]["reward"] is None


def test_no_study_names_those_beside_it(write: Write, tmp_path: Path) -> None:
    write([], name="first")
    write([], name="second")
    with pytest.raises(StudyNotFound, match=r"no study in .*third .*: first, second"):
        load_study(tmp_path / "third")
    with pytest.raises(StudyNotFound, match="holds no study yet"):
        load_study(tmp_path / "nowhere" / "third")


def test_a_plan_without_axes_and_a_manifest_without_ids_are_refused(write: Write) -> None:
    folder = write([cell("1")])
    (folder / "manifest.json").write_text(json.dumps({"cells": [{"id": "c00"}]}))
    with pytest.raises(RecordError, match="cell 0 lacks objective, reward, seed"):
        load_study(folder)
    (folder / "plan.toml").write_text('name = "x"\n')
    with pytest.raises(RecordError, match="lacks rewards, objectives, seeds"):
        load_study(folder)


def test_a_failed_write_leaves_the_old_file_and_nothing_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = write_file(tmp_path / "table.md", b"old")

    def refuse(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("ablations.files.Path.replace", refuse)
    with pytest.raises(OSError, match="disk full"):
        write_file(target, b"new")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"old"]
