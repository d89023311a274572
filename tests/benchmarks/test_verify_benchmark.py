"""The benchmark of verifiers holds what is said of it. Minutes long."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_ours_is_faster_and_no_bomb_takes_long() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "verify.py"), "--json"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=550,
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["executed"] is False
    gsm8k, math = (report["speed"][domain]["graders"] for domain in ("gsm8k", "math"))
    # By the median text: whatever else runs on the machine costs our milliseconds more than their seconds.
    assert gsm8k["math-verify"]["median_seconds"] >= 50 * gsm8k["ours"]["median_seconds"]
    assert math["math-verify"]["median_seconds"] >= 3 * math["ours"]["median_seconds"]
    assert min(gsm8k["math-verify"]["ratio"], math["math-verify"]["ratio"]) >= 3
    assert (report["bombs"]["ours"]["n"], report["bombs"]["ours"]["hangs"]) == (30, 0)
