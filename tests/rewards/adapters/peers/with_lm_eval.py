"""lm-eval's own task loading and evaluation of the shipped task, on local questions and stored generations."""

import json
import sys
import tempfile
from pathlib import Path

import lm_eval
from lm_eval.api.model import LM
from lm_eval.tasks import TaskManager

from rewards.adapters.lm_eval import TASKS

task = json.load(sys.stdin)
examples = task["examples"]


class Stored(LM):
    """Answers each question with what was stored for it."""

    def __init__(self):
        super().__init__()
        self.answers = iter(example["completion"] for example in examples)

    def generate_until(self, requests):
        asked = [request.args[0] for request in requests]
        assert all(f"Question: {e['question']}\nAnswer:" in text for e, text in zip(examples, asked, strict=True))
        return [next(self.answers) for _ in requests]

    def loglikelihood(self, requests):
        raise NotImplementedError

    loglikelihood_rolling = loglikelihood


with tempfile.TemporaryDirectory() as folder:
    rows = Path(folder) / "rows.jsonl"
    lines = [json.dumps({"question": example["question"], "answer": example["gold"]}) for example in examples]
    rows.write_text("\n".join(lines), encoding="utf-8")
    # The shipped task with nothing changed but where its questions come from.
    local = (
        f"include: {TASKS / 'gsm8k_verified.yaml'}\ntask: local\ndataset_path: json\ndataset_name: null\n"
        f"dataset_kwargs: {{data_files: {{train: {rows}, test: {rows}}}, cache_dir: {folder}}}\n"
    )
    (Path(folder) / "local.yaml").write_text(local, encoding="utf-8")
    manager = TaskManager(include_path=[str(TASKS), folder])
    found = lm_eval.simple_evaluate(
        Stored(), tasks=["local"], num_fewshot=0, task_manager=manager, bootstrap_iters=0, log_samples=True
    )
samples = [
    {"filter": sample["filter"], "doc": sample["doc_id"], "said": sample["filtered_resps"][0]}
    | {"exact_match": sample["exact_match"]}
    for sample in found["samples"]["local"]
]
result = {
    "listed": "gsm8k_verified" in manager.all_tasks,
    "results": {name: value for name, value in found["results"]["local"].items() if name.startswith("exact_match,")},
    "samples": samples,
}
print(json.dumps(result))
