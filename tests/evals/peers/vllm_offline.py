"""Completions of vLLM in its own process: a task as JSON on stdin, completions as JSON on the last line of stdout."""

import json
import sys

from evals.engines import Request, Sampling
from evals.engines.vllm import VllmEngine, facts


def main() -> None:
    task = json.load(sys.stdin)
    requests = [Request(prompt, seed) for seed, prompt in enumerate(task["prompts"])]
    engine = VllmEngine(task["model"], task["context"])
    calls = []
    for chosen, sampling in task["calls"]:
        asked = Sampling(**{**sampling, "stop": tuple(sampling["stop"])})
        found = {c.index: vars(c) for batch in engine.generate([requests[i] for i in chosen], asked) for c in batch}
        calls.append([found[index] for index in range(len(chosen))])
    # A call that is given up must leave nothing behind.
    given_up = engine.generate(requests, Sampling(64, 0.0))
    next(given_up)
    given_up.close()
    print(json.dumps({"facts": facts("float32", "cpu"), "calls": calls, "left": unfinished(engine)}))


def unfinished(engine: VllmEngine) -> bool:
    return bool(engine.llm.llm_engine.has_unfinished_requests())


if __name__ == "__main__":
    main()
