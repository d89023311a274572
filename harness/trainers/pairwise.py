"""TRL's preference trainers on rows that `harness.chat` tokenised, with no second model in memory.

Reference log-probabilities are computed once before training (TRL's `precompute_ref_log_probs`), or, for the
reference-free losses, never.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from trl import DPOTrainer, KTOTrainer

from harness.trainers.checkpoints import Checkpointed
from harness.trainers.length_bias import completion_logps, pearson
from harness.trainers.sequence_losses import tail_weights

Inputs = Mapping[str, torch.Tensor]


class Measured(Checkpointed):
    """Beside a TRL trainer: a step's correlation of implicit reward and length goes to its logs as `length_bias`."""

    accelerator: Any

    def __init__(self, **arguments: Any) -> None:
        self.seen: list[torch.Tensor] = []
        super().__init__(**arguments)

    def _prepare_dataset(self, dataset: Any, *_: Any) -> Any:
        # The rows are token ids already: TRL would render and tokenise texts a second time, its own way.
        return dataset

    def measure(self, rewards: torch.Tensor, lengths: torch.Tensor) -> None:
        """Takes the implicit rewards and lengths, (n,) each, of a forward pass."""
        both = torch.stack([rewards.detach().float(), lengths.float()], dim=1)
        self.seen.append(self.accelerator.gather(both).cpu())

    def log(self, logs: dict[str, Any], start_time: float | None = None) -> None:
        if self.seen:
            rewards, lengths = torch.cat(self.seen).double().T.numpy()
            found = pearson(rewards, lengths)
            # Other callbacks format every value as a number; in the records it is null.
            logs["length_bias"] = math.nan if found is None else found
            self.seen.clear()
        super().log(logs, start_time)


class PairTrainer(Measured, DPOTrainer):  # type: ignore[misc]  # TRL ships no type information
    """DPO, IPO, RPO and LD-DPO as TRL has them, and R-DPO by a shift of the reference.

    Args:
        length_penalty: R-DPO's alpha / beta; log ref(y) - length_penalty * |y| for log ref(y) makes the loss
            -log s(beta (r_w - r_l) + alpha (|y_w| - |y_l|)). The logged rewards then hold the length term.
    """

    def __init__(self, length_penalty: float = 0.0, **arguments: Any) -> None:
        self.length_penalty = length_penalty
        super().__init__(**arguments)

    def _compute_loss(self, model: Any, inputs: Inputs, return_outputs: bool) -> Any:
        outputs, recorded = recording(model)
        loss = super()._compute_loss(recorded, self._penalised(inputs), return_outputs)
        mask = inputs["completion_mask"][:, 1:]
        weights = 1.0 if self.ld_alpha is None else tail_weights(mask, self.ld_alpha)
        reference = torch.cat([inputs["ref_chosen_logps"], inputs["ref_rejected_logps"]])
        logps = (outputs[-1].log_probs.detach() * weights).sum(dim=1)
        self.measure(self.beta * (logps - reference), mask.sum(dim=1))
        return loss

    def _penalised(self, inputs: Inputs) -> dict[str, torch.Tensor]:
        chosen, rejected = (self.length_penalty * half for half in inputs["completion_mask"].sum(dim=1).chunk(2))
        return {
            **inputs,
            "ref_chosen_logps": inputs["ref_chosen_logps"] - chosen,
            "ref_rejected_logps": inputs["ref_rejected_logps"] - rejected,
        }


class ReferenceFreeTrainer(PairTrainer):
    """TRL's loop for SimPO and ORPO: no reference model, no reference log-probabilities.

    Args:
        losses: from the mean log-probabilities of a token of the chosen and of the rejected, (B,) each, to (B,) losses.
        rewards: implicit rewards from such means, in the same shape.
    """

    def __init__(
        self,
        losses: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
        rewards: Callable[[torch.Tensor], torch.Tensor],
        **arguments: Any,
    ) -> None:
        self.losses = losses
        self.rewards = rewards
        super().__init__(**arguments)

    def _precompute_ref_logps(self, dataset: Any, name: str, batch_size: int) -> Any:
        return dataset

    def _compute_loss(self, model: Any, inputs: Inputs, return_outputs: bool) -> torch.Tensor:
        lengths = inputs["completion_mask"][:, 1:].sum(dim=1)
        logps = completion_logps(model, inputs)
        means = logps / lengths
        rewards = self.rewards(means.detach())
        self.measure(rewards, lengths)
        self._log_pairs(rewards, logps.detach())
        return self.losses(*means.chunk(2)).mean()

    def _log_pairs(self, rewards: torch.Tensor, logps: torch.Tensor) -> None:
        """Logs what TRL logs of its own losses, under the same names."""
        (chosen, rejected), (chosen_logps, rejected_logps) = rewards.chunk(2), logps.chunk(2)
        logged = {
            "rewards/chosen": chosen,
            "rewards/rejected": rejected,
            "rewards/margins": chosen - rejected,
            "rewards/accuracies": (chosen > rejected).float(),
            "logps/chosen": chosen_logps,
            "logps/rejected": rejected_logps,
        }
        for name, values in logged.items():
            self._metrics["train"][name].append(self.accelerator.gather(values).mean().item())


class KtoTrainer(Measured, KTOTrainer):  # type: ignore[misc]
    """TRL's KTO on rows with `completion_ids`, `KL_completion_ids` and `label`."""

    def _compute_loss(self, model: Any, inputs: Inputs, return_outputs: bool) -> Any:
        outputs, recorded = recording(model)
        loss = super()._compute_loss(recorded, inputs, return_outputs)
        # The last forward pass is that of the matched completions; the one before estimates the KL.
        logps = outputs[-1].log_probs.detach().sum(dim=1)
        self.measure(self.beta * (logps - inputs["ref_logps"]), inputs["completion_mask"][:, 1:].sum(dim=1))
        return loss


def recording(model: Any) -> tuple[list[Any], Callable[..., Any]]:
    """The model as a function, and the list that its outputs go to: TRL logs means, and correlations need the parts."""
    outputs: list[Any] = []

    def recorded(**inputs: Any) -> Any:
        outputs.append(model(**inputs))
        return outputs[-1]

    return outputs, recorded
