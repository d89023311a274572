"""An objective in verl's words: estimator, loss, average, clips, divergence, sampling (`trainer/ppo/core_algos.py`)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from harness.export import mapping
from harness.export.mapping import FOLDER, Setting
from harness.trainers.objectives import Objective
from harness.training import Settings

ACTOR = "actor_rollout_ref.actor"
# verl clips a third time, where the advantage is negative (dual clip); no ratio gets there: it bounds them by e^20.
NEVER = 1e9


@dataclass(frozen=True)
class Loss:
    """verl's `adv_estimator`, `loss_mode` and `loss_agg_mode` of an objective."""

    estimator: str
    mode: str
    average: str


LOSSES = {
    "grpo": Loss("grpo", "vanilla", "seq-mean-token-mean"),
    "dr_grpo": Loss("grpo", "vanilla", "seq-mean-token-sum-norm"),
    "dapo": Loss("grpo", "vanilla", "token-mean"),
    "gspo": Loss("grpo", "gspo", "seq-mean-token-mean"),
    "cispo": Loss("grpo", "cispo", "token-mean"),
    "sapo": Loss("grpo", "sapo", "seq-mean-token-mean"),
    "rloo": Loss("rloo", "vanilla", "seq-mean-token-sum"),
    "reinforce_pp": Loss("reinforce_plus_plus", "vanilla", "token-mean"),
}
REFUSED = {
    "reinforce_pp_baseline": "verl whitens it over tokens, not completions; the nearest is reinforce_pp",
    "gdpo": "verl whitens it over tokens, and its trainer hands the components to no estimator; the nearest is grpo",
    "online_dpo": "verl has no such estimator; the nearest is rloo, or harness train",
}


def problems(run: Settings) -> Iterator[str]:
    """What of the objective verl cannot do, each with a fix."""
    grpo = mapping.table(run)
    name, loss = grpo.objective, LOSSES.get(grpo.objective)
    if name in REFUSED:
        yield f"grpo.objective {name}: {REFUSED[name]}"
    if loss is None:
        return
    if grpo.entropy and loss.average != "token-mean":
        yield (
            f"grpo.entropy {grpo.entropy:g}: verl averages it as the loss of {name}, not over all tokens: set 0, or "
            "take dapo, cispo or reinforce_pp"
        )
    chosen = mapping.chosen(run)
    if chosen.beta(grpo.kl) and chosen.kl_place == "loss" and corrected(chosen):
        # verl has no ratio before the divergence, which only is the same where the ratio is 1.
        if name == "gspo":
            yield f"grpo.kl {grpo.kl:g} with gspo: verl weighs it by token, not by completion: set 0, or take grpo"
        elif grpo.updates > 1:
            yield (
                f"grpo.kl {grpo.kl:g} with grpo.updates {grpo.updates}: verl does not weigh {name}'s divergence by the "
                "ratio: set grpo.kl to 0 or grpo.updates to 1, or take grpo"
            )


def corrected(objective: Objective) -> bool:
    """Whether the divergence is weighed by the ratio, which is TRL's default."""
    return bool(objective.settings.get("use_bias_correction_kl", True))


def settings(run: Settings) -> Iterator[Setting]:
    grpo, chosen = mapping.table(run), mapping.chosen(run)
    loss = LOSSES[chosen.name]
    normalised = chosen.advantage == "group_normalised"
    yield Setting("grpo.objective", "algorithm.adv_estimator", loss.estimator)
    yield Setting("grpo.objective", "algorithm.norm_adv_by_std_in_grpo", normalised)
    yield Setting("grpo.objective", f"{ACTOR}.policy_loss.loss_mode", loss.mode)
    yield Setting("grpo.objective", f"{ACTOR}.loss_agg_mode", loss.average)
    if loss.average == "seq-mean-token-sum-norm":
        yield Setting("grpo.max_new_tokens", f"{ACTOR}.loss_scale_factor", grpo.max_new_tokens)
    for name, value in clips(chosen).items():
        yield Setting("grpo.objective", f"{ACTOR}.{name}", value)
    yield from _divergence(run)
    yield Setting("grpo.entropy", f"{ACTOR}.entropy_coeff", grpo.entropy)
    if chosen.dynamic_sampling:
        yield Setting("grpo.objective", "algorithm.filter_groups.enable", True)
        # The reward before the punishment of length: `score`, as the reward function returns it.
        yield Setting("grpo.objective", "algorithm.filter_groups.metric", "score")
    yield Setting("grpo.reward", "reward.custom_reward_function.path", f"{FOLDER}/reward.py")
    yield Setting("grpo.reward", "reward.custom_reward_function.name", "compute_score")
    yield Setting("grpo.reward", "reward.reward_manager.name", "dapo" if chosen.overlong else "naive")
    if chosen.overlong:
        yield from _overlong(chosen.overlong, grpo.max_new_tokens)


def clips(objective: Objective) -> dict[str, float]:
    """verl's bounds of the ratio, or the temperatures of its gate, for the arguments of TRL's `GRPOConfig`."""
    settings: dict[str, Any] = objective.settings
    if objective.name == "sapo":
        return {"tau_pos": settings["sapo_temperature_pos"], "tau_neg": settings["sapo_temperature_neg"]}
    if objective.name == "cispo":
        # TRL's is the highest weight itself, verl's is 1 + it; without a lower cut there is 1 - 1.
        return {"clip_ratio_low": 1.0, "clip_ratio_high": settings["epsilon_high"] - 1}
    low = settings["epsilon"]
    high = settings.get("epsilon_high", low)
    return {"clip_ratio": low, "clip_ratio_low": low, "clip_ratio_high": high, "clip_ratio_c": NEVER}


def _divergence(run: Settings) -> Iterator[Setting]:
    chosen = mapping.chosen(run)
    beta = chosen.beta(mapping.table(run).kl)
    in_reward, in_loss = (bool(beta) and chosen.kl_place == place for place in ("advantage", "loss"))
    yield Setting("grpo.kl", f"{ACTOR}.use_kl_loss", in_loss)
    yield Setting("grpo.kl", "algorithm.use_kl_in_reward", in_reward)
    if in_loss:
        # With a plus, k3's value with k2's gradient: that of k3 weighed by a ratio of 1.
        yield Setting("grpo.kl", f"{ACTOR}.kl_loss_type", "low_var_kl+" if corrected(chosen) else "low_var_kl")
        yield Setting("grpo.kl", f"{ACTOR}.kl_loss_coef", beta)
    if in_reward:
        yield Setting("grpo.kl", "algorithm.kl_penalty", "kl")
        yield Setting("grpo.kl", "algorithm.kl_ctrl.type", "fixed")
        yield Setting("grpo.kl", "algorithm.kl_ctrl.kl_coef", beta)


def _overlong(weight: float, max_new_tokens: int) -> Iterator[Setting]:
    """The soft overlong punishment, over the last tokens before the limit as the registry's `length_soft` has it."""
    from rewards.length import LengthSoft

    width = LengthSoft(max_tokens=max_new_tokens).cache * max_new_tokens
    for name, value in {"enable": True, "len": width, "penalty_factor": weight, "log": True}.items():
        yield Setting("grpo.objective", f"+reward.reward_kwargs.overlong_buffer_cfg.{name}", value)
    yield Setting("grpo.max_new_tokens", "+reward.reward_kwargs.max_resp_len", max_new_tokens)


def differs(run: Settings) -> Iterator[str]:
    """Numbers of verl's own, in sentences."""
    advantage = mapping.chosen(run).advantage
    if advantage == "group_normalised":
        yield "A group's deviation has 1e-6 added before it divides; here it is 1e-4."
    if advantage == "reinforce_pp":
        yield "The variance over the batch's tokens has 1e-8 added; here the deviation has 1e-4."
