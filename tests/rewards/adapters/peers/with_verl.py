"""verl's own configuration, reward loading, reward managers, advantage and validation metrics on a real DataProto."""

import asyncio
import json
import sys
from pathlib import Path

import numpy as np
import torch
import verl
from hydra import compose, initialize_config_dir
from hydra.errors import ConfigCompositionException
from transformers import AutoTokenizer
from verl import DataProto
from verl.trainer.ppo.core_algos import compute_grpo_outcome_advantage
from verl.trainer.ppo.metric_utils import process_validation_metrics
from verl.trainer.ppo.reward import get_custom_reward_fn, load_reward_manager
from verl.workers.reward_manager import get_reward_manager_cls

import rewards.adapters.verl

task = json.load(sys.stdin)
examples = task["examples"]
tokenizer = AutoTokenizer.from_pretrained(task["tokenizer"])
WIDTH = 128


def batch():
    def ids(texts, side):
        return tokenizer(texts, padding="max_length", max_length=WIDTH, padding_side=side, return_tensors="pt")

    prompts = ids([example["question"] for example in examples], "left")
    # A completion ends with its end token, so none is empty.
    responses = ids([example["completion"] + "<|end|>" for example in examples], "right")
    return DataProto.from_dict(
        tensors={
            "prompts": prompts["input_ids"],
            "responses": responses["input_ids"],
            "attention_mask": torch.cat([prompts["attention_mask"], responses["attention_mask"]], dim=1),
        },
        non_tensors={
            "data_source": np.array(["openai/gsm8k"] * len(examples), dtype=object),
            "reward_model": np.array([{"ground_truth": example["gold"]} for example in examples], dtype=object),
            "extra_info": np.array([{"question": example["question"]} for example in examples], dtype=object),
            "uid": np.array([example["question"] for example in examples], dtype=object),
        },
    )


def config(path, *more):
    overrides = [
        f"reward.custom_reward_function.path={path}",
        f"""+reward.custom_reward_function.reward_kwargs.spec="{task["spec"]}\"""",
        *more,
    ]
    with initialize_config_dir(str(Path(verl.__file__).parent / "trainer" / "config"), version_base=None):
        return compose("ppo_trainer", overrides)


async def scored(settings, manager):
    """What the manager of the reward loop returns for each completion, as its worker calls it."""
    settings.reward.reward_manager.name = manager
    loop = load_reward_manager(settings, tokenizer)
    data = batch()
    results = [await loop.run_single(data[i : i + 1]) for i in range(len(data))]
    tensor = type(loop).assemble_rm_scores(data, [result["reward_score"] for result in results])
    return [result["reward_extra_info"] for result in results], tensor


def accepted(override):
    try:
        config("pkg://rewards.adapters.verl", override)
    except ConfigCompositionException:
        return False
    return True


# The documented keys are checked by verl's own schema: a misspelt one is refused.
result = {"unknown_key_accepted": accepted("reward.custom_reward_fn.path=x")}
settings = config("pkg://rewards.adapters.verl")
for manager in ("naive", "dapo", "gdpo"):
    result[manager], tensor = asyncio.run(scored(settings, manager))
    result[f"{manager}_rewards"] = tensor.sum(dim=1).tolist()

data = batch()
by_file = get_custom_reward_fn(config(rewards.adapters.verl.__file__))
synchronous = get_reward_manager_cls("naive")(tokenizer, 0, compute_score=by_file)(data, return_dict=True)
result["synchronous_rewards"] = synchronous["reward_tensor"].sum(dim=1).tolist()

infos = {name: list(values) for name, values in synchronous["reward_extra_info"].items()}
groups = data.non_tensor_batch["uid"]
mask = data.batch["attention_mask"][:, WIDTH:]
advantages, _ = compute_grpo_outcome_advantage(synchronous["reward_tensor"], mask, groups)
result["advantages"] = advantages[:, 0].tolist()
validation = process_validation_metrics(list(data.non_tensor_batch["data_source"]), list(groups), infos)
result["validation"] = {name: metrics["mean@4"] for name, metrics in validation["openai/gsm8k"].items()}
print(json.dumps(result))
