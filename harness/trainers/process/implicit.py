"""The implicit process reward model of PRIME (arXiv 2502.01456, sections 2 and 3), which learns from outcomes only.

A token's reward is r_t = beta * (log pi_phi(y_t) - log pi_ref(y_t)). Their sum over a completion is the logit of its
being right, and phi is trained on just that, so that every token gets a score and no step is ever labelled (arXiv
2412.01981, proposition 3.1).

Deviations from the paper and its code:

1. phi is a low-rank adapter on the starting model, which is pi_ref; the paper trains a second full model.
2. The starting model itself is the start of phi, as in the paper, but it may be a base: theirs was tuned on solutions.
3. A batch is one update; the code makes several, each on a mini-batch.
4. Prompts are not filtered to those with a pass rate of 0.2 to 0.8; dynamic sampling is an objective of its own.
5. Rewards are not divided by the batch's greatest return; the rule `prime` of `rewards.credit` says what follows.
6. A completion that the verifier could not judge, or that has no token of its own, teaches nothing.
"""

import json
import math
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import binary_cross_entropy_with_logits
from transformers import TrainerControl, TrainerState, TrainingArguments
from trl.trainer.utils import selective_log_softmax

from harness import whole
from harness.trainers import environments, sharding, states
from harness.trainers.checkpoints import Companion
from harness.trainers.prm.measures import auc
from harness.trainers.process.second_adapter import NAME, SecondAdapter
from harness.training import TrainRun

Tensors = Mapping[str, torch.Tensor]
STATE = f"{NAME}.safetensors"


@dataclass(frozen=True)
class Tokens:
    """Prompts and completions side by side.

    Attributes:
        ids: (B, P + T), prompts padded at the left and completions at the right.
        seen: (B, P + T), 0 where padded.
        own: (B, T) bool, the completion's tokens that the policy wrote: neither padding nor a tool's.
    """

    ids: torch.Tensor
    seen: torch.Tensor
    own: torch.Tensor

    @classmethod
    def of(cls, tensors: Tensors) -> "Tokens":
        ids = torch.cat([tensors["prompt_ids"], tensors["completion_ids"]], dim=1)
        seen = torch.cat([tensors["prompt_mask"], tensors["completion_mask"]], dim=1)
        return cls(ids, seen, environments.written(tensors).bool())

    def parts(self, size: int) -> Iterator["Tokens"]:
        for ids, seen, own in zip(*(torch.split(each, size) for each in (self.ids, self.seen, self.own)), strict=True):
            yield Tokens(ids, seen, own)


class Implicit(Companion):
    """The reward model of a run, kept beside its policy; `trainer` is the policy's `GRPOTrainer`.

    Its state is part of every checkpoint. At the end `implicit/` in the run's folder gets the adapter and `prm.json`.
    """

    def __init__(self, run: TrainRun, trainer: Any) -> None:
        """Raises `NotShardable` where no process has all weights."""
        if sharding.divided(run):
            raise sharding.NotShardable("scorer implicit needs whole weights: set shard.strategy ddp, zero1 or zero2")
        assert run.grpo is not None
        assert run.grpo.credit is not None
        table = run.grpo.credit.implicit
        rate = table.learning_rate or 10 * run.optimizer.learning_rate
        self.beta = table.beta
        self.base, self.prompt = run.model.path, run.prompt
        self.micro_batch = run.micro_batch
        self.max_norm = run.optimizer.max_grad_norm
        self.accelerator = trainer.accelerator
        policy = self.accelerator.unwrap_model(trainer.model)
        self.phi = SecondAdapter.on(run, policy, table.rank, trainer.args.gradient_checkpointing)
        self.optimizer = torch.optim.AdamW(self.phi.parameters, lr=rate, weight_decay=0.0)
        self.referred: tuple[torch.Tensor, torch.Tensor] | None = None
        trainer.add_callback(self)

    @torch.no_grad()
    def token_rewards(self, tensors: Tensors) -> torch.Tensor:
        """(B, T) of this process, in nats times beta, at temperature 1; 0 where the policy wrote no token."""
        tokens, reference = Tokens.of(tensors), self._reference(tensors)
        with self.phi.applied():
            found = torch.cat([self._log_probabilities(part) for part in tokens.parts(self.micro_batch)])
        return self.beta * (found - reference).masked_fill(~tokens.own, 0.0)

    def update(self, tensors: Tensors, correct: Sequence[bool | None]) -> dict[str, float | None]:
        """One step of AdamW on all processes' completions: cross-entropy of sigmoid(sum_t r_t) against `correct`.

        Returns `implicit/loss` in nats, `implicit/accuracy` of the sign of the sum and `implicit/auc`, of the batch
        before the update; None where it holds no known completion, or for AUC none of one kind.
        """
        tokens = Tokens.of(tensors)
        labels = self._labels(correct, tokens.own)
        everyone = self.accelerator.gather(labels)
        known = int((~everyone.isnan()).sum())
        if not known:
            return measured(everyone, everyone)
        scores = self._accumulate(tokens, self._reference(tensors), labels, known)
        self._step()
        return measured(self.accelerator.gather(scores), everyone)

    def _accumulate(self, tokens: Tokens, reference: torch.Tensor, labels: torch.Tensor, known: int) -> torch.Tensor:
        """Adds up the gradients of this process; (B,) are the logits."""
        size, scores = self.micro_batch, []
        with self.phi.applied(learning=True):
            for part, before, label in zip(
                tokens.parts(size), torch.split(reference, size), torch.split(labels, size), strict=True
            ):
                ratio = (self._log_probabilities(part) - before).masked_fill(~part.own, 0.0)
                score, judged = self.beta * ratio.sum(1), ~label.isnan()
                loss = binary_cross_entropy_with_logits(score[judged], label[judged], reduction="sum")
                torch.autograd.backward(loss / known)
                scores.append(score.detach())
        return torch.cat(scores)

    def _step(self) -> None:
        for parameter in self.phi.parameters:
            # Each process divided by the number of all completions: the sum is the mean's gradient.
            parameter.grad = self.accelerator.reduce(parameter.grad, "sum")
        torch.nn.utils.clip_grad_norm_(self.phi.parameters, self.max_norm)
        self.optimizer.step()
        self.optimizer.zero_grad()

    def _labels(self, correct: Sequence[bool | None], own: torch.Tensor) -> torch.Tensor:
        """(B,) 1 right, 0 wrong, NaN not to learn from."""
        values = [math.nan if right is None else float(right) for right in correct]
        return torch.tensor(values, device=own.device).masked_fill(~own.any(1), math.nan)

    @torch.no_grad()
    def _reference(self, tensors: Tensors) -> torch.Tensor:
        """(B, T) log pi_ref; a batch is rewarded and learnt from, but pi_ref never changes."""
        if self.referred is None or self.referred[0] is not tensors["completion_ids"]:
            with self.phi.absent():
                parts = [self._log_probabilities(part) for part in Tokens.of(tensors).parts(self.micro_batch)]
            self.referred = tensors["completion_ids"], torch.cat(parts)
        return self.referred[1]

    def _log_probabilities(self, tokens: Tokens) -> torch.Tensor:
        """(B, T) log-probabilities of the completion's tokens, in float32."""
        width = tokens.own.size(1)
        with self.accelerator.autocast():
            logits = self.phi.model(
                input_ids=tokens.ids, attention_mask=tokens.seen, logits_to_keep=width + 1, use_cache=False
            ).logits
        found: torch.Tensor = selective_log_softmax(logits[:, :-1].float(), tokens.ids[:, -width:])
        return found

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, *_: Any, **__: Any) -> None:
        """Goes on from where the checkpoint that the trainer has just read stood."""
        if state.global_step:
            read = states.read(Path(args.output_dir) / f"checkpoint-{state.global_step}" / STATE)
            self.phi.load(read["adapter"])
            self.optimizer.load_state_dict(read["optimizer"])

    def on_checkpoint(self, checkpoint: Path) -> None:
        # peft writes all adapters of a policy; transformers would read this one and leave the policy's own where it is.
        shutil.rmtree(checkpoint / NAME, ignore_errors=True)
        states.write(checkpoint / STATE, {"adapter": self.phi.state(), "optimizer": self.optimizer.state_dict()})

    def on_train_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Writes the adapter beside the run's model, and gives the policy back without it."""
        if args.should_save:
            folder = Path(args.output_dir).parent / NAME
            self.phi.save(folder)
            table = {"family": "implicit", "base": self.base, "beta": self.beta, "prompt": self.prompt}
            whole.write(folder / "prm.json", json.dumps(table, indent=2) + "\n")
        self.phi.remove()


def measured(scores: torch.Tensor, labels: torch.Tensor) -> dict[str, float | None]:
    """Loss, accuracy and AUC of logits (N,) against labels (N,) of 0, 1 or NaN for unknown; AUC counts a tie half."""
    known = ~labels.isnan()
    score, label = scores[known].double(), labels[known].double()
    return {
        "implicit/loss": float(binary_cross_entropy_with_logits(score, label)) if len(score) else None,
        "implicit/accuracy": float(((score > 0) == (label == 1)).double().mean()) if len(score) else None,
        "implicit/auc": auc(score.cpu().numpy(), label.cpu().numpy()),
    }
