"""The benchmark against lm-eval's own run holds what is said of it, in a small size. Minutes long."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from smollm2 import SHARED, checkpoint, needed

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("HARNESS_GSM8K", SHARED / "data" / "gsm8k"))


@pytest.mark.slow
@pytest.mark.timeout(1500)
@needed
@pytest.mark.skipif(not DATA.is_dir(), reason=f"{DATA} is missing: the original GSM8K files")
def test_faster_than_lm_eval_with_the_same_scores(capsys: pytest.CaptureFixture[str]) -> None:
    done = subprocess.run(
        [
            *(sys.executable, str(ROOT / "benchmarks" / "evaluate.py"), str(checkpoint()), "--json"),
            *("--items", "8", "--max-new-tokens", "48"),
        ],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "HARNESS_GSM8K": str(DATA)},
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)["hf"]
    with capsys.disabled():
        print(f"\nours is faster by {found['ratio']:.2f}x, by CPU time {found['cpu_ratio']:.2f}x")
    assert found["identical"] == 8
    for name in ("strict", "flexible"):
        assert found["ours"][name] == found["lm-eval"][name]
    # By CPU time: the clock also measures what else the machine does.
    assert found["cpu_ratio"] >= 1.2
