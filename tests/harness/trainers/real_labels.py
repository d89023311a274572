"""Labels of steps by both engines, and how much of the prefixes vLLM had computed before.

Run as a program, on vLLM in its own process: the folder of a run and the rows of a question as JSON on stdin, findings
as JSON on the last line of stdout.
"""

import json
import sys
from pathlib import Path
from typing import Any

from evals.data import Item
from evals.engines import vllm
from harness import weights
from harness.trainers.prm import labels as prm_labels
from harness.training import PrmConfig, TrainRun


def main() -> None:
    task = json.load(sys.stdin)
    run = TrainRun.read(Path(task["run"]))
    model, tokenizer = weights.model(run.model.path), weights.tokenizer(run.model.path)
    found: dict[str, Any] = {"read": 0, "cached": 0}
    completion = vllm._completion

    def watched(output: Any, requests: Any) -> Any:
        found["read"] += len(output.prompt_token_ids)
        found["cached"] += output.num_cached_tokens
        return completion(output, requests)

    vllm._completion = watched
    for engine in ("transformers", "vllm"):
        table = PrmConfig.model_validate({**prm_labels.table(run).model_dump(), "engine": engine})
        asked = run.model_copy(update={"prm": table})
        sampler = prm_labels.engine(asked, model, tokenizer, task["prompt"])
        found[engine] = prm_labels.labels_of(asked, sampler, tokenizer, Item(**task["item"]), task["rows"])
    print(json.dumps(found))


if __name__ == "__main__":
    main()
