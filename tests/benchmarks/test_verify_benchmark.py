"""The benchmark of verifiers runs and measures what it says; how fast anything is stands in the docs, not in a test."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_it_measures_every_grader_and_every_bomb() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "verify.py"), "--json", "--texts", "63"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=550,
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["executed"] is False
    for domain in ("gsm8k", "math"):
        measured = report["speed"][domain]
        assert measured["n"] == 63
        assert {"ours", "math-verify", "trl"} <= measured["graders"].keys()
        assert all(row["ratio_low"] <= row["ratio"] <= row["ratio_high"] for row in measured["graders"].values())
    assert all(row["n"] == 30 for row in report["bombs"].values())
    assert report["bombs"]["ours"]["hangs"] == 0
