"""Advantage estimators: pure functions from the rewards of a batch to what each completion, or token, is worth.

Shapes: B completions, K reward components, T tokens. `rewards` is (B,), `group` (B,) names each completion's prompt by
any integer. A reward that is NaN is unscorable: it enters no mean and no deviation, and its advantage is 0. Deviations
are the sample's (divided by n - 1), with `EPSILON` added, as TRL has both; a deviation of one value is 0.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

EPSILON = 1e-4


@dataclass(frozen=True)
class Scored:
    """All that an estimator may look at.

    Attributes:
        rewards: (B,), the weighted sum of the components.
        group: (B,).
        components: (B, K), those that are paid, `weights` (K,) their weights.
        mask: (B, T), 1 where a completion has a token.
        log_ratio: (B, T), log pi / pi_ref of the sampled tokens under the policy that sampled; 0 without a reference.
        beta: weight of the divergence from the reference.
    """

    rewards: Tensor
    group: Tensor
    components: Tensor
    weights: Tensor
    mask: Tensor
    log_ratio: Tensor
    beta: float

    @property
    def penalised(self) -> Tensor:
        """(B,): reward - beta * sum over tokens of log pi / pi_ref, the sequence's k1 estimate of the divergence."""
        return self.rewards - self.beta * (self.log_ratio * self.mask).sum(1)


def group_mean(values: Tensor, group: Tensor) -> Tensor:
    """(B,): the mean of each one's group, NaN where nothing in it is known."""
    total, count, index = _sums(values, group)
    return (total / count)[index]


def group_deviation(values: Tensor, group: Tensor) -> Tensor:
    """(B,): the sample deviation of each one's group, 0 where it has fewer than two known values."""
    squares, count, index = _sums((values - group_mean(values, group)) ** 2, group)
    return (squares / (count - 1).clamp(min=1)).sqrt()[index]


def mean_centred(rewards: Tensor, group: Tensor) -> Tensor:
    """(B,): r - mean of the group; Dr. GRPO, arXiv 2503.20783, section 3.2."""
    return _known(rewards - group_mean(rewards, group))


def group_normalised(rewards: Tensor, group: Tensor) -> Tensor:
    """(B,): (r - mean of the group) / (its deviation + EPSILON); GRPO, arXiv 2402.03300, section 4.1.2."""
    return mean_centred(rewards, group) / (group_deviation(rewards, group) + EPSILON)


def leave_one_out(rewards: Tensor, group: Tensor) -> Tensor:
    """(B,): r - mean of the others of its group, which is G / (G - 1) * (r - mean); RLOO, arXiv 2402.14740, eq. 8."""
    total, count, index = _sums(rewards, group)
    others = (total[index] - rewards) / (count[index] - 1)
    return torch.where(count[index] > 1, _known(rewards - others), torch.zeros_like(rewards))


def whitened(values: Tensor, known: Tensor) -> Tensor:
    """(values - mean) / (deviation + EPSILON) over all entries where `known`, any shape; 0 elsewhere."""
    taken = values[known]
    if taken.numel() < 2:
        return torch.zeros_like(values)
    return torch.where(known, (values - taken.mean()) / (taken.std() + EPSILON), torch.zeros_like(values))


def reinforce_pp(rewards: Tensor, log_ratio: Tensor, mask: Tensor, beta: float) -> Tensor:
    """(B, T): whitened over all tokens of the batch: r - beta * sum of log pi / pi_ref from this token to the end.

    REINFORCE++, arXiv 2501.03262, eq. 8 to 10: the reward comes at the last token, the divergence at every token, gamma
    is 1, and no group enters.
    """
    to_go = (log_ratio * mask).flip(1).cumsum(1).flip(1)
    returns = rewards.unsqueeze(1) - beta * to_go
    return whitened(returns, mask.bool() & ~returns.isnan())


def reinforce_pp_baseline(rewards: Tensor, group: Tensor) -> Tensor:
    """(B,): r - mean of the group, whitened over the batch; REINFORCE++-baseline, arXiv 2501.03262."""
    return whitened(mean_centred(rewards, group), ~rewards.isnan())


def gdpo(components: Tensor, weights: Tensor, group: Tensor) -> Tensor:
    """(B,): each component (B, K) normalised in its group, their weighted sum whitened over the batch.

    GDPO, arXiv 2601.05242. A component that a group lacks adds nothing there; a completion without any is unscorable.
    """
    parts = [weight * group_normalised(column, group) for weight, column in zip(weights, components.T, strict=True)]
    return whitened(torch.stack(parts).sum(0), ~components.isnan().all(1))


def online_dpo(rewards: Tensor, group: Tensor, margins: Tensor, beta: float) -> Tensor:
    """(B,): the weights by which the policy gradient is the gradient of DPO on each group's best and worst completion.

    d/dtheta of -mean over pairs log sigmoid(beta (m_w - m_l)), with m (B,) = log pi / pi_ref of a completion, is
    -mean over completions A * d log pi: A = +-(B / pairs) beta sigmoid(-beta (m_w - m_l)) for the pair's two, 0 for the
    rest (DPO, arXiv 2305.18290, section 4; online, arXiv 2402.04792). Of equal rewards the first is taken; a group
    where all are equal makes no pair.
    """
    advantages = torch.zeros_like(rewards)
    pairs = [pair for one in torch.unique(group) if (pair := _best_and_worst(rewards, (group == one).nonzero()[:, 0]))]
    for best, worst in pairs:
        push = beta * torch.sigmoid(-beta * (margins[best] - margins[worst])) * len(rewards) / len(pairs)
        advantages[best], advantages[worst] = push, -push
    return advantages


def _best_and_worst(rewards: Tensor, members: Tensor) -> tuple[int, int] | None:
    members = members[~rewards[members].isnan()]
    if len(members) == 0:
        return None
    best, worst = members[rewards[members].argmax()], members[rewards[members].argmin()]
    return (int(best), int(worst)) if rewards[best] > rewards[worst] else None


def _sums(values: Tensor, group: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Sum and count of the known values of every group, and each one's index into both."""
    _, index = torch.unique(group, return_inverse=True)
    known = (~values.isnan()).to(values.dtype)
    empty = values.new_zeros(int(index.max()) + 1)
    return empty.index_add(0, index, _known(values)), empty.index_add(0, index, known), index


def _known(values: Tensor) -> Tensor:
    return torch.nan_to_num(values, nan=0.0)


ESTIMATORS: dict[str, Callable[[Scored], Tensor]] = {
    "group_normalised": lambda s: group_normalised(s.rewards, s.group),
    "mean_centred": lambda s: mean_centred(s.rewards, s.group),
    "leave_one_out": lambda s: leave_one_out(s.penalised, s.group),
    "reinforce_pp": lambda s: reinforce_pp(s.rewards, s.log_ratio, s.mask, s.beta),
    "reinforce_pp_baseline": lambda s: reinforce_pp_baseline(s.rewards, s.group),
    "gdpo": lambda s: gdpo(s.components, s.weights, s.group),
    "online_dpo": lambda s: online_dpo(s.rewards, s.group, (s.log_ratio * s.mask).sum(1), s.beta),
}
"""By the name that an objective gives; each returns (B,) or (B, T)."""
