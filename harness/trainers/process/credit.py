"""From a batch of rollouts to (B, T) advantages: its steps are scored, and a rule of `rewards.credit` does the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from statistics import fmean
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

import rewards
from harness import chat
from harness.trainers.process.checks import MODELS, span_scorer
from harness.trainers.scoring import RewardFailure, Sample
from rewards.batch import Batch
from rewards.credit import RULES, Settings, Stepwise
from rewards.spans import Span
from rewards.token_steps import token_steps
from rewards.worker import Crashed, Overrun, Pool

if TYPE_CHECKING:
    from harness.trainers.process.implicit import Implicit
    from harness.trainers.process.vine import Vine
    from harness.training import TrainRun

WORKER = "harness.trainers.reward_worker:spans"


class Credit:
    """The credit assignment of a run with `[grpo.credit]`; `trainer` is the `GRPOTrainer` whose rollouts it scores."""

    def __init__(self, run: TrainRun, trainer: Any) -> None:
        assert run.grpo is not None
        assert run.grpo.credit is not None
        self.table = run.grpo.credit
        self.trainer = trainer
        self.seconds = run.grpo.reward_seconds
        self.rule = RULES[self.table.rule]
        self.settings = Settings(self.table.weight, self.table.temperature, self.table.eta)
        self.plugins = [[plugin.path, plugin.sha256] for plugin in run.plugins]
        self.pool = Pool(WORKER, memory=None) if run.plugins else None
        self.scorer = None if self.table.scorer in MODELS else span_scorer(rewards.parse(self.table.scorer))
        self.implicit, self.vine = self._models(run)

    def _models(self, run: TrainRun) -> tuple[Implicit | None, Vine | None]:
        if self.table.scorer == "implicit":
            from harness.trainers.process.implicit import Implicit

            return Implicit(run, self.trainer), None
        if self.table.scorer == "vine":
            from harness.trainers.process.vine import Vine

            return None, Vine(self.table.continuations)
        return None, None

    def scored(
        self,
        samples: Sequence[Sample],
        prompts: Sequence[Any],
        completion_ids: Sequence[Sequence[int]],
        columns: Mapping[str, Any],
    ) -> list[Sample]:
        """This process's samples with their steps; `columns` are the dataset's. Nothing is known of tokens yet."""
        if self.implicit is not None:
            return list(samples)
        if self.vine is not None:
            steps = self.vine.steps(self.trainer, prompts, completion_ids, columns["answer"])
        else:
            decode = partial(chat.decode, self.trainer.processing_class)
            texts = [decode(ids) for ids in completion_ids]
            spans = self._spans(Batch(prompts, texts, completion_ids, columns))
            self._check(spans, len(texts))
            steps = [token_steps(ids, decode, one) for ids, one in zip(completion_ids, spans, strict=True)]
        return [replace(sample, steps=tuple(one)) for sample, one in zip(samples, steps, strict=True)]

    def _spans(self, batch: Batch) -> list[list[Span]]:
        assert self.scorer is not None
        if self.pool is None:
            return self.scorer.spans(batch)
        call = {"prompts": batch.prompts, "completions": batch.completions, "completion_ids": batch.completion_ids}
        try:
            found = self.pool.call(self.plugins, self.table.scorer, {**call, **batch.columns}, deadline=self.seconds)
        except (Overrun, Crashed) as error:
            raise RewardFailure(f"scorer {self.table.scorer} failed: {error}") from error
        return [[Span(*span) for span in spans] for spans in found]

    def _check(self, spans: Sequence[Sequence[Span]], completions: int) -> None:
        """Stops on what would silently corrupt a gradient."""
        where = f"scorer {self.table.scorer}"
        if len(spans) != completions:
            raise RewardFailure(f"{where} returned the steps of {len(spans)} completions for {completions}")
        wrong = [one.score for steps in spans for one in steps if one.score is not None and not abs(one.score) <= 1]
        if wrong:
            raise RewardFailure(f"{where} scored a step {wrong[0]!r}; scores must be in [-1, 1], None where unknown")

    def tokens(
        self, tensors: Mapping[str, torch.Tensor], samples: Sequence[Sample]
    ) -> tuple[dict[str, float | None], torch.Tensor | None]:
        """(B, T) of this process: the implicit model's score of every token, which also learns; None of other scorers.

        Beside it what the model's own update says of itself.
        """
        if self.implicit is None:
            return {"process/extra_tokens": float(self.vine.tokens)} if self.vine else {}, None
        correct = [one.correct for one in samples]
        if self.table.implicit.update == "before":
            found = self.implicit.update(tensors, correct)
            return found, self.implicit.token_rewards(tensors)
        rewarded = self.implicit.token_rewards(tensors)
        return self.implicit.update(tensors, correct), rewarded

    def advantages(
        self, samples: Sequence[Sample], outcome: torch.Tensor, mask: torch.Tensor, tokens: torch.Tensor | None
    ) -> torch.Tensor:
        """(B, T) from the objective's own advantages `outcome` (B,) or (B, T), over the samples of all processes.

        `mask` (B, T) is 1 where the policy wrote a token.
        """
        broad = outcome.unsqueeze(1).expand_as(mask) if outcome.ndim == 1 else outcome
        size = self.trainer.num_generations
        found = self.rule(
            Stepwise(
                outcome=(broad * mask).double().cpu().numpy(),
                rewards=np.array([np.nan if one.reward is None else one.reward for one in samples]),
                correct=[one.correct for one in samples],
                group=np.arange(len(samples)) // size,
                mask=mask.cpu().numpy(),
                steps=[one.steps for one in samples],
                tokens=None if tokens is None else tokens.double().cpu().numpy(),
            ),
            self.settings,
        )
        return torch.from_numpy(found).to(outcome.device)


def worth(samples: Sequence[Sample], tokens: torch.Tensor | None) -> list[float | None]:
    """What the scorer says of every completion: the mean of its known steps, or the sum over its tokens."""
    if tokens is not None:
        return [float(total) for total in tokens.sum(1)]
    known = [[step.span.score for step in one.steps if step.span.score is not None] for one in samples]
    return [fmean(scores) if scores else None for scores in known]
