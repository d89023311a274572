"""verifiers' own Task with both hooks plugged in by configuration, scoring real traces."""

import asyncio
import json
import sys
import tempfile
from pathlib import Path

import verifiers.v1 as vf
from verifiers.v1.graph import MessageNode
from verifiers.v1.trace import AgentInfo, TraceTask

task = json.load(sys.stdin)


class Data(vf.TaskData):
    answer: str


async def scored(example, config):
    data = Data(prompt=example["question"], answer=example["gold"])
    trace = vf.Trace(
        task=TraceTask(type="Task", data=data),
        agent=AgentInfo.model_construct(),
        nodes=[
            MessageNode(message=vf.UserMessage(content=example["question"])),
            MessageNode(message=vf.AssistantMessage(content=example["completion"]), parent=0, sampled=True),
        ],
    )
    await vf.Task(data, config).score(trace)
    rewards = {name: reward and reward.value for name, reward in trace.rewards.items()}
    return {"reward": trace.reward, "rewards": rewards, "metrics": trace.metrics}


async def main():
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "score.py"
        file.write_text(
            f"from rewards.adapters.verifiers import hooks\nreward, components = hooks({task['spec']!r})\n",
            encoding="utf-8",
        )
        config = vf.TaskConfig(
            rewards={"format_answer": {"fn": f"{file}:reward"}}, metrics={"components": {"fn": f"{file}:components"}}
        )
        return [await scored(example, config) for example in task["examples"]]


print(json.dumps(asyncio.run(main())))
