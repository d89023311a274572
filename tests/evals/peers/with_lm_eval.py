"""Runs `evals.parity` in an environment that has lm-eval. In: a task as JSON on stdin; out: its result as JSON."""

import json
import sys
from dataclasses import asdict
from types import SimpleNamespace

from evals import parity, prompts

task = json.load(sys.stdin)


def style(options):
    return prompts.get(options["name"], task.get("train"), options["form"])


def requests():
    # A chat template that shows the conversation as it came.
    tokenizer = SimpleNamespace(apply_chat_template=lambda turns, **options: json.dumps([turns, options]))
    return [
        [asdict(request) for request in parity.requests(style(options), task["questions"], tokenizer)]
        for options in task["styles"]
    ]


def tokens():
    from lm_eval.models.huggingface import HFLM
    from transformers import AutoTokenizer

    def ids(backend, prompt):
        text = prompt if isinstance(prompt, str) else HFLM.apply_chat_template(backend, prompt)
        return HFLM.tok_batch_encode(backend, [text])[0][0].tolist()

    # What the backend reads of itself; loading a model would not change it.
    options = {"backend": "causal", "add_bos_token": None, "chat_template_args": {}}
    tokenizers = [AutoTokenizer.from_pretrained(folder) for folder in task["tokenizers"]]
    backends = [SimpleNamespace(tokenizer=tokenizer, **options) for tokenizer in tokenizers]
    return [[ids(backend, prompt) for prompt in task["prompts"]] for backend in backends]


def check():
    return [asdict(parity.check(rows, filters)) for filters, rows in task["evaluations"]]


def rerun():
    found = parity.rerun(task["rows"], style(task["style"]), task["model"], **task["asked"])
    return {**asdict(found), "lines": found.lines()}


print(json.dumps({"requests": requests, "tokens": tokens, "check": check, "rerun": rerun}[task["do"]]()))
