"""The length-bias meter: how far the implicit reward of a completion goes with its length.

arXiv 2403.19159, section 4: a preference loss learns whatever length says about being chosen, and more.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import rankdata
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from harness import whole

Reward = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""Implicit rewards (n,) from log-probabilities now (n,), those before training (n,) and lengths (n,)."""

MEASURED = 256
"""Most pairs that are measured; more are thinned evenly."""

# Below this spread, rewards differ by rounding only: at the start, the policy is its own reference.
_ROUNDING = 1e-5


def pearson(rewards: Sequence[float] | np.ndarray, lengths: Sequence[float] | np.ndarray) -> float | None:
    """Pearson's correlation; None where fewer than three values or no spread leave none to speak of."""
    x, y = np.asarray(rewards, dtype=np.float64), np.asarray(lengths, dtype=np.float64)
    if len(x) < 3 or np.ptp(x) < _ROUNDING or np.ptp(y) == 0:
        return None
    return float(np.corrcoef(x, y)[0, 1])


def correlations(rewards: np.ndarray, lengths: np.ndarray) -> dict[str, float | None]:
    """Pearson's and Spearman's correlation, rounded to six digits."""
    plain = pearson(rewards, lengths)
    ranked = None if plain is None else pearson(rankdata(rewards), rankdata(lengths))
    return {
        "pearson": None if plain is None else round(plain, 6),
        "spearman": None if ranked is None else round(ranked, 6),
    }


class LengthBias(TrainerCallback):  # type: ignore[misc]  # transformers ships no type information that mypy follows
    """Measures before and after training, and writes `length_bias.json` and `logps.jsonl`.

    `length_bias.json` has `pairs` (how many were measured) and for `data`, `before` and `after` the correlations of
    length with being chosen (1 or 0), and with the implicit reward. `logps.jsonl` has a line for every completion that
    was measured, so that a resumed run still knows the start.

    Args:
        rows: tokenised pairs, `prompt_ids`, `chosen_ids` and `rejected_ids` each.
        reward: the loss's implicit reward.
        collate: from rows to a batch, the chosen completions before the rejected ones.
        batch_size: pairs in one forward pass.
    """

    def __init__(
        self,
        folder: Path,
        rows: Sequence[dict[str, list[int]]],
        reward: Reward,
        collate: Callable[[list[dict[str, list[int]]]], dict[str, torch.Tensor]],
        batch_size: int,
    ) -> None:
        self.folder = folder
        count = min(len(rows), MEASURED)
        self.rows = [rows[place * len(rows) // count] for place in range(count)]
        self.reward = reward
        self.collate = collate
        self.batch_size = batch_size

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, model: Any, **_: Any
    ) -> None:
        # A resumed run begins with trained weights; what they were at the start is in the file.
        if state.global_step:
            return
        start = self._logps(model)
        if state.is_world_process_zero:
            self._write(start, start)

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, model: Any, **_: Any
    ) -> None:
        path = self.folder / "logps.jsonl"
        # Stopped early, training goes on later; and without a start there is nothing to compare with.
        if state.global_step < state.max_steps or not path.is_file():
            return
        now = self._logps(model)
        if not state.is_world_process_zero:
            return
        lines = path.read_text(encoding="utf-8").splitlines()
        start = np.array([json.loads(line)["before"] for line in lines])
        self._write(start, now)
        print(self._summary(start, now))

    def _write(self, start: np.ndarray, now: np.ndarray) -> None:
        names = [(pair, side) for side in ("chosen", "rejected") for pair in range(len(self.rows))]
        lines = [
            {"pair": pair, "side": side, "tokens": int(length), "before": float(old), "after": float(new)}
            for (pair, side), length, old, new in zip(names, self._lengths(), start, now, strict=True)
        ]
        whole.write(self.folder / "logps.jsonl", "".join(f"{json.dumps(line)}\n" for line in lines))
        whole.write(self.folder / "length_bias.json", json.dumps(self._report(start, now), indent=1) + "\n")

    def _report(self, start: np.ndarray, now: np.ndarray) -> dict[str, Any]:
        lengths, half = self._lengths(), len(self.rows)
        return {
            "pairs": half,
            "data": correlations(np.repeat([1.0, 0.0], half), lengths),
            "before": correlations(self.reward(start, start, lengths), lengths),
            "after": correlations(self.reward(now, start, lengths), lengths),
        }

    def _summary(self, start: np.ndarray, now: np.ndarray) -> str:
        report = self._report(start, now)
        told = {key: report[key]["pearson"] for key in ("data", "before", "after")}
        text = {key: "none" if value is None else f"{value:+.2f}" for key, value in told.items()}
        return (
            f"length bias over {report['pairs']} pairs: being chosen {text['data']}, "
            f"implicit reward before {text['before']}, after {text['after']} (Pearson, with tokens)"
        )

    def _lengths(self) -> np.ndarray:
        sides = ("chosen_ids", "rejected_ids")
        return np.array([len(row[side]) for side in sides for row in self.rows], dtype=np.float64)

    def _logps(self, model: Any) -> np.ndarray:
        """(2n,) log-probability of every completion, the chosen before the rejected; every process computes all."""
        training = model.training
        model.eval()
        found = []
        with torch.no_grad():
            for first in range(0, len(self.rows), self.batch_size):
                batch = self.collate(self.rows[first : first + self.batch_size])
                found.append(completion_logps(model, {name: ids.to(model.device) for name, ids in batch.items()}))
        model.train(training)
        halves = [logps.float().cpu().numpy().reshape(2, -1) for logps in found]
        return np.concatenate(halves, axis=1).reshape(-1)


def completion_logps(model: Any, batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """(2B,) summed log-probability of the completions' tokens, by the head that TRL's trainers put on a model."""
    labels = batch["input_ids"].masked_fill(batch["completion_mask"] == 0, -100)
    outputs = model(
        input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], labels=labels, fused_lm_head=True
    )
    logps: torch.Tensor = outputs.log_probs.sum(dim=1)
    return logps
