"""`harness train` with a real pretrained model on the real GSM8K: two true steps of each method, from the examples."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from smollm2 import SHARED, checkpoint, needed

from evals.items import evaluations

DATA = SHARED / "data" / "gsm8k"
EXAMPLES = Path(__file__).parents[2] / "examples"
SMALL = ("optimizer.steps=2", "optimizer.batch_size=4", "optimizer.micro_batch=4", "checkpoint.every=1")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1200),
    needed,
    pytest.mark.skipif(not DATA.is_dir(), reason=f"{DATA} is missing: the original GSM8K files"),
]


def trained(method: str, out: Path, *changes: str) -> list[dict[str, Any]]:
    """Two steps by the example's file; the lines of `metrics.jsonl`."""
    sets = (*SMALL, f"model={checkpoint()}", f"data_path={DATA}", *changes)
    command = [sys.executable, "-m", "harness", "train", method, "--config", str(EXAMPLES / f"{method}-smollm2.toml")]
    flags = [flag for change in sets for flag in ("--set", change)]
    done = subprocess.run([*command, *flags, "--out", str(out)], capture_output=True, text=True)
    log = out / "log.txt"
    assert done.returncode == 0, done.stderr + (log.read_text()[-2000:] if log.is_file() else "")
    assert (out / "model" / "model.safetensors").is_file()
    assert (out / "adapter" / "adapter_model.safetensors").is_file()
    assert (out / "checkpoints" / "checkpoint-2").is_dir()
    rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [1, 2]
    return rows


UNMEASURED = ("evaluation.test_items=1", "evaluation.max_new_tokens=4", "evaluation.before=false")


def test_sft_on_real_solutions(tmp_path: Path) -> None:
    rows = trained("sft", tmp_path / "sft", *UNMEASURED)
    assert all(0.1 < row["loss"] < 5 for row in rows)
    assert json.loads((tmp_path / "sft" / "data.json").read_text())["examples"] > 7000


def test_dpo_on_the_labelled_solutions_of_four_models(tmp_path: Path) -> None:
    """Pairs of real right and wrong solutions; their questions are the test set's, so others are held out."""
    rollouts = tmp_path / "rollouts" / "items.jsonl"
    rollouts.parent.mkdir()
    right: dict[str, bool] = {}
    with rollouts.open("w") as file:
        for sample, rows in enumerate(evaluations(DATA / "example_model_solutions.jsonl").values()):
            for row in rows[:12]:
                text, correct = str(row["completion"]), bool(row["correct"])
                right[text] = correct
                more = {"sample": sample, "status": "correct" if correct else "wrong", "tokens": len(text.split())}
                file.write(json.dumps({**row, **more, "finish_reason": "stop"}) + "\n")
    held_out = tmp_path / "test.jsonl"
    held_out.write_text("".join((DATA / "test.jsonl").read_text().splitlines(keepends=True)[-5:]))
    rows = trained(
        "dpo",
        tmp_path / "dpo",
        *UNMEASURED,
        f"data_path={DATA / 'train.jsonl'},{held_out}",
        f"dpo.pairs.rollouts=['{rollouts.parent}']",
        "dpo.pairs.per_prompt=1",
    )
    assert rows[0]["loss"] == pytest.approx(0.6931, abs=1e-3)
    pairs = [json.loads(line) for line in (tmp_path / "dpo" / "pairs.jsonl").read_text().splitlines()]
    assert pairs
    assert all(right[pair["chosen"]["completion"]] and not right[pair["rejected"]["completion"]] for pair in pairs)


def test_grpo_with_a_real_reward(tmp_path: Path) -> None:
    rows = trained(
        "grpo", tmp_path / "grpo", *UNMEASURED, "grpo.group_size=4", "grpo.max_new_tokens=48", "grpo.kl=0.01"
    )
    assert all(row["length"] > 8 for row in rows)
    assert rows[0]["kl"] == pytest.approx(0, abs=1e-4)
    assert all(row["rewards/format"] is not None and row["rewards/answer"] is not None for row in rows)
