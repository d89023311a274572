"""The committed reference studies: their tables and claims are what their records say, to the byte."""

import shutil
from pathlib import Path

from ablations import road_report
from ablations.report import build

RESULTS = Path(__file__).parents[2] / "results"
STUDY = RESULTS / "sparse-vs-format_answer"
ROAD = RESULTS / "sft-dpo-grpo"


def test_reference_study_rebuilds_to_the_committed_bytes(tmp_path: Path) -> None:
    copy = tmp_path / STUDY.name
    shutil.copytree(STUDY, copy)
    for name in ("table.md", "table.csv", "claims.md"):
        (copy / name).unlink()
    build(copy)
    for name in ("table.md", "table.csv", "claims.md"):
        assert (copy / name).read_bytes() == (STUDY / name).read_bytes(), name


def test_reference_road_rebuilds_to_the_committed_bytes(tmp_path: Path) -> None:
    copy = tmp_path / ROAD.name
    shutil.copytree(ROAD, copy)
    for name in ("table.md", "table.csv"):
        (copy / name).unlink()
    road_report.build(copy)
    for name in ("table.md", "table.csv"):
        assert (copy / name).read_bytes() == (ROAD / name).read_bytes(), name
