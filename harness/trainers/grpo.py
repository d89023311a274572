"""GRPO and its relatives on TRL's `GRPOTrainer`, with every reward component logged and prompts from `harness.chat`."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from datasets import Dataset
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from trl import GRPOConfig, GRPOTrainer

import rewards
from evals.data import Item
from harness import chat
from harness.config import RunConfig
from harness.trainers.objectives import objective


class RewardFailure(RuntimeError):
    """A reward returned something that must not become a gradient; training stops."""


class Trainer(GRPOTrainer):  # type: ignore[misc]  # TRL ships no type information
    """TRL's trainer, except that prompts are rendered by `harness.chat`, the same as at evaluation."""

    def _tokenize_prompts(self, prompts: list[chat.Messages]) -> tuple[list[list[int]], None, dict[str, Any]]:
        return [chat.encode(self.processing_class, prompt) for prompt in prompts], None, {}


class LoggedReward:
    """The reward as TRL calls it: checks what comes back, logs every component and the verified accuracy.

    Verified accuracy comes from the verifier, never from the reward, so a reward that is hacked shows it.
    """

    def __init__(self, reward: rewards.Reward) -> None:
        self.reward = reward
        self.__name__ = "total"

    def __call__(
        self,
        prompts: Sequence[Any],
        completions: Sequence[Any],
        log_metric: Callable[[str, float], None],
        **columns: Any,
    ) -> list[float | None]:
        components = self.reward.components(prompts=prompts, completions=completions, **columns)
        for name, scores in components.items():
            _check(name, scores, len(completions))
            log_metric(f"component/{name}", _mean(scores))
        verdicts = rewards.verify_batch(completions, columns["answer"])
        log_metric("accuracy", _mean([float(v.correct) if v.scorable else None for v in verdicts]))
        return self.reward.total(components)


def _check(name: str, scores: Sequence[float | None], count: int) -> None:
    """Stops on what would silently corrupt a gradient."""
    if len(scores) != count:
        raise RewardFailure(f"reward component {name} returned {len(scores)} scores for {count} completions")
    bad = [score for score in scores if score is not None and not math.isfinite(score)]
    if bad:
        raise RewardFailure(f"reward component {name} returned {bad[0]}; scores must be finite numbers or None")


def _mean(scores: Sequence[float | None]) -> float:
    """Mean of the scorable; NaN where nothing is, which TRL leaves out of its averages."""
    known = [score for score in scores if score is not None]
    return sum(known) / len(known) if known else math.nan


class Records(TrainerCallback):  # type: ignore[misc]
    """Appends one line a step to `metrics.jsonl` (deterministic) and to `timing.jsonl` (wall seconds of the step)."""

    def __init__(self, folder: Path, clock: Callable[[], float]) -> None:
        self.folder = folder
        self.clock = clock
        self.started = clock()

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        self.started = self.clock()

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: Mapping[str, Any] | None = None,
        **_: Any,
    ) -> None:
        if logs is None or "reward" not in logs:  # TRL's closing summary of the whole run
            return
        self._append("metrics.jsonl", metrics_row(state.global_step, logs))
        self._append("timing.jsonl", {"step": state.global_step, "seconds": round(self.clock() - self.started, 3)})

    def _append(self, name: str, row: dict[str, Any]) -> None:
        with (self.folder / name).open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")


def metrics_row(step: int, logs: Mapping[str, Any]) -> dict[str, Any]:
    """A line of `metrics.jsonl` from TRL's logs; what was not measured is null, never zero."""
    components = {
        f"rewards/{key.removeprefix('component/')}": value
        for key, value in logs.items()
        if key.startswith("component/")
    }
    row = {
        "step": step,
        "reward": logs["reward"],
        **components,
        "accuracy": logs.get("accuracy"),
        "entropy": logs.get("entropy"),
        "kl": logs.get("kl"),
        "length": logs.get("completions/mean_length"),
        "truncated": logs.get("completions/clipped_ratio"),
        "dead_groups": logs.get("frac_reward_zero_std"),
        "reward_std": logs.get("reward_std"),
        "grad_norm": logs.get("grad_norm"),
        # Wall time would make two equal runs differ: it is in timing.jsonl, under the same step.
        "seconds": None,
    }
    return {name: value if value is None or math.isfinite(value) else None for name, value in row.items()}


class Heartbeat(TrainerCallback):  # type: ignore[misc]
    """Tells after every step that the run is alive and where it is."""

    def __init__(self, beat: Callable[[int], None]) -> None:
        self.beat = beat

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self.beat(state.global_step)


class Curve(TrainerCallback):  # type: ignore[misc]
    """Calls `measure(step)` after every `every` steps and after the last."""

    def __init__(self, every: int, measure: Callable[[int], None]) -> None:
        self.every = every
        self.measure = measure

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if state.global_step % self.every == 0 or state.global_step == state.max_steps:
            self.measure(state.global_step)


def arguments(config: RunConfig, folder: Path, on_cpu: bool) -> GRPOConfig:
    """The run's `GRPOConfig`: the objective's settings, the run's sizes, float32 on a CPU."""
    train = config.train
    batch = train.prompts_per_step * train.group_size
    micro = train.micro_batch or batch
    return GRPOConfig(
        output_dir=str(folder),
        seed=config.seed,
        max_steps=train.steps,
        per_device_train_batch_size=micro,
        gradient_accumulation_steps=batch // micro,
        num_generations=train.group_size,
        learning_rate=train.learning_rate,
        lr_scheduler_type="constant",
        adam_beta2=0.98,
        max_grad_norm=1.0,
        temperature=train.temperature,
        max_completion_length=train.max_new_tokens,
        beta=train.beta,
        use_cpu=on_cpu,
        bf16=not on_cpu,
        gradient_checkpointing=not on_cpu,
        logging_steps=1,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        **objective(config.objective).settings,
    )


def train(
    config: RunConfig,
    model: Any,
    tokenizer: Any,
    items: Sequence[Item],
    folder: Path,
    callbacks: Sequence[TrainerCallback],
) -> Any:
    """Runs the GRPO training of `config` on `items` and returns the trained model.

    With `config.model.lora_rank` the base weights stay frozen and a LoRA adapter on every linear layer is trained
    (arXiv 2106.09685), alpha twice the rank.
    """
    reward = LoggedReward(rewards.parse(config.reward))
    dataset = Dataset.from_list(
        [{"prompt": chat.messages(item.question, config.prompt), "answer": item.gold} for item in items]
    )
    trainer = Trainer(
        model=model,
        reward_funcs=reward,
        args=arguments(config, folder, on_cpu=model.device.type == "cpu"),
        train_dataset=dataset,
        processing_class=tokenizer,
        callbacks=list(callbacks),
        peft_config=lora(config.model.lora_rank) if config.model.lora_rank else None,
    )
    trainer.train()
    return trainer.model


def lora(rank: int) -> Any:
    from peft import LoraConfig

    return LoraConfig(r=rank, lora_alpha=2 * rank, target_modules="all-linear", task_type="CAUSAL_LM")
