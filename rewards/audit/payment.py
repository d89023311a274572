"""What a policy gradient pays each completion of a group: the advantages of its tokens, added up.

After a small step along sum_t w * A_t * grad log pi(o_t), a tabular policy has changed the log-probability of a
completion o by sum_t w * A_t, up to a factor: by how much the completion is *paid*. The weight w of a token is 1 / |o|
under losses that average each completion (`grpo`), then the pay is the mean advantage per token; it is a constant under
losses that add up all tokens (`dr_grpo`, `dapo`), then the pay is the sum, here in units of the tokens that an honest
completion of the group has. Padding pays under the one what it does not under the other, so both are looked at.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rewards.audit.trainer import advantages
from rewards.credit import Rule, Settings, Stepwise
from rewards.spans import TokenStep

__all__ = ["MEASURES", "Pay", "Seen", "pays"]

MEASURES = ("per token", "summed")

Pay = NDArray[np.float64]
"""(G, 2): what each completion of a group is paid, by measure."""


@dataclass(frozen=True)
class Seen:
    """A completion as a trainer has it when it assigns credit."""

    tokens: int
    steps: Sequence[TokenStep]
    reward: float | None
    correct: bool | None


def pays(groups: Sequence[Sequence[Seen]], rule: Rule | None, settings: Settings) -> list[Pay]:
    """Return what each group pays under a rule, `None` for the outcome alone; the last member of each is the attack.

    Outcome advantages are GRPO's, the rewards normalised by the group's mean and deviation; a group with a member whose
    reward is unscorable has advantages of 0.
    """
    batch = _stepwise(groups)
    paid = np.where(batch.written, batch.outcome, 0.0) if rule is None else rule(batch, settings)
    found, start = [], 0
    for group in groups:
        sums = paid[start : start + len(group)].sum(1)
        start += len(group)
        sizes = np.array([max(one.tokens, 1) for one in group], dtype=np.float64)
        found.append(np.stack([sums / sizes, sums / sizes[:-1].mean()], axis=1))
    return found


def _stepwise(groups: Sequence[Sequence[Seen]]) -> Stepwise:
    rows = [one for group in groups for one in group]
    written = np.arange(max(one.tokens for one in rows)) < np.array([one.tokens for one in rows])[:, None]
    normalised = [value for group in groups for value in _normalised(group)]
    return Stepwise(
        outcome=np.where(written, np.array(normalised)[:, None], 0.0),
        rewards=np.array([math.nan if one.reward is None else one.reward for one in rows]),
        correct=[one.correct for one in rows],
        group=np.repeat(np.arange(len(groups)), [len(group) for group in groups]),
        mask=written.astype(np.float64),
        steps=[one.steps for one in rows],
    )


def _normalised(group: Sequence[Seen]) -> list[float]:
    known = [one.reward for one in group if one.reward is not None and math.isfinite(one.reward)]
    return advantages([known], "group")[0] if len(known) == len(group) else [0.0] * len(group)
