"""The committed reference studies: their tables and claims are what their records say, to the byte."""

import shutil
from pathlib import Path

import pytest

from ablations import road_report
from ablations.report import build

RESULTS = Path(__file__).parents[2] / "results"
FILES = (
    "table.md", "table.tex", "table.html", "table.csv", "claims.md", "significance.csv", "variance.csv", "alarms.csv",
)  # fmt: skip
ROAD = RESULTS / "sft-dpo-grpo"


@pytest.mark.parametrize(
    "name",
    [
        "sparse-vs-format_answer",
        pytest.param("rewards-objectives", marks=pytest.mark.slow),
        pytest.param("process", marks=pytest.mark.slow),
    ],
)
def test_reference_study_rebuilds_to_the_committed_bytes(tmp_path: Path, name: str) -> None:
    study, copy = RESULTS / name, tmp_path / name
    shutil.copytree(study, copy)
    for file in FILES:
        (copy / file).unlink()
    build(copy)
    for file in FILES:
        assert (copy / file).read_bytes() == (study / file).read_bytes(), file


def test_reference_road_rebuilds_to_the_committed_bytes(tmp_path: Path) -> None:
    copy = tmp_path / ROAD.name
    shutil.copytree(ROAD, copy)
    for name in ("table.md", "table.csv"):
        (copy / name).unlink()
    road_report.build(copy)
    for name in ("table.md", "table.csv"):
        assert (copy / name).read_bytes() == (ROAD / name).read_bytes(), name
