"""The report is a pure function of the records, and never crashes for what is missing from them."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from studies import Write, cell, metric

from ablations.files import RecordError
from ablations.report import FIGURES, NO_FIGURES, Report, build

FAILED = {"state": "failed", "step": 3, "steps": 4, "error": {"type": "OutOfMemoryError", "message": "3 GB asked"}}


FILES = (
    "table.md", "table.csv", "table.tex", "table.html", "claims.md", "significance.csv", "variance.csv", "alarms.csv",
)  # fmt: skip


def contents(folder: Path) -> dict[str, bytes]:
    patterns = ("table.*", "report.html", "*.md", "*.csv", "figures/*")
    written = {path for pattern in patterns for path in folder.glob(pattern)}
    return {str(path.relative_to(folder)): path.read_bytes() for path in written}


def test_another_process_writes_the_same_bytes(built: Report, tmp_path: Path) -> None:
    """Built anew with other hashes of strings, elsewhere."""
    folder = built.paths[0].parent
    before = contents(folder)
    assert set(before) <= {*FILES, "report.html", *(f"figures/{name}" for name in FIGURES)}
    assert set(before) >= {*FILES, "report.html", "figures/accuracy.svg"}
    copy = tmp_path / folder.name
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("*.md", "*.csv", "table.*", "report.html", "figures"))
    assert not contents(copy)
    code = f"from ablations.report import build; build({str(copy)!r})"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])
    assert contents(copy) == before


def test_no_date_and_no_version_in_a_figure(built: Report) -> None:
    for path in (built.paths[0].parent / "figures").iterdir():
        data = path.read_bytes()
        assert b"dc:date" not in data
        assert b"Software" not in data
        assert b"Matplotlib v" not in data


def test_import_stays_cheap() -> None:
    heavy = ("torch", "transformers", "trl", "pandas", "matplotlib", "scipy", "rich", "numpy")
    code = f"import sys, ablations.report; print([name for name in {heavy!r} if name in sys.modules])"
    root = Path(__file__).parents[2]
    run = subprocess.run([sys.executable, "-c", code], check=True, cwd=root, capture_output=True, text=True)
    assert run.stdout.strip() == "[]"


def test_nothing_finished_still_makes_a_table(write: Write) -> None:
    report = build(
        write([cell("1", status=FAILED), {"reward": "sparse", "objective": "grpo", "seed": 2}], seeds=(1, 2))
    )
    lines = (report.paths[0]).read_text(encoding="utf-8").splitlines()
    assert lines[3].startswith("| sparse | 0† | -- | -- | -- |")
    assert {path.name for path in report.paths} == {*FILES, "report.html"}
    assert report.table.footnotes == (
        "† sparse / grpo / seed 1: failed at step 3 of 4: OutOfMemoryError: 3 GB asked.",
        "† sparse / grpo / seed 2: not run yet.",
        "-- no finished cell of the row has this number.",
        NO_FIGURES,
    )
    assert report.claims == ("No cell has finished, so nothing is shown about any reward (`table.csv`).",)


def test_a_study_without_any_cell_folder(write: Write) -> None:
    assert [row.seeds for row in build(write([])).rows] == [0]


def test_one_failed_cell_is_named_and_the_rest_go_on(write: Write) -> None:
    report = build(write([cell("1100"), cell("1111", seed=2, status=FAILED), cell("1110", seed=3)], seeds=(1, 2, 3)))
    assert report.rows[1].accuracy == pytest.approx(0.625)
    assert report.table.footnotes == ("† sparse / grpo / seed 2: failed at step 3 of 4: OutOfMemoryError: 3 GB asked.",)


def test_a_figure_the_records_no_longer_support_is_removed(write: Write) -> None:
    folder = write([cell("1100")])
    build(folder)
    (folder / "cells" / "c00" / "status.json").write_text(json.dumps({"state": "running", "step": 1, "error": None}))
    build(folder)
    assert not list((folder / "figures").iterdir())


def test_cells_without_curves_have_no_dev_figures(write: Write) -> None:
    report = build(write([cell("1100", curve=[], metrics=[metric(1, 0.5)])]))
    drawn = {path.stem for path in report.paths if path.parent.name == "figures"}
    assert drawn == {"reward", "components", "dynamics", "tokens"}
    assert report.rows[1].area is None


def test_names_with_markup_do_not_break_a_figure(write: Write) -> None:
    odd = metric(1, 0.5) | {"rewards/$x_{": 0.5}
    assert build(write([cell("1100", "_$a^$", metrics=[odd])], ("_$a^$",))).paths


def test_a_malformed_record_is_reported_before_anything_is_written(write: Write) -> None:
    folder = write([cell("1")])
    (folder / "cells" / "c00" / "items.jsonl").write_text("{\n{}\n")
    with pytest.raises(RecordError):
        build(folder)
    assert not contents(folder)


def test_summary_is_plain_json(built: Report) -> None:
    summary = built.summary
    again = json.loads(json.dumps(summary, allow_nan=False))
    assert again["rows"][1]["reward"] == "sparse"
    assert list(again) == ["name", "baseline", "rows", "caption", "footnotes", "claims", "files"]
