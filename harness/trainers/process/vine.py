"""Steps scored by what they change: Monte-Carlo values at the prefixes, by the policy itself (VinePPO).

score of step k = V(s_k+1) - V(s_k), in [-1, 1] (arXiv 2410.01679, section 4), where s_k is the prompt with the steps
before k, V(s) the share of right answers among K continuations from s by the policy in training, sampled as its
completions are, and V at the completion's end its own verdict. So the scores of a completion sum to
verdict - V(prompt), and their expectation is the exact advantage of the step: the reference that other scorers are
measured by. It costs K continuations for every step.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import Any

import torch

from evals.engines.transformers import TransformersEngine
from evals.prefixes import Prefix, values
from harness import chat
from harness.trainers.rollouts.decoding import policy, sampling
from rewards import verify_batch
from rewards.segments import segments
from rewards.spans import Span, TokenStep
from rewards.token_steps import token_steps

Key = tuple[tuple[int, ...], str]
"""What continuations hang on: the tokens of prompt and completion so far, and the gold."""


class Vine:
    """Scores the steps of completions, of which `rewards.segments` says where they begin.

    Attributes:
        continuations: K, of every prefix; equal prefixes share theirs.
        tokens: how many were sampled by the last call.
    """

    def __init__(self, continuations: int) -> None:
        self.continuations = continuations
        self.tokens = 0

    def steps(
        self, trainer: Any, prompts: Sequence[Any], completion_ids: Sequence[Sequence[int]], golds: Sequence[object]
    ) -> list[list[TokenStep]]:
        """The steps of every completion of a `GRPOTrainer`; the last takes in the end token.

        A score is `None` where a verdict is: an unscorable gold says nothing of any step.
        """
        tokenizer = trainer.processing_class
        decode = partial(chat.decode, tokenizer)
        cuts = [_cuts(ids, decode) for ids in completion_ids]
        prefixes: dict[Key, Prefix] = {}
        before: list[list[Key]] = []
        for prompt, ids, gold, steps in zip(prompts, completion_ids, map(str, golds), cuts, strict=True):
            asked = chat.encode(tokenizer, prompt)
            begun = [(step.first, ((*asked, *ids[: step.first]), gold)) for step in steps]
            for first, key in begun:
                left = trainer.max_completion_length - first
                prefixes.setdefault(key, Prefix(str(len(prefixes)), key[0], decode(ids[:first]), gold, left))
            before.append([key for _, key in begun])
        worth = self._values(trainer, prefixes)
        ends = verify_batch([decode(ids) for ids in completion_ids], golds)
        return [
            _differences(steps, [*map(worth.get, keys), float(end.correct) if end.scorable else None])
            for steps, keys, end in zip(cuts, before, ends, strict=True)
        ]

    def _values(self, trainer: Any, prefixes: dict[Key, Prefix]) -> dict[Key, float | None]:
        # Torch's global generator is part of a checkpoint: a resumed run draws what the whole one did.
        drawn = sampling(trainer, int(torch.randint(1 << 31, ())))
        with policy(trainer) as model:
            engine = TransformersEngine(model, trainer.processing_class, environment=trainer.environment)
            found = values(engine, list(prefixes.values()), drawn, self.continuations)
        self.tokens = sum(value.tokens for value in found)
        trainer.phases.tokens("process", self.tokens)
        return {key: value.share for key, value in zip(prefixes, found, strict=True)}


def _cuts(ids: Sequence[int], decode: Callable[[Sequence[int]], str]) -> list[TokenStep]:
    """Steps that share all tokens of a completion among them, each with at least one."""
    text = decode(ids)
    found = token_steps(ids, decode, [Span(start, end, None) for start, end in segments(text)])
    found = [step for step in found if step.first < step.last] or [TokenStep(Span(0, len(text), None), 0, len(ids))]
    return [*found[:-1], replace(found[-1], last=len(ids))]


def _differences(steps: Sequence[TokenStep], worth: Sequence[float | None]) -> list[TokenStep]:
    """The steps with their scores; `worth` is the value before each and at the end."""
    return [
        replace(step, span=replace(step.span, score=None if old is None or new is None else new - old))
        for step, (old, new) in zip(steps, pairwise(worth), strict=True)
    ]
