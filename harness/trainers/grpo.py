"""Reinforcement learning on TRL's `GRPOTrainer`: every objective of `harness.trainers.objectives`.

TRL samples, computes the loss and updates; two of its methods are overridden. `_calculate_rewards` grades by `scoring`,
`_generate_and_score_completions` puts our advantages in the place of TRL's, after dynamic sampling where the objective
has it.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import gather_object  # type: ignore[import-untyped]
from datasets import Dataset
from transformers import TrainerCallback
from trl import GRPOConfig, GRPOTrainer
from trl.models.utils import disable_gradient_checkpointing
from trl.trainer.utils import use_adapter

import rewards
from evals.data import Item
from harness import chat
from harness.trainers import adapters, environments, loop, rollouts, step_log
from harness.trainers.advantages import ESTIMATORS, Scored
from harness.trainers.checkpoints import Checkpointed
from harness.trainers.completions import Completions
from harness.trainers.dynamic_sampling import Sampled, drawn, refill
from harness.trainers.objectives import Objective, objective
from harness.trainers.phases import PhaseClock
from harness.trainers.process.credit import Credit, worth
from harness.trainers.records import Records
from harness.trainers.rollouts.decoding import decoded
from harness.trainers.scoring import Sample, Scorer, settled
from harness.trainers.step_log import groups, metrics_row
from harness.training import GrpoConfig, TrainRun

__all__ = ["Trainer", "metrics_row", "settings", "train"]


class BadObjective(ValueError):
    """The run's sizes do not suit its objective."""


class Trainer(Checkpointed, GRPOTrainer):  # type: ignore[misc]  # TRL ships no type information
    """The trainer of `run`. Prompts are rendered by `harness.chat`, the same as at evaluation."""

    def __init__(self, run: TrainRun, folder: Path, model: Any, **arguments: Any) -> None:
        self.table = table(run)
        self.objective = objective(self.table.objective)
        self.reward = reward(self.table)
        self.shaping = overlong(self.reward, self.objective)
        self.scorer = Scorer(self.reward, run.plugins, self.table.reward_seconds)
        self.completions = Completions(folder, self.table.keep_completions)
        self.phases = PhaseClock()
        on_cpu = model.device.type == "cpu"
        super().__init__(model=model, reward_funcs=self.reward, args=settings(run, folder, on_cpu), **arguments)
        if self.objective.kl_place == "advantage":
            # The reference is loaded for the estimator; the loss gets no term of its own.
            self.beta = 0.0
        self.add_callback(self.phases)
        self.credit = Credit(run, self) if self.table.credit else None
        self.environment = environments.named(self.table.environment)
        if self.environment is not None:
            self.rollout_func = self._rollouts_in_environment

    def _tokenize_prompts(self, prompts: list[chat.Messages]) -> tuple[list[list[int]], None, dict[str, Any]]:
        return [chat.encode(self.processing_class, prompt) for prompt in prompts], None, {}

    def training_step(self, *arguments: Any, **named: Any) -> Any:
        with self.phases("train"):
            return super().training_step(*arguments, **named)

    def compute_loss(self, model: Any, inputs: Mapping[str, Any], *arguments: Any, **named: Any) -> Any:
        self.phases.tokens("train", int(inputs["prompt_mask"].sum() + inputs["completion_mask"].sum()))
        return super().compute_loss(model, inputs, *arguments, **named)

    def _generate_single_turn(self, prompt_ids: Sequence[Sequence[int]], *arguments: Any, **named: Any) -> Any:
        # As TRL would within the call: here it has a phase of its own.
        if self.use_vllm and self.state.global_step != self._last_loaded_step:
            with self.phases("sync"):
                self.vllm_generation.sync_weights()
            self._last_loaded_step: int = self.state.global_step
        with self.phases("rollout"):
            if self.table.rollout == "decoder":
                completion_ids, logprobs = decoded(self, prompt_ids), None
            else:
                completion_ids, logprobs = super()._generate_single_turn(prompt_ids, *arguments, **named)
        self.phases.tokens("rollout", sum(map(len, completion_ids)))
        return completion_ids, logprobs

    def _rollouts_in_environment(self, prompts: list[chat.Messages], _: Any) -> dict[str, Any]:
        assert self.environment is not None
        prompt_ids = [chat.encode(self.processing_class, prompt) for prompt in prompts]
        with self.phases("rollout"):
            completion_ids, own = environments.rollouts(self, prompt_ids, self.environment)
        self.phases.tokens("rollout", sum(map(sum, own)))
        return {"prompt_ids": prompt_ids, "completion_ids": completion_ids, "logprobs": None, "env_mask": own}

    def _calculate_rewards(
        self,
        inputs: Sequence[Mapping[str, Any]],
        prompts: Sequence[Any],
        completions: Sequence[Any],
        completion_ids_list: Sequence[Sequence[int]],
    ) -> torch.Tensor:
        columns = {key: [row[key] for row in inputs] for key in inputs[0] if key != "prompt"}
        ends = {*self.eos_token_ids, self.processing_class.pad_token_id}
        finishes = ["stop" if ids[-1] in ends else "length" for ids in completion_ids_list]
        with self.phases("reward"):
            own = self.scorer.samples(prompts, completions, completion_ids_list, finishes, columns)
        self.phases.tokens("reward", sum(map(len, completion_ids_list)))
        if self.credit is not None:
            with self.phases("process"):
                own = self.credit.scored(own, prompts, completion_ids_list, columns)
        self.samples = settled(gather_object(own), self.num_generations, self.reward)
        return _column([sample.reward for sample in self.samples], self.accelerator.device).unsqueeze(1)

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        batch, dropped = self._sample(inputs), list[Sample]()
        if self.objective.dynamic_sampling:
            batch, dropped = self._refilled(batch)
        advantages = self._advantages(batch)
        found = dict[str, float | None]()
        if self.credit is not None:
            with self.phases("process"):
                advantages, found = self._credited(self.credit, batch, advantages)
        self._record(batch.samples, dropped, advantages, found)
        return batch.tensors | {"advantages": self._local(advantages, *batch.tensors["completion_mask"].shape)}

    def _credited(
        self, credit: Credit, batch: Sampled, outcome: torch.Tensor
    ) -> tuple[torch.Tensor, dict[str, float | None]]:
        """(B, T) advantages over the completions of all processes, and what is known of the scores behind them."""
        size = len(batch.tensors["completion_mask"])
        start = self.accelerator.process_index * size
        found, tokens = credit.tokens(batch.tensors, batch.samples[start : start + size])
        mask = self._gathered(environments.written(batch.tensors))
        gathered = None if tokens is None else self._gathered(tokens)
        advantages = credit.advantages(batch.samples, outcome, mask, gathered)
        added = (advantages - (outcome if outcome.ndim > 1 else outcome.unsqueeze(1)))[mask.bool()]
        found["process/advantage_std"] = float(added.std()) if added.numel() > 1 else None
        return advantages, step_log.process(batch.samples, worth(batch.samples, gathered)) | found

    def _sample(self, inputs: list[dict[str, Any]]) -> Sampled:
        tensors = super()._generate_and_score_completions(inputs)
        return Sampled(tensors, self.samples)

    def _refilled(self, batch: Sampled) -> tuple[Sampled, list[Sample]]:
        """The batch after dynamic sampling, with the number of its tokens counted again."""
        process = self.accelerator.process_index, self.accelerator.num_processes
        rounds, pad = self.table.sampling_rounds, self.processing_class.pad_token_id
        batch, dropped = refill(batch, self._draw, self._teaches, self.num_generations, rounds, process, pad)
        batch.tensors["num_items_in_batch"] = self.accelerator.gather(environments.written(batch.tensors).sum()).sum()
        return batch, dropped

    def _draw(self, count: int, number: int) -> Sampled:
        """Samples `count` groups on this process; seed, step and round alone decide their prompts."""
        processes, own = self.accelerator.num_processes, self.accelerator.process_index
        indices = drawn(len(self.train_dataset), count * processes, self.args.seed, self.state.global_step, number)
        mine = indices[own * count : (own + 1) * count]
        return self._sample([self.train_dataset[index] for index in mine for _ in range(self.num_generations)])

    def _teaches(self, group: Sequence[Sample]) -> bool:
        """Whether the rewards of a group differ by more than their lengths make them."""
        found = step_log.spread(group, self.shaping)
        return found is not None and found > step_log.TOLERANCE

    def _advantages(self, batch: Sampled) -> torch.Tensor:
        """(B,) or (B, T) over the completions of all processes."""
        device, samples = self.accelerator.device, batch.samples
        weights = {name: weight for name, weight in self.reward.weights.items() if weight}
        mask, log_ratio = self._gathered(environments.written(batch.tensors)), torch.zeros((), device=device)
        if self.args.beta and self.objective.kl_place == "advantage":
            log_ratio = self._gathered(self._log_ratio(batch.tensors))
            self._metrics["train"]["kl"].append(float((log_ratio * mask).sum() / mask.sum()))
        scored = Scored(
            rewards=_column([sample.reward for sample in samples], device),
            group=torch.arange(len(samples), device=device) // self.num_generations,
            components=torch.stack(
                [_column([sample.components[name] for sample in samples], device) for name in weights], dim=1
            ),
            weights=torch.tensor(list(weights.values()), dtype=torch.float64, device=device),
            mask=mask,
            log_ratio=log_ratio.expand_as(mask),
            beta=self.args.beta,
        )
        return ESTIMATORS[self.objective.advantage](scored)

    @torch.no_grad()
    def _log_ratio(self, tensors: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """(B, T): log pi / pi_ref of this process's tokens, both at the sampling temperature."""
        ids = torch.cat([tensors["prompt_ids"], tensors["completion_ids"]], dim=1)
        mask = torch.cat([tensors["prompt_mask"], tensors["completion_mask"]], dim=1)

        def log_probabilities(model: Any) -> torch.Tensor:
            width, size = tensors["completion_ids"].size(1), self.args.per_device_train_batch_size
            logps: torch.Tensor = self._get_per_token_logps_and_entropies(model, ids, mask, width, batch_size=size)[0]
            return logps

        with disable_gradient_checkpointing(self.model, self.args.gradient_checkpointing_kwargs):
            old = tensors.get("old_per_token_logps")
            policy = log_probabilities(self.model) if old is None else old
            if self.ref_model is not None:
                return policy - log_probabilities(self.ref_model)
            # The model below a new adapter is its reference; of one that is trained on, TRL has kept a copy.
            adapted = self.accelerator.unwrap_model(self.model)
            with use_adapter(adapted, adapter_name="ref" if "ref" in adapted.peft_config else None):
                return policy - log_probabilities(self.model)

    def _gathered(self, tensor: torch.Tensor) -> torch.Tensor:
        """(B, T) of all processes, of which each has padded to its own longest."""
        gathered: torch.Tensor = self.accelerator.gather(self.accelerator.pad_across_processes(tensor, dim=1))
        return gathered

    def _local(self, advantages: torch.Tensor, size: int, width: int) -> torch.Tensor:
        """This process's part, in the trainer's precision; of tokens, no wider than its own completions."""
        start = self.accelerator.process_index * size
        own = advantages[start : start + size].float()
        return own if own.ndim == 1 else own[:, :width]

    def _record(
        self,
        samples: Sequence[Sample],
        dropped: Sequence[Sample],
        advantages: torch.Tensor,
        process: Mapping[str, float | None],
    ) -> None:
        size = self.num_generations
        kept = groups(samples, size)
        row = step_log.statistics([*samples, *dropped], self.reward.weights, size, self.shaping)
        if self.objective.dynamic_sampling:
            row["dead_groups_kept"] = sum(not self._teaches(group) for group in kept) / len(kept)
            row["extra_completions"] = float(len(dropped))
            row["extra_tokens"] = float(sum(sample.tokens for sample in dropped))
        for name, value in {**row, **process}.items():
            self._metrics["train"][step_log.OWN + name].append(math.nan if value is None else value)
        if self.accelerator.is_main_process:
            self.completions.write(
                self.state.global_step + 1, [*samples, *dropped], [*advantages.tolist(), *[None] * len(dropped)]
            )


def _column(values: Sequence[float | None], device: Any) -> torch.Tensor:
    """(B,) in double precision; NaN is not scorable."""
    return torch.tensor([math.nan if v is None else v for v in values], dtype=torch.float64, device=device)


def table(run: TrainRun) -> GrpoConfig:
    assert run.grpo is not None
    return run.grpo


def reward(grpo: GrpoConfig) -> rewards.Reward:
    """What is paid: the run's reward, plus the objective's punishment of what comes near the length limit."""
    weight = objective(grpo.objective).overlong
    return rewards.parse(
        f"{grpo.reward}+{weight}*length_soft(max_tokens={grpo.max_new_tokens})" if weight else grpo.reward
    )


def overlong(reward: rewards.Reward, objective: Objective) -> dict[str, float]:
    """The component that `reward` added, with its weight; nothing where the objective adds none."""
    return dict(list(reward.weights.items())[-1:]) if objective.overlong else {}


def settings(run: TrainRun, folder: Path, on_cpu: bool) -> GRPOConfig:
    """The run's `GRPOConfig`: the objective's loss and the run's sizes. Raises `BadObjective` where they disagree."""
    grpo, base = table(run), loop.arguments(run, folder, on_cpu)
    chosen = objective(grpo.objective)
    if chosen.on_policy and grpo.updates > 1:
        raise BadObjective(f"{chosen.name} pairs completions of the current model: grpo.updates must be 1")
    share = run.optimizer.batch_size * grpo.updates // run.shard.processes
    if chosen.dynamic_sampling and share % grpo.group_size:
        raise BadObjective(
            f"{chosen.name} samples whole groups again: the {share} completions of each process must be a multiple of "
            f"grpo.group_size {grpo.group_size}"
        )
    return GRPOConfig(
        **base,
        num_generations=grpo.group_size,
        steps_per_generation=base["gradient_accumulation_steps"] * grpo.updates,
        temperature=grpo.temperature,
        max_completion_length=grpo.max_new_tokens,
        beta=chosen.beta(grpo.kl),
        entropy_coef=grpo.entropy,
        **chosen.settings,
    )


def train(
    run: TrainRun,
    model: Any,
    tokenizer: Any,
    items: Sequence[Item],
    folder: Path,
    callbacks: Sequence[TrainerCallback],
) -> Any:
    """Runs the GRPO training of `run` on `items` and returns the trained model."""
    rows = [{"prompt": chat.messages(item.question, run.prompt), "answer": item.gold} for item in items]
    trainer = Trainer(
        run,
        folder,
        model,
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer,
        callbacks=list(callbacks),
        peft_config=adapters.peft_config(run.adapter) if run.adapter else None,
    )
    for callback in callbacks:
        if isinstance(callback, Records):
            callback.phases = trainer.phases.take
    if table(run).rollout in ("vllm", "server"):
        longest = max(len(chat.encode(tokenizer, chat.messages(item.question, run.prompt))) for item in items)
        rollouts.attach(trainer, rollouts.engine(run, folder, longest + table(run).max_new_tokens, trainer))
    return loop.fit(trainer)
