"""OpenRLHF's own file loading, single-turn executor, experience and advantages; only the engine, vLLM, is played."""

import asyncio
import json
import sys
import tempfile
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import MagicMock

import torch
from transformers import AutoTokenizer


class Played(MetaPathFinder, Loader):
    """Imports vLLM, DeepSpeed and flash-attn as nothing: no code run here calls them, but its modules import them."""

    def find_spec(self, name, path=None, target=None):
        played = name.partition(".")[0] in ("vllm", "deepspeed", "flash_attn")
        return ModuleSpec(name, self, is_package=True) if played else None

    def create_module(self, spec):
        return MagicMock()

    def exec_module(self, module):
        pass


sys.meta_path.insert(0, Played())
from openrlhf.trainer.ppo_utils.experience_maker import RemoteExperienceMaker  # noqa: E402
from openrlhf.trainer.ppo_utils.samples_generator import SamplesGenerator  # noqa: E402
from openrlhf.utils.agent import SingleTurnAgentExecutor  # noqa: E402

import rewards.adapters.openrlhf  # noqa: E402

task = json.load(sys.stdin)
tokenizer = AutoTokenizer.from_pretrained(task["tokenizer"])


class Engine:
    """Generates what it was told to."""

    def __init__(self, text):
        self.ids = tokenizer(text + "<|end|>")["input_ids"]

    async def generate(self, prompt_ids, params, multi_modal_data=None):
        return SimpleNamespace(outputs=[SimpleNamespace(token_ids=self.ids, finish_reason="stop", logprobs=None)])


def rollout(executor, example, max_length=512):
    # The tail of a chat prompt; long enough for OpenRLHF to cut it in front when told to.
    prompt = "Solve the problem step by step, then end with #### and the number.\n" * 2 + example["question"] + "\n"
    sampling = SimpleNamespace(max_tokens=128, logprobs=None)
    engine = Engine(example["completion"])
    return asyncio.run(executor.execute(prompt, example["gold"], sampling, max_length, tokenizer, engine))


def experiences(responses):
    generator = SamplesGenerator.__new__(SamplesGenerator)
    return [generator._process_response_into_experience(response, max_len=512) for response in responses]


def advantages(made):
    algo = SimpleNamespace(advantage=SimpleNamespace(estimator="group_norm", gamma=1.0, lambd=1.0, no_std_norm=False))
    penalties = SimpleNamespace(clip_range=None, overlong_buffer_len=None, stop_properly_penalty_coef=None)
    args = SimpleNamespace(algo=algo, rollout=SimpleNamespace(n_samples_per_prompt=4), reward=penalties)
    control = SimpleNamespace(value=0.0)
    maker = RemoteExperienceMaker(None, None, None, None, control, SimpleNamespace(args=args), tokenizer)
    for index, experience in enumerate(made):
        experience.index = [index]
        experience.kl = torch.zeros(experience.action_mask.shape)
    return [experience.advantages[0, -1].item() for experience in maker.compute_advantages_and_returns(made)]


with tempfile.TemporaryDirectory() as folder:
    file = Path(folder) / "reward.py"
    file.write_text(
        f"from rewards.adapters import openrlhf\nreward_func = openrlhf.reward({task['spec']!r})\n", encoding="utf-8"
    )
    executor = SingleTurnAgentExecutor(str(file))
made = experiences([rollout(executor, example) for example in task["examples"]])
default = SingleTurnAgentExecutor(rewards.adapters.openrlhf.__file__)
# 128 tokens are for the response: half of the prompt goes.
cut = experiences([rollout(executor, example, max_length=208) for example in task["examples"]])
result = {
    "rewards": [experience.rewards.item() for experience in made],
    "scores": [experience.scores.item() for experience in made],
    "info": [{name: value.item() for name, value in experience.info.items()} for experience in made],
    "default": [rollout(default, example)["reward"].item() for example in task["examples"]],
    "cut": [experience.rewards.item() for experience in cut],
    "cut_tokens": int((cut[0].action_mask == 0).sum()),
    "advantages": advantages(made),
}
print(json.dumps(result))
