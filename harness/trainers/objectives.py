"""Objectives by name: each is an exact configuration with its source. Cheap to import; no torch.

`docs/objectives.md` lists where a paper is left, and why.
"""

import re
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import ValidationError

import rewards
from harness.nearest import hint
from harness.trainers.process.checks import BadCredit
from harness.training import CreditConfig


class UnknownObjective(ValueError):
    """No objective by that name; the message lists the nearest ones."""


@dataclass(frozen=True)
class Objective:
    """How the rewards of a batch become a gradient.

    Attributes:
        settings: the `GRPOConfig` arguments of the loss.
        advantage: the estimator, of `harness.trainers.advantages`.
        source: the paper.
        kl: its own weight of the divergence from the starting model; 0 is none.
        kl_place: `loss` adds TRL's k3 estimate to every token's loss; `advantage` gives the estimator log pi / pi_ref.
        overlong: weight of the soft overlong punishment that is added to the reward.
        dynamic_sampling: groups whose rewards are all equal are sampled anew.
        on_policy: exact only where every batch of completions makes one update.
    """

    name: str
    settings: dict[str, Any]
    advantage: str
    source: str
    kl: float = 0.0
    kl_place: Literal["loss", "advantage"] = "loss"
    overlong: float = 0.0
    dynamic_sampling: bool = False
    on_policy: bool = False

    def beta(self, kl: float | None) -> float:
        """The weight of the divergence where the run says `kl`; `None` is the objective's own.

        Of an objective that is nothing without it (`online_dpo`), 0 is its own as well.
        """
        return self.kl if kl is None or (kl == 0 and self.on_policy) else kl


_OBJECTIVES = {
    objective.name: objective
    for objective in (
        Objective(
            "grpo",
            {"loss_type": "grpo", "epsilon": 0.2, "use_bias_correction_kl": False},
            "group_normalised",
            "DeepSeekMath, arXiv 2402.03300, eq. 3 and 4: mean over each completion's tokens, k3 divergence",
            kl=0.04,
        ),
        Objective(
            "dr_grpo",
            {"loss_type": "dr_grpo", "epsilon": 0.2},
            "mean_centred",
            "Dr. GRPO, arXiv 2503.20783, section 3.2: constant length normaliser, advantage not divided by deviation",
        ),
        Objective(
            "dapo",
            {"loss_type": "dapo", "epsilon": 0.2, "epsilon_high": 0.28},
            "group_normalised",
            "DAPO, arXiv 2503.14476, section 3: clip-higher, dynamic sampling, token-level loss, overlong punishment",
            overlong=0.5,
            dynamic_sampling=True,
        ),
        Objective(
            "gspo",
            {
                "loss_type": "grpo",
                "importance_sampling_level": "sequence",
                "epsilon": 3e-4,
                "epsilon_high": 4e-4,
            },
            "group_normalised",
            "GSPO, arXiv 2507.18071, eq. 5 and 7, section 5.1: length-normalised ratio of the whole completion",
        ),
        Objective(
            "cispo",
            {"loss_type": "cispo", "epsilon_high": 5.0},
            "group_normalised",
            "CISPO, MiniMax-M1, arXiv 2506.13585, eq. 4 and 5: REINFORCE by a clipped, constant importance weight",
        ),
        Objective(
            "sapo",
            {"loss_type": "sapo", "sapo_temperature_pos": 1.0, "sapo_temperature_neg": 1.05},
            "group_normalised",
            "SAPO, arXiv 2511.20347: a sigmoid gate of the ratio in place of the clip, steeper where advantage < 0",
        ),
        Objective(
            "rloo",
            {"loss_type": "luspo", "epsilon": 0.2},
            "leave_one_out",
            "RLOO, arXiv 2402.14740, eq. 8: the others' mean as baseline, sum over tokens, divergence in the reward",
            kl=0.05,
            kl_place="advantage",
        ),
        Objective(
            "reinforce_pp",
            {"loss_type": "dapo", "epsilon": 0.2},
            "reinforce_pp",
            "REINFORCE++, arXiv 2501.03262, eq. 8 to 10: token-level returns, whitened over the batch, no group",
            kl=0.001,
            kl_place="advantage",
        ),
        Objective(
            "reinforce_pp_baseline",
            {"loss_type": "dapo", "epsilon": 0.2, "use_bias_correction_kl": True},
            "reinforce_pp_baseline",
            "REINFORCE++-baseline, arXiv 2501.03262: group mean as baseline, whitened over the batch, k2 divergence",
            kl=0.001,
        ),
        Objective(
            "gdpo",
            {"loss_type": "grpo", "epsilon": 0.2},
            "gdpo",
            "GDPO, arXiv 2601.05242: every reward component normalised in its group, then summed and whitened",
        ),
        Objective(
            "online_dpo",
            {"loss_type": "luspo", "epsilon": 0.2},
            "online_dpo",
            "DPO, arXiv 2305.18290, on the best and worst of each group just sampled, as in OAIF, arXiv 2402.04792",
            kl=0.1,
            kl_place="advantage",
            on_policy=True,
        ),
    )
}


def objective(name: str) -> Objective:
    """Looks an objective up. Raises `UnknownObjective` with the nearest names."""
    if name not in _OBJECTIVES:
        raise UnknownObjective(
            f"unknown objective {name!r}: {hint(name, _OBJECTIVES)}There are {', '.join(_OBJECTIVES)}"
        )
    return _OBJECTIVES[name]


def split(spec: str) -> tuple[Objective, CreditConfig | None]:
    """Reads `OBJECTIVE` or `OBJECTIVE+RULE(SCORER, KEY=VALUE, ...)`, as `grpo+among_correct(process)`.

    The keys are those of `CreditConfig`. Raises `UnknownObjective`, and `BadCredit` where the credit cannot be read.
    """
    name, plus, text = spec.partition("+")
    return objective(name.strip()), credit(text) if plus else None


def credit(text: str) -> CreditConfig:
    """Reads `RULE(SCORER, KEY=VALUE, ...)`. Raises `BadCredit`."""
    match = re.fullmatch(r"\s*(\w+)\((.+)\)\s*", text)
    if match is None:
        raise BadCredit(f"{text!r}: write RULE(SCORER), as among_correct(process) or min(prm,weight=1)")
    scorer, *changes = rewards.split(match[2])
    pairs = dict(change.partition("=")[::2] for change in changes)
    try:
        return CreditConfig.model_validate({"rule": match[1], "scorer": scorer, **pairs})
    except ValidationError as error:
        first = error.errors()[0]
        raise BadCredit(f"{text}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error


def names() -> list[str]:
    return list(_OBJECTIVES)
