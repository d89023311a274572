"""Runs `evals.parity` in an environment that has lm-eval. In: a task as JSON on stdin; out: its result as JSON."""

import json
import sys
from dataclasses import asdict
from types import SimpleNamespace

from evals import parity, prompts

task = json.load(sys.stdin)


def style(options):
    return prompts.get(options["name"], task.get("train"), chat=options["chat"], multiturn=options["multiturn"])


def requests():
    # A chat template that shows the conversation as it came.
    tokenizer = SimpleNamespace(apply_chat_template=lambda turns, **options: json.dumps([turns, options]))
    return [
        [asdict(request) for request in parity.requests(style(options), task["questions"], tokenizer)]
        for options in task["styles"]
    ]


def check():
    return [asdict(parity.check(rows, filters)) for filters, rows in task["evaluations"]]


def rerun():
    found = parity.rerun(task["rows"], style(task["style"]), task["model"], task["batch_size"])
    return {**asdict(found), "lines": found.lines()}


print(json.dumps({"requests": requests, "check": check, "rerun": rerun}[task["do"]]()))
