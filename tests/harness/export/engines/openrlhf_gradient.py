"""OpenRLHF's own advantages and policy loss, by the exported flags: the gradient at every token's log-probability."""

import importlib
import json
import sys
from types import SimpleNamespace

import torch

task = json.load(sys.stdin)
sys.path.insert(0, task["kit"])
check = importlib.import_module("check")
proof = importlib.import_module("proof")
# As check.py does: what needs a GPU is played where it is not installed.
check.checks([], False)

from openrlhf.models import PolicyLoss  # noqa: E402
from openrlhf.models.utils import compute_approx_kl  # noqa: E402
from openrlhf.trainer.ppo_utils.experience import Experience  # noqa: E402
from openrlhf.trainer.ppo_utils.experience_maker import RemoteExperienceMaker  # noqa: E402

batch = {name: torch.tensor(values) for name, values in task["batch"].items()}


def advantages(args):
    control = SimpleNamespace(value=args.algo.kl.init_coef)
    maker = RemoteExperienceMaker(None, None, None, None, control, SimpleNamespace(args=args), None)
    kl = torch.zeros(batch["mask"].shape)
    if args.algo.kl.init_coef > 0:
        kl = compute_approx_kl(batch["old"], batch["reference"], kl_estimator=args.algo.kl.estimator)
    made = [
        Experience(
            rewards=batch["rewards"][i : i + 1],
            action_mask=batch["mask"][i : i + 1].long(),
            response_length=batch["mask"][i : i + 1].sum(1),
            kl=kl[i : i + 1],
            index=[i],
            info={},
        )
        for i in range(len(batch["mask"]))
    ]
    return torch.cat([one.advantages for one in maker.compute_advantages_and_returns(made)])


def gradient(folder):
    proof.HERE = check.proof.HERE = type(proof.HERE)(folder)
    args = check.Export([], []).args
    # As openrlhf/trainer/ray/ppo_actor.py builds it.
    low, high = args.actor.eps_clip_low_high
    loss_fn = PolicyLoss(
        clip_eps_low=low,
        clip_eps_high=high,
        dual_clip=args.actor.dual_clip,
        token_level_loss=args.actor.loss_agg_mode == "token-mean",
        policy_loss_type=args.actor.policy_loss_type,
    )
    current = batch["current"].clone().requires_grad_()
    loss = loss_fn(
        current,
        batch["old"],
        advantages(args),
        action_mask=batch["mask"],
        dp_size=1,
        batch_num_tokens=batch["mask"].sum(),
        global_batch_size=len(batch["mask"]),
    )[0]
    (found,) = torch.autograd.grad(loss, current)
    return (found * batch["mask"]).tolist()


print(json.dumps({name: gradient(folder) for name, folder in task["folders"].items()}))
