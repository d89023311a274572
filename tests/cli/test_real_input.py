"""A real pretrained model on the real GSM8K, through the same command. Minutes long."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest
from smollm2 import SHARED, checkpoint, needed

DATA = SHARED / "data" / "gsm8k"


@pytest.mark.slow
@pytest.mark.timeout(2400)
@needed
@pytest.mark.skipif(not DATA.is_dir(), reason=f"{DATA} is missing: the original GSM8K files")
def test_smollm2_on_gsm8k(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "harness", "ablate", "--rewards", "sparse,format_answer", "--preset", "smoke"),
            *("--model", str(checkpoint()), "--data", "gsm8k", "--data-path", str(DATA), "--name", "smollm2"),
            *("--set", "train.max_new_tokens=48", "--results", str(tmp_path / "results")),
        ],
        capture_output=True,
        text=True,
    )
    with capsys.disabled():
        print(f"\n{done.stderr}\n{done.stdout}")
    assert done.returncode == 0, done.stderr
    assert "minutes a cell" in done.stderr
    rows = {row["reward"]: row for row in csv.DictReader((tmp_path / "results" / "smollm2" / "table.csv").open())}
    assert {rows[name]["n"] for name in ("sparse", "format_answer")} == {"8"}
    for cell in (tmp_path / "results" / "smollm2" / "cells").iterdir():
        metrics = [json.loads(line) for line in (cell / "metrics.jsonl").read_text().splitlines()]
        assert [row["step"] for row in metrics] == [1, 2]
        assert all(row["length"] > 8 for row in metrics)
        # The adapter alone, and merged into the weights that were measured.
        assert (cell / "adapter" / "adapter_model.safetensors").is_file()
        assert (cell / "model" / "model.safetensors").is_file()
