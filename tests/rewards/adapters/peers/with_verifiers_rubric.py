"""verifiers' own Rubric on rollout states: one at a time and as groups."""

import asyncio
import json
import sys

import verifiers as vf

from rewards.adapters.verifiers import rubric

task = json.load(sys.stdin)


def states():
    return [
        vf.State(
            input={
                "prompt": [vf.UserMessage(content=example["question"])],
                "answer": example["gold"],
                "example_id": index,
            },
            completion=[vf.AssistantMessage(content=example["completion"])],
            trajectory=[],
        )
        for index, example in enumerate(task["examples"])
    ]


def told(scored):
    return [{name: state.get(name) for name in ("reward", "advantage", "metrics")} for state in scored]


async def main():
    one = rubric(task["spec"])
    assert type(one) is vf.Rubric
    singles, grouped = states(), states()
    for state in singles:
        await one.score_rollout(state)
    for start in (0, 4):
        await one.score_group(grouped[start : start + 4])
    return {"single": told(singles), "group": told(grouped)}


print(json.dumps(asyncio.run(main())))
