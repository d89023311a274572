"""Sampling by vLLM while training: an engine in the training process (`colocated`) or a server of its own (`served`).

Before a step samples, the trainer's weights (`weights`) replace those of the engine (`worker`), so that the policy that
samples is the policy that is updated. What is left of a difference is measured every step: TRL's importance ratio
between the trainer's log-probabilities and the engine's. `attach` puts an engine in the place of TRL's own generation.

Cheap to import: vLLM's workers import this package.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import torch

    from evals.engines import Sampling
    from harness.training import TrainRun


@dataclass(frozen=True)
class Sync:
    """One transfer of the weights: their bytes as the trainer holds them, and its wall time."""

    bytes: int
    seconds: float


@dataclass(frozen=True)
class Rollout:
    """One completion: token ids, the end token included, and the log-probability with which each was sampled."""

    tokens: list[int]
    logprobs: list[float]


class RolloutEngine(Protocol):
    """Samples from the weights of its last `sync`."""

    def sync(self, weights: Iterable[tuple[str, torch.Tensor]]) -> Sync: ...

    def generate(self, prompts: Sequence[Sequence[int]], sampling: Sampling) -> list[Rollout]: ...


def attach(trainer: Any, engine: RolloutEngine) -> None:
    """Lets `engine` sample for a `GRPOTrainer` that was built with `use_vllm=False`, with the trainer's own settings.

    From there on all is TRL's: it syncs before the first sampling of every step, corrects the loss by the importance
    ratio `vllm_importance_sampling_*` and logs it as `sampling/*`; `sync/bytes` and `sync/seconds` are added.
    """
    trainer.vllm_generation = _Generation(trainer, engine)
    trainer.use_vllm = True
    trainer._last_loaded_step = -1


def engine(run: TrainRun, folder: Path, context: int, trainer: Any) -> RolloutEngine:
    """The vLLM that samples for `run`, for prompts with their completions of `context` tokens."""
    assert run.grpo is not None
    if run.grpo.rollout == "server":
        from harness.trainers.rollouts.served import ServedRollouts

        return ServedRollouts(run.grpo.server, folder)
    from harness.trainers.rollouts.colocated import VllmRollouts

    dtype, own = "bfloat16" if trainer.args.bf16 else "float32", trainer.accelerator
    return VllmRollouts(run.model.path, context, dtype, run.seed + own.process_index, own.num_processes)


class _Generation:
    """The two calls that `GRPOTrainer` makes to its `VLLMGeneration`."""

    def __init__(self, trainer: Any, engine: RolloutEngine) -> None:
        from evals.engines import Sampling

        self.trainer = trainer
        self.engine = engine
        self.sampling = Sampling(trainer.max_completion_length, trainer.temperature, top_p=trainer.top_p)

    def sync_weights(self) -> None:
        from harness.trainers.rollouts.weights import named_weights

        sync = self.engine.sync(named_weights(self.trainer.model, self.trainer.accelerator))
        self._log("sync/bytes", sync.bytes)
        self._log("sync/seconds", sync.seconds)

    def generate(self, prompts: list[list[int]], **_: Any) -> tuple[Any, ...]:
        """Prompts, completions, log-probabilities (completion, token, 1), and the ids that TRL does not use."""
        rollouts = self.engine.generate(prompts, self.sampling)
        return prompts, [one.tokens for one in rollouts], [[[p] for p in one.logprobs] for one in rollouts], None

    def _log(self, name: str, value: float) -> None:
        self.trainer._metrics["train" if self.trainer.model.training else "eval"][name].append(value)
