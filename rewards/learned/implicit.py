"""Implicit process reward models: an adapter phi on a language model, trained on outcomes alone (PRIME)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from rewards.learned.families import Layout, Steps
from rewards.learned.networks import Network, causal

__all__ = ["Implicit"]


@dataclass(frozen=True)
class Ratio(Network):
    """`body` is the adapter on its base, whose own head is in it; `beta` weighs its log-ratio."""

    beta: float = 1.0

    def judge(self, ids: Tensor, mask: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        """Return beta * sum of log pi_phi / pi_ref of the tokens up to [row, column], (n, 1)."""
        with self.body.disable_adapter():
            before = self._log_probabilities(ids, mask)
        ratio = (self._log_probabilities(ids, mask) - before) * mask[:, 1:]
        totals = nn.functional.pad(self.beta * ratio.cumsum(dim=1), (1, 0))
        return totals[rows, columns].unsqueeze(1)

    def _log_probabilities(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Of every token but the first, (B, T - 1)."""
        logits = self.body(input_ids=ids, attention_mask=mask).logits[:, :-1].float()
        found: Tensor = logits.log_softmax(dim=-1).gather(2, ids[:, 1:, None]).squeeze(2)
        return found


def adapter(folder: Path, dtype: torch.dtype) -> Ratio:
    """The adapter in `folder` on the base that its `prm.json` names."""
    from peft import PeftModel

    record = json.loads((folder / "prm.json").read_text(encoding="utf-8"))
    base = causal(Path(record["base"]), dtype)
    return Ratio(PeftModel.from_pretrained(base, folder).eval(), nn.Identity(), beta=float(record["beta"]))


class Implicit(Steps):
    """What `grpo.credit.scorer = "implicit"` leaves: r_t = beta * log pi_phi(y_t) / pi_ref(y_t) (arXiv 2502.01456).

    P(good) of a step is sigmoid of the sum of r over the completion up to the step's end: the model's own estimate,
    with what is written so far, that the answer will be right (arXiv 2412.01981, proposition 3.1).
    """

    name = "implicit"
    network = staticmethod(adapter)

    def outputs(self, layouts: Sequence[Layout], ids: Tensor, mask: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        """The sums over the completion alone: what the prompt adds is taken off."""
        everyone = torch.arange(len(layouts))
        prompts = torch.tensor([layout.start - 1 for layout in layouts])
        found = self.model.judge(*self.placed(ids, mask, torch.cat([rows, everyone]), torch.cat([columns, prompts])))
        return found[: len(rows)] - found[len(rows) :][rows]

    def probability(self, judged: Tensor) -> Tensor:
        """sigmoid."""
        return judged.sigmoid()[:, 0]
