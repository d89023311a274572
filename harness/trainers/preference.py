"""Preference optimisation: DPO and its relatives on TRL's trainers, from pairs that are built, reported and kept.

In the run's folder: `pairs.jsonl` and their report `pairs.json`, `rollouts/` where the pairs are sampled here,
`length_bias.json` and `logps.jsonl`, and `tokens/`, the scratch of a running training. A resumed run takes the pairs
that are there.
"""

import shutil
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import TrainerCallback
from trl import DPOConfig, KTOConfig
from trl.trainer.dpo_trainer import DataCollatorForPreference

from evals.data import Item
from harness.trainers import adapters, loop
from harness.trainers.length_bias import LengthBias, Reward
from harness.trainers.losses import Loss, Settings, loss
from harness.trainers.pairwise import KtoTrainer, PairTrainer, ReferenceFreeTrainer
from harness.trainers.preference_data import Row, prepared, table, tokenised, unpaired
from harness.trainers.sequence_losses import log_odds, orpo, simpo
from harness.training import TrainRun


def metrics_row(logs: Mapping[str, Any]) -> dict[str, Any]:
    """What `metrics.jsonl` says of a step, from the trainer's logs; what was not measured is null, never zero.

    `margin` is chosen minus rejected implicit reward; `accuracy` the share of pairs where it is positive, null for
    `kto`, which has no pairs; `length_bias` Pearson's correlation of implicit reward and tokens over the step.
    """
    return {
        "loss": logs["loss"],
        "rewards/chosen": logs.get("rewards/chosen"),
        "rewards/rejected": logs.get("rewards/rejected"),
        "margin": logs.get("rewards/margins"),
        "accuracy": logs.get("rewards/accuracies"),
        "logps/chosen": logs.get("logps/chosen"),
        "logps/rejected": logs.get("logps/rejected"),
        "length_bias": logs.get("length_bias"),
        "entropy": logs.get("entropy"),
        "kl": logs.get("kl"),
        "grad_norm": logs.get("grad_norm"),
    }


def train(
    run: TrainRun,
    model: Any,
    tokenizer: Any,
    items: Sequence[Item],
    folder: Path,
    callbacks: Sequence[TrainerCallback],
) -> Any:
    """Builds or reads the pairs of `run`, trains on them and returns the trained model.

    Raises:
        UnknownLoss, BadSetting: the loss cannot be had as asked.
        NoPairs: nothing to train on. ItemsError, RewardError, UnreadableReward: the rollouts or reward are unusable.
        TestQuestions: the rollouts answer test questions.
    """
    dpo = table(run)
    chosen = loss(dpo.loss)
    values = chosen.values(dpo.settings)
    args = settings(run, folder, chosen, values, on_cpu=model.device.type == "cpu")
    # The first process samples and builds; the others then read what it wrote.
    with args.main_process_first(local=False, desc="preference pairs"):
        pairs = prepared(run, model, tokenizer, items, folder)
    rows = [tokenised(tokenizer, pair) for pair in pairs]
    arguments = {
        "model": model,
        "args": args,
        "processing_class": tokenizer,
        "callbacks": [*callbacks, meter(run, tokenizer, folder, rows, implicit_reward(chosen, values))],
        "peft_config": adapters.peft_config(run.adapter) if run.adapter else None,
    }
    return loop.fit(trainer(run, chosen, values, rows, folder, arguments))


def settings(run: TrainRun, folder: Path, chosen: Loss, values: Settings, on_cpu: bool) -> Any:
    """The run's `DPOConfig` or `KTOConfig`: the loss's settings, reference log-probabilities computed beforehand."""
    arguments = loop.arguments(run, folder, on_cpu)
    ours = {"max_length": None, "precompute_ref_log_probs": True, **chosen.trl(values)}
    if chosen.unpaired:
        # A pair is two completions, and the batch sizes count pairs.
        return KTOConfig(**{**arguments, "per_device_train_batch_size": 2 * run.micro_batch, **ours})
    return DPOConfig(**arguments, **ours)


def trainer(
    run: TrainRun, chosen: Loss, values: Settings, rows: Sequence[Row], folder: Path, arguments: dict[str, Any]
) -> Any:
    """The trainer of a loss on tokenised pairs."""
    if chosen.unpaired:
        rows = unpaired(rows, run.micro_batch, run.seed)
    dataset = stored(arguments["args"], rows, folder / "tokens")
    if chosen.unpaired:
        return KtoTrainer(**arguments, train_dataset=dataset)
    if chosen.reference_free:
        losses, rewards = REFERENCE_FREE[chosen.name](values)
        return ReferenceFreeTrainer(losses=losses, rewards=rewards, **arguments, train_dataset=dataset)
    penalty = values["alpha"] / values["beta"] if chosen.name == "r_dpo" else 0.0
    return PairTrainer(length_penalty=penalty, **arguments, train_dataset=dataset)


def stored(args: Any, rows: Sequence[Row], folder: Path) -> Dataset:
    """The rows as a dataset on disk: TRL leaves reference log-probabilities beside it, where every process looks."""
    with args.main_process_first(local=False, desc="tokens"):
        if args.process_index == 0:
            shutil.rmtree(folder, ignore_errors=True)
            Dataset.from_list(list(rows)).save_to_disk(str(folder))
        return Dataset.load_from_disk(str(folder))


REFERENCE_FREE: dict[str, Callable[[Settings], tuple[Any, Any]]] = {
    "simpo": lambda values: (
        partial(simpo, beta=values["beta"], gamma=values["gamma"]),
        lambda means: values["beta"] * means,
    ),
    "orpo": lambda values: (partial(orpo, weight=values["lambda"]), log_odds),
}


def implicit_reward(chosen: Loss, values: Settings) -> Reward:
    """beta (log pi - log ref) of whole completions, and of a reference-free loss its own reward."""
    if chosen.reference_free:
        rewards = REFERENCE_FREE[chosen.name](values)[1]
        return lambda now, start, lengths: rewards(torch.from_numpy(now / lengths)).numpy()
    beta = values["tau"] if chosen.name == "ipo" else values["beta"]
    return lambda now, start, lengths: beta * (now - start)


def meter(run: TrainRun, tokenizer: Any, folder: Path, rows: Sequence[Row], reward: Reward) -> LengthBias:
    collate = DataCollatorForPreference(pad_token_id=tokenizer.pad_token_id)
    return LengthBias(folder, rows, reward, collate, run.micro_batch)
