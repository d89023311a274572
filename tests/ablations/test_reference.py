"""The committed reference study: its table and claims are what its records say, to the byte."""

import shutil
from pathlib import Path

from ablations.report import build

STUDY = Path(__file__).parents[2] / "results" / "sparse-vs-format_answer"


def test_reference_study_rebuilds_to_the_committed_bytes(tmp_path: Path) -> None:
    copy = tmp_path / STUDY.name
    shutil.copytree(STUDY, copy)
    for name in ("table.md", "table.csv", "claims.md"):
        (copy / name).unlink()
    build(copy)
    for name in ("table.md", "table.csv", "claims.md"):
        assert (copy / name).read_bytes() == (STUDY / name).read_bytes(), name
