"""DAPO's dynamic sampling (arXiv 2503.14476, section 3.2): groups that teach nothing are sampled anew.

The paper samples prompts until the batch is full of groups that are neither all right nor all wrong. Here the places of
such groups are filled one by one: in every round each free place gets a new prompt, drawn at random from the training
set, and what comes out teaches or is thrown away. The groups that stay have the same distribution, prompts by their
chance to teach; fewer completions are sampled than whole batches would take. What is dead after the last round stays:
it pushes nowhere, its tokens count in a token-level loss, and `dead_groups_kept` says how much that is.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from harness.trainers.scoring import Sample
from harness.trainers.step_log import groups

LEFT_PADDED = ("prompt_ids", "prompt_mask")

Group = Sequence[Sample]


@dataclass(frozen=True)
class Sampled:
    """A batch of completions.

    Attributes:
        tensors: TRL's batch of this process, first dimension the completions.
        samples: of all processes, one after the other, each with whole groups.
    """

    tensors: dict[str, Any]
    samples: list[Sample]


def drawn(items: int, count: int, *seed: int) -> list[int]:
    """`count` of `items` indices, distinct where there are enough, the same ones for equal seeds."""
    lottery = random.Random("/".join(map(str, seed)))
    return [index for _ in range(0, count, items) for index in lottery.sample(range(items), items)][:count]


def refill(
    batch: Sampled,
    draw: Callable[[int, int], Sampled],
    teaches: Callable[[Group], bool],
    group_size: int,
    rounds: int,
    process: tuple[int, int],
    pad: int,
) -> tuple[Sampled, list[Sample]]:
    """The batch with its dead groups replaced, and the completions that were thrown away.

    `draw(count, round)` samples `count` groups on each process, at most `rounds` times; `process` is this one's index
    and how many there are. Each process replaces groups of its own, and computes what all of them do.
    """
    tensors, kept = batch.tensors, groups(batch.samples, group_size)
    dropped: list[Group] = []
    rank, processes = process
    places = len(kept) // processes
    for number in range(1, rounds + 1):
        free = [[g for g in range(p * places, (p + 1) * places) if not teaches(kept[g])] for p in range(processes)]
        count = max(map(len, free))
        if not count:
            break
        extra = draw(count, number)
        offered = groups(extra.samples, group_size)
        for owner, vacant in enumerate(free):
            mine = range(owner * count, (owner + 1) * count)
            moves = list(zip(vacant, [g for g in mine if teaches(offered[g])], strict=False))
            if owner == rank:
                into = _rows([place - owner * places for place, _ in moves], group_size)
                rows = _rows([new - owner * count for _, new in moves], group_size)
                tensors = spliced(tensors, extra.tensors, into, rows, pad)
            taken = {new for _, new in moves}
            dropped += [kept[place] for place, _ in moves] + [offered[g] for g in mine if g not in taken]
            for place, new in moves:
                kept[place] = offered[new]
    return Sampled(tensors, [one for group in kept for one in group]), [one for group in dropped for one in group]


def spliced(base: dict[str, Any], extra: dict[str, Any], into: list[int], rows: list[int], pad: int) -> dict[str, Any]:
    """`base` with its rows `into` replaced by `rows` of `extra`, both padded to the wider of the two.

    Scalars, as the number of tokens, are left: they are the caller's to count again.
    """
    if not rows:
        return base
    merged = dict(base)
    for name, old in base.items():
        if not isinstance(old, torch.Tensor) or old.ndim == 0:
            continue
        new = extra[name]
        if old.ndim > 1:
            width, value = max(old.size(1), new.size(1)), pad if name.endswith("_ids") else 0
            old, new = (_padded(one, width, value, name in LEFT_PADDED) for one in (old, new))
        merged[name] = old.index_copy(0, torch.tensor(into, device=old.device), new[rows])
    return merged


def _padded(tensor: torch.Tensor, width: int, value: int, left: bool) -> torch.Tensor:
    missing = width - tensor.size(1)
    return torch.nn.functional.pad(tensor, (missing, 0) if left else (0, missing), value=value)


def _rows(groups: Sequence[int], size: int) -> list[int]:
    return [group * size + member for group in groups for member in range(size)]
