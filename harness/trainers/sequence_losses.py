"""Losses and weights of completions as pure functions of log-probabilities, which TRL's own trainers do not offer."""

import torch
import torch.nn.functional as functional
from torch import Tensor

# The log-odds of a completion that is certain would be infinite.
_CERTAIN = -1e-6


def simpo(chosen: Tensor, rejected: Tensor, beta: float, gamma: float) -> Tensor:
    """-log s(beta (chosen - rejected) - gamma) of each pair, arXiv 2405.14734, eq. 6.

    Args:
        chosen, rejected: (B,) mean log-probability of a token of the completions.
    """
    return -functional.logsigmoid(beta * (chosen - rejected) - gamma)


def orpo(chosen: Tensor, rejected: Tensor, weight: float) -> Tensor:
    """-chosen - weight log s(odds(chosen) - odds(rejected)) of each pair, arXiv 2403.07691, eq. 6 and 7.

    Args:
        chosen, rejected: (B,) mean log-probability of a token of the completions.
    """
    return -chosen - weight * functional.logsigmoid(log_odds(chosen) - log_odds(rejected))


def log_odds(mean: Tensor) -> Tensor:
    """log(p / (1 - p)) of p = exp(mean), the probability of a token by geometric mean; ORPO's implicit reward."""
    mean = mean.clamp(max=_CERTAIN)
    return mean - torch.log(-torch.expm1(mean))


def tail_weights(mask: Tensor, alpha: float) -> Tensor:
    """LD-DPO's weight of every token, arXiv 2409.06411, eq. 10.

    1 up to the length of the pair's shorter completion, `alpha` behind it, 0 outside the completion.

    Args:
        mask: (2B, T) 1 on the tokens of completions, the B chosen before the B rejected.
    """
    lengths = mask.sum(dim=1)
    shared = torch.minimum(*lengths.chunk(2)).repeat(2).unsqueeze(1)
    return torch.where(mask.cumsum(dim=1) > shared, alpha, 1.0) * mask
