"""What is said of the reading of equations holds on all of GSM8K and on four real models' solutions."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("HARNESS_GSM8K", ROOT / "../shared/data/gsm8k"))
FILES = ("train.jsonl", "test.jsonl", "example_model_solutions.jsonl")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not all((DATA / name).is_file() for name in FILES), reason=f"{DATA}: GSM8K's files are missing"),
]


@pytest.fixture(scope="module")
def report() -> Any:
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "steps.py"), "--json"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "HARNESS_GSM8K": str(DATA)},
        timeout=550,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize(("name", "annotations"), [("train", 23716), ("test", 4282)])
def test_gold_is_not_rejected(report: Any, name: str, annotations: int) -> None:
    gold = report["gold"][name]
    assert gold["annotations"] == annotations == gold["true"] + gold["named"]
    assert gold["free"] > 0.95 * gold["true"]
    assert gold["free_false"] < 0.005 * gold["free"]
    assert gold["free_statuses"]["unknown"] < 0.04


@pytest.mark.parametrize("model", ["6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification"])
def test_scores_tell_right_from_wrong_solutions(report: Any, model: str) -> None:
    measured = report["models"][model]
    assert measured["wrong"]["n"] + measured["right"]["n"] == 1319
    assert measured["wrong"]["share"] > measured["right"]["share"]
    for name in ("valid prefix", "lowest step", "first error", "fewer false"):
        assert measured["auc"][name]["low"] > 0.5
    assert measured["auc"]["valid prefix, then shorter"]["auc"] > measured["auc"]["baseline: shorter"]["auc"]
