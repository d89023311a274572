"""Verdicts of a Ray task, of a thread of a Ray actor and of an async actor, as trainers run their reward workers."""

import json
import sys
import threading

import ray

import rewards

PAIRS = json.load(sys.stdin)["pairs"]


def statuses() -> list[str]:
    return [rewards.verify(text, gold, "math", deadline=20).status for text, gold in PAIRS]


@ray.remote
class Threaded:
    def judge(self) -> list[str]:
        found: list[str] = []
        thread = threading.Thread(target=lambda: found.extend(statuses()))
        thread.start()
        thread.join()
        return found


@ray.remote
class Async:
    async def judge(self) -> list[str]:
        return statuses()


ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
tasks = [ray.remote(statuses).remote(), Threaded.remote().judge.remote(), Async.remote().judge.remote()]
print(json.dumps(ray.get(tasks)))
