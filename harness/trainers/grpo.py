"""GRPO and its relatives on TRL's `GRPOTrainer`, with every reward component logged and prompts from `harness.chat`."""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from datasets import Dataset
from transformers import TrainerCallback
from trl import GRPOConfig, GRPOTrainer

import rewards
from evals.data import Item
from harness import chat
from harness.trainers import adapters, loop
from harness.trainers.objectives import objective
from harness.training import GrpoConfig, TrainRun


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


def metrics_row(logs: Mapping[str, Any]) -> dict[str, Any]:
    """What `metrics.jsonl` says of a step, from TRL's logs; what was not measured is null, never zero."""
    components = {
        f"rewards/{key.removeprefix('component/')}": value
        for key, value in logs.items()
        if key.startswith("component/")
    }
    return {
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


def settings(run: TrainRun, folder: Path, on_cpu: bool) -> GRPOConfig:
    """The run's `GRPOConfig`: the objective's settings and the run's sizes."""
    grpo = table(run)
    return GRPOConfig(
        **loop.arguments(run, folder, on_cpu),
        num_generations=grpo.group_size,
        temperature=grpo.temperature,
        max_completion_length=grpo.max_new_tokens,
        beta=grpo.kl or 0.0,
        **objective(grpo.objective).settings,
    )


def table(run: TrainRun) -> GrpoConfig:
    assert run.grpo is not None
    return run.grpo


def train(
    run: TrainRun,
    model: Any,
    tokenizer: Any,
    items: Sequence[Item],
    folder: Path,
    callbacks: Sequence[TrainerCallback],
) -> Any:
    """Runs the GRPO training of `run` on `items` and returns the trained model."""
    reward = LoggedReward(rewards.parse(table(run).reward))
    dataset = Dataset.from_list(
        [{"prompt": chat.messages(item.question, run.prompt), "answer": item.gold} for item in items]
    )
    trainer = Trainer(
        model=model,
        reward_funcs=reward,
        args=settings(run, folder, on_cpu=model.device.type == "cpu"),
        train_dataset=dataset,
        processing_class=tokenizer,
        callbacks=list(callbacks),
        peft_config=adapters.peft_config(run.adapter) if run.adapter else None,
    )
    return loop.fit(trainer)
