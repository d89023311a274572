"""A run as flags of OpenRLHF's `train_ppo_ray` (0.11.2), one per line."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from harness.export import mapping
from harness.export.mapping import FOLDER, Place, Setting, Translation
from harness.training import Settings

NAME = "openrlhf"
SHARED = "harness export verl has it"
# The advantages are cut as if they were rewards; none gets there.
NEVER = 1_000_000_000
STAGES = {"ddp": 0, "zero1": 1, "zero2": 2, "zero3": 3, "fsdp": 3}


@dataclass(frozen=True)
class Loss:
    """OpenRLHF's `advantage.estimator`, `policy_loss_type` and `loss_agg_mode` of an objective."""

    estimator: str
    kind: str
    average: str


LOSSES = {
    "grpo": Loss("group_norm", "ppo", "seq-mean-token-mean"),
    "gspo": Loss("group_norm", "gspo", "seq-mean-token-mean"),
    "reinforce_pp": Loss("reinforce", "ppo", "token-mean"),
}
REFUSED = {
    "dr_grpo": f"OpenRLHF has no constant length normaliser; {SHARED}, or take grpo",
    "dapo": (
        "OpenRLHF filters groups by the verifier's mean, not by the reward, and ends when the questions do, not after "
        f"optimizer.steps; {SHARED}, or take grpo"
    ),
    "cispo": f"OpenRLHF has no such loss; {SHARED}, or take grpo",
    "sapo": f"OpenRLHF has no such loss; {SHARED}, or take grpo",
    "rloo": f"OpenRLHF sums no completion's tokens; {SHARED}, or take reinforce_pp",
    "reinforce_pp_baseline": "OpenRLHF whitens it over tokens, not completions; the nearest is reinforce_pp",
    "gdpo": "OpenRLHF has no such estimator; the nearest is grpo",
    "online_dpo": "OpenRLHF has no such estimator; the nearest is reinforce_pp, or harness train",
}
# What no setting asks for; all models share the GPUs, and the engines sleep while the others work.
OWN: dict[str, Any] = {
    "--data.input_key": "prompt",
    "--data.label_key": "answer",
    "--rollout.top_p": 1.0,
    "--reward.clip_range": [-NEVER, NEVER],
    "--train.colocate_all": True,
    "--vllm.tensor_parallel_size": 1,
    "--vllm.gpu_memory_utilization": 0.5,
    "--vllm.enable_sleep": True,
    "--ds.enable_sleep": True,
    "--ds.param_dtype": "bf16",
    "--actor.gradient_checkpointing_enable": True,
    "--ckpt.load_enable": True,
    "--ckpt.best_metric_key": "none",
}
LEFT_OUT = {
    "grpo.reward_seconds": "OpenRLHF waits for a reward as long as it takes",
    "grpo.keep_completions": "OpenRLHF logs one completion a step",
}
MEASURES = (
    "OpenRLHF averages the reward, not the accuracy, and only while it trains: "
    "measure the model before and after with harness eval"
)


def problems(run: Settings, gpus: int, machines: int) -> Iterator[str]:
    """Why OpenRLHF cannot train `run`, each with a fix; nothing where it can."""
    yield from mapping.problems(run, NAME, gpus * machines)
    if run.grpo is None:
        return
    objective = run.grpo.objective
    if objective in REFUSED:
        yield f"grpo.objective {objective}: {REFUSED[objective]}"
    elif objective in LOSSES:
        beta = mapping.chosen(run).beta(run.grpo.kl)
        if beta and LOSSES[objective].average != "token-mean":
            yield (
                f"grpo.kl {beta:g} with {objective}: OpenRLHF averages the divergence over all tokens, not over each "
                f"completion's: set grpo.kl to 0; {SHARED}"
            )
    if run.adapter:
        yield (
            f"adapter: OpenRLHF sends an adapter's weights to vLLM by names that vLLM does not know; {SHARED}, "
            "or remove [adapter]"
        )


def translation(run: Settings, place: Place) -> Translation:
    """All settings; `problems` has found none. Raises `BadExport` where a flag could not be written."""
    if len(place.model.split()) != 1:
        raise mapping.BadExport(f"{place.model}: a flag cannot hold blanks: put the model where its path has none")
    settings = [
        *_model(place),
        *_sizes(run, place),
        *_optimizer(run),
        *_objective(run),
        *_records(run),
        *(Setting("", flag, value) for flag, value in OWN.items()),
    ]
    return Translation(tuple(settings), dict(_left_out(run)), tuple(_differs(run)))


def lines(settings: tuple[Setting, ...]) -> list[str]:
    """What `flags.txt` holds: a flag with its values, divided by blanks; a switch has none."""
    return [" ".join([setting.theirs, *written(setting.value)]) for setting in settings]


def written(value: Any) -> list[str]:
    if value is True:
        return []
    return list(map(str, value)) if isinstance(value, list) else [str(value)]


def _model(place: Place) -> Iterator[Setting]:
    yield Setting("model", "--actor.model_name_or_path", place.model)
    yield Setting("data", "--data.prompt_dataset", f"{FOLDER}/data/train.jsonl")


def _sizes(run: Settings, place: Place) -> Iterator[Setting]:
    grpo, micro = mapping.table(run), mapping.micro_batch(run, place.devices)
    yield Setting("grpo.updates", "--rollout.batch_size", mapping.prompts(run) * grpo.updates)
    # data/train.jsonl holds the questions of all steps: once through it is the run.
    yield Setting("optimizer.steps", "--train.num_episodes", 1)
    yield Setting("optimizer.steps", "--train.max_epochs", 1)
    yield Setting("optimizer.batch_size", "--train.batch_size", run.optimizer.batch_size)
    yield Setting("grpo.group_size", "--rollout.n_samples_per_prompt", grpo.group_size)
    yield Setting("optimizer.micro_batch", "--train.micro_batch_size", micro)
    yield Setting("optimizer.micro_batch", "--rollout.micro_batch_size", micro)
    for role in ("actor", "ref"):
        yield Setting("shard.processes", f"--{role}.num_nodes", place.machines)
        yield Setting("shard.processes", f"--{role}.num_gpus_per_node", place.gpus)
    yield Setting("shard.processes", "--vllm.num_engines", place.devices)
    yield Setting("shard.strategy", "--ds.zero_stage", STAGES[run.shard.strategy])
    yield Setting("prompt", "--data.max_len", place.prompt_tokens + grpo.max_new_tokens)
    yield Setting("grpo.max_new_tokens", "--rollout.max_new_tokens", grpo.max_new_tokens)
    yield Setting("grpo.temperature", "--rollout.temperature", grpo.temperature)
    yield Setting("seed", "--train.seed", run.seed)


def _optimizer(run: Settings) -> Iterator[Setting]:
    optimizer = run.optimizer
    # OpenRLHF rounds the share of the steps up; half a step less cannot round to one more.
    share = max(0.0, optimizer.warmup_steps - 0.5) / optimizer.steps
    yield Setting("optimizer.learning_rate", "--actor.adam.lr", optimizer.learning_rate)
    yield Setting("optimizer.beta2", "--actor.adam.betas", [0.9, optimizer.beta2])
    yield Setting("optimizer.weight_decay", "--actor.adam.weight_decay", optimizer.weight_decay)
    yield Setting("optimizer.max_grad_norm", "--actor.max_norm", optimizer.max_grad_norm)
    yield Setting("optimizer.schedule", "--actor.lr_scheduler", optimizer.schedule)
    yield Setting("optimizer.warmup_steps", "--actor.lr_warmup_ratio", share)


def _objective(run: Settings) -> Iterator[Setting]:
    grpo, chosen = mapping.table(run), mapping.chosen(run)
    loss, low = LOSSES[chosen.name], chosen.settings["epsilon"]
    yield Setting("grpo.reward", "--reward.remote_url", f"{FOLDER}/reward.py")
    yield Setting("grpo.objective", "--algo.advantage.estimator", loss.estimator)
    yield Setting("grpo.objective", "--actor.policy_loss_type", loss.kind)
    yield Setting("grpo.objective", "--actor.loss_agg_mode", loss.average)
    yield Setting("grpo.objective", "--actor.eps_clip_low_high", [low, chosen.settings.get("epsilon_high", low)])
    yield Setting("grpo.kl", "--algo.kl.init_coef", chosen.beta(grpo.kl))
    yield Setting("grpo.kl", "--algo.kl.estimator", "k1")
    if grpo.entropy:
        yield Setting("grpo.entropy", "--actor.entropy_coef", grpo.entropy)


def _records(run: Settings) -> Iterator[Setting]:
    every = run.checkpoint.every // mapping.table(run).updates
    yield Setting("checkpoint.every", "--ckpt.save_steps", every or -1)
    yield Setting("checkpoint.keep", "--ckpt.max_num", run.checkpoint.keep)
    yield Setting("checkpoint.every", "--ckpt.path", f"{FOLDER}/checkpoints")
    yield Setting("", "--ckpt.output_dir", f"{FOLDER}/model")
    if "tensorboard" in run.report_to:
        yield Setting("report_to", "--logger.tensorboard_dir", f"{FOLDER}/tensorboard")


def _left_out(run: Settings) -> Iterator[tuple[str, str]]:
    yield from LEFT_OUT.items()
    grpo = mapping.table(run)
    if not grpo.entropy:
        yield "grpo.entropy", "0: no flag is needed"
    yield "grpo.rollout", "vLLM samples on the training GPUs"
    if grpo.rollout == "server":
        yield "grpo.server", "OpenRLHF starts its own engines on the training GPUs"
    if run.evaluation:
        yield "evaluation", MEASURES
    if "wandb" in run.report_to:
        yield "report_to wandb", "its key is a flag: bash run.sh --logger.wandb.key KEY"
    if "trackio" in run.report_to:
        yield "report_to trackio", "OpenRLHF does not know it"


def _differs(run: Settings) -> Iterator[str]:
    chosen = mapping.chosen(run)
    if chosen.advantage == "group_normalised":
        yield "A group's deviation has 1e-9 added before it divides; here it is 1e-4."
    if chosen.advantage == "reinforce_pp":
        yield "The variance over the batch's tokens is divided by n, not n - 1, and at least 1e-8."
    if mapping.table(run).rollout in ("vllm", "server"):
        yield mapping.ENGINE.format(name="OpenRLHF", flag="--algo.advantage.is_correction_level")
    if run.shard.strategy == "fsdp":
        yield "DeepSpeed's ZeRO-3 divides what FSDP would."
    yield "Questions are drawn once for all steps and lie in data/train.jsonl; every one is rendered already."
    yield "The model is loaded with trust_remote_code: Python files that lie beside its weights are run."
    yield mapping.UNSCORABLE
