"""How a family of process reward models is asked: what it reads, where its judgement stands, and what that means.

A family lays a solution out as token ids, with a position for each step; the network's output there (k,) becomes the
probability that the step is good. All models are causal, so a step is judged by itself and what stands before it.
`rewards.learned.published` has the families of published models.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from harness import chat
from rewards.learned.networks import Network, classifier
from rewards.segments import segments
from rewards.spans import Span
from rewards.token_steps import token_steps

__all__ = ["Family", "Layout", "Solution", "Steps"]

# Tokens of one forward pass, padding included: 64 completions of 256 tokens.
PASS = 16_384


@dataclass(frozen=True)
class Solution:
    """A question and its answer by a policy; `ids` are the answer's tokens where they are known."""

    question: str
    text: str
    ids: Sequence[int] | None = None


@dataclass(frozen=True)
class Layout:
    """Token ids, and for each step the position whose output judges it; `None` for a step without text.

    `start` counts the tokens before the completion, where a family asks.
    """

    ids: list[int]
    read: list[int | None]
    start: int = 0

    @property
    def places(self) -> list[int]:
        """The positions, without the steps that have none."""
        return [at for at in self.read if at is not None]


class Family(ABC):
    """A loaded model with its tokenizer.

    Attributes:
        network: loads the model from a folder, in a dtype.
        limit: tokens that the model has positions for.
        style: the prompt style of its training, of a model that `harness train prm` made.
    """

    name: ClassVar[str]
    network: ClassVar[staticmethod[[Path, torch.dtype], Network]]

    def __init__(self, model: Network, tokenizer: Any, device: str, limit: int, style: chat.Style) -> None:
        self.model, self.tokenizer, self.device, self.limit, self.style = model, tokenizer, device, limit, style

    @classmethod
    def is_architecture(cls, name: str) -> bool:
        """Whether this class in a `config.json` tells the family."""
        return False

    @abstractmethod
    def layout(self, solution: Solution) -> Layout:
        """Lay out a solution, whose steps are those of `rewards.segments`."""

    @abstractmethod
    def probability(self, judged: Tensor) -> Tensor:
        """Return P(good), (n,), from the network's (n, k)."""

    def spans(self, solutions: Sequence[Solution]) -> list[list[Span]]:
        """Return the steps of each solution with the score 2P - 1; all `None` where it exceeds the context."""
        layouts = [self.layout(solution) for solution in solutions]
        scores: list[list[float | None]] = [[None] * len(layout.read) for layout in layouts]
        fits = [index for index, layout in enumerate(layouts) if layout.places and len(layout.ids) <= self.limit]
        for some in _passes({index: len(layouts[index].ids) for index in fits}):
            for index, found in zip(some, self._judged([layouts[index] for index in some]), strict=True):
                scores[index] = found
        return [
            [Span(*place, score) for place, score in zip(segments(solution.text), known, strict=True)]
            for solution, known in zip(solutions, scores, strict=True)
        ]

    @torch.inference_mode()
    def _judged(self, layouts: Sequence[Layout]) -> list[list[float | None]]:
        lengths = torch.tensor([len(layout.ids) for layout in layouts])
        # Padded behind the end, where a causal model cannot see it.
        ids = torch.nn.utils.rnn.pad_sequence([torch.tensor(layout.ids) for layout in layouts], batch_first=True)
        mask = (torch.arange(ids.shape[1])[None] < lengths[:, None]).long()
        rows, columns = torch.tensor([(row, at) for row, one in enumerate(layouts) for at in one.places]).T
        judged = self.outputs(layouts, ids, mask, rows, columns)
        found = iter((2 * self.probability(judged) - 1).tolist())
        return [[None if at is None else next(found) for at in layout.read] for layout in layouts]

    def outputs(self, layouts: Sequence[Layout], ids: Tensor, mask: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        """Return the network's (n, k) at the n tokens [row, column] of the (B, T) ids of `layouts`."""
        return self.model.judge(*self.placed(ids, mask, rows, columns))

    def placed(self, *parts: Tensor) -> list[Tensor]:
        """Return the tensors on the model's device."""
        return [part.to(self.device) for part in parts]


def _passes(lengths: Mapping[int, int]) -> list[list[int]]:
    """The keys in passes of at most `PASS` tokens, padding included, like lengths together."""
    passes: list[list[int]] = []
    for index in sorted(lengths, key=lengths.__getitem__):
        if passes and (len(passes[-1]) + 1) * lengths[index] <= PASS:
            passes[-1].append(index)
        else:
            passes.append([index])
    return passes


class Steps(Family):
    """What `harness train prm` makes: a token classifier that reads the policy's own tokens, without any marker.

    ids = rendered prompt (`harness.chat`) + completion; a step is judged at its last token: softmax, class 1 is good.
    The completion's ids are the policy's where this tokenizer reads them as the text, else the text is tokenised.
    """

    name = "steps"
    network = staticmethod(classifier)

    def layout(self, solution: Solution) -> Layout:
        """Lay out the prompt and the completion as the policy wrote it."""
        prompt = chat.encode(self.tokenizer, chat.messages(solution.question, self.style))
        steps = segments(solution.text)
        decode = partial(chat.decode, self.tokenizer)
        if solution.ids is not None and decode(solution.ids) == solution.text:
            ids = list(solution.ids)
            ends = [step.last for step in token_steps(ids, decode, [Span(*step, None) for step in steps])]
        else:
            ids, ends = self._tokenised(solution.text, steps)
        return Layout(prompt + ids, [len(prompt) + end - 1 for end in ends], len(prompt))

    def probability(self, judged: Tensor) -> Tensor:
        """softmax, class 1 is good."""
        return judged.softmax(dim=-1)[:, 1]

    def _tokenised(self, text: str, steps: Sequence[tuple[int, int]]) -> tuple[list[int], list[int]]:
        """The tokens of the text, and how many of them write it up to the end of each step."""
        told = self.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
        starts = [start for start, _ in told["offset_mapping"]]
        return list(told["input_ids"]), [bisect_left(starts, end) for _, end in steps]
