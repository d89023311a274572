"""verl's own advantages and policy loss, by the exported overrides: the gradient at every token's log-probability."""

import importlib
import json
import sys

import numpy as np
import torch
from tensordict import TensorDict
from verl import DataProto
from verl.trainer.ppo import core_algos
from verl.trainer.ppo.ray_trainer import apply_kl_penalty, compute_advantage
from verl.utils import tensordict_utils as tu
from verl.utils.config import omega_conf_to_dataclass
from verl.workers.utils import losses

task = json.load(sys.stdin)
sys.path.insert(0, task["kit"])
check = importlib.import_module("check")
proof = importlib.import_module("proof")
batch = {name: torch.tensor(values) for name, values in task["batch"].items()}
# The tensors are padded already.
losses.no_padding_2_padding = lambda values, data: values


def config(folder):
    proof.HERE = check.proof.HERE = type(proof.HERE)(folder)
    return check.Export([]).config


def advantages(config):
    mask, width = batch["mask"], batch["mask"].shape[1]
    # The reward stands at a completion's last token.
    scores = torch.zeros(mask.shape)
    scores[torch.arange(len(mask)), mask.sum(1).long() - 1] = batch["rewards"]
    data = DataProto.from_dict(
        tensors={
            "response_mask": mask,
            "token_level_scores": scores,
            "token_level_rewards": scores,
            "old_log_probs": batch["old"],
            "ref_log_prob": batch["reference"],
            "responses": torch.zeros(mask.shape[0], width, dtype=torch.long),
        },
        non_tensors={"uid": np.array([str(group) for group in task["groups"]], dtype=object)},
    )
    if config.algorithm.use_kl_in_reward:
        control = core_algos.get_kl_controller(config.algorithm.kl_ctrl)
        data, _ = apply_kl_penalty(data, control, config.algorithm.kl_penalty)
    compute_advantage(
        data,
        config.algorithm.adv_estimator,
        gamma=config.algorithm.gamma,
        num_repeat=config.actor_rollout_ref.rollout.n,
        norm_adv_by_std_in_grpo=config.algorithm.norm_adv_by_std_in_grpo,
        config=config.algorithm,
    )
    return data.batch["advantages"]


def gradient(config):
    actor = omega_conf_to_dataclass(config.actor_rollout_ref.actor)
    current = batch["current"].clone().requires_grad_()
    fields = {
        "response_mask": batch["mask"],
        "old_log_probs": batch["old"],
        "advantages": advantages(config),
        "ref_log_prob": batch["reference"],
    }
    data = TensorDict(fields, batch_size=len(batch["mask"]))
    tu.assign_non_tensor(
        data, dp_size=1, batch_num_tokens=batch["mask"].sum().item(), global_batch_size=len(batch["mask"])
    )
    loss, _ = losses.ppo_loss(actor, {"log_probs": current}, data)
    (found,) = torch.autograd.grad(loss, current)
    return (found * batch["mask"]).tolist()


print(json.dumps({name: gradient(config(folder)) for name, folder in task["folders"].items()}))
