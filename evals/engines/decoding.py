"""Decoding of one batch on a `transformers` model: what the prompts share is computed once, finished rows leave.

`model.generate` keeps every row until the last one ends, repeats the few-shot examples for each, and draws from one
global generator; here a row draws from its own, so that its completion does not depend on its neighbours.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from transformers import DynamicCache

from evals.engines import Environment, FinishReason, Request, Sampling

# Taking rows out copies the cache, which pays once this share of the rows is done.
DONE_SHARE = 0.125
# Bounds what an environment costs, whatever it is asked.
MOST_RESPONSES = 32


@dataclass
class Row:
    """A completion in progress. `text` is set at the end.

    Attributes:
        limit: most tokens, those of an environment included.
        own: of every token, whether the model drew it; else the environment wrote it.
        due: tokens of the environment that come next.
        responses: of the environment, those that `failed` included: the vocabulary has no tokens for their text.
    """

    generator: torch.Generator
    limit: int
    tokens: list[int] = field(default_factory=list)
    own: list[bool] = field(default_factory=list)
    due: list[int] = field(default_factory=list)
    responses: int = 0
    failed: int = 0
    text: str = ""
    reason: FinishReason | None = None


@dataclass
class Decoder:
    """A model and tokenizer with the token ids that end a completion, and what writes into it besides the model."""

    model: Any
    tokenizer: Any
    ends: frozenset[int]
    environment: Environment | None = None

    def decode(self, requests: Sequence[Request], sampling: Sampling) -> list[Row]:
        """Finished rows in the order of the requests."""
        device = self.model.device
        rows = [
            Row(torch.Generator(device).manual_seed(request.seed), request.tokens(sampling)) for request in requests
        ]
        live = rows
        cache, mask, logits = self._prefill([list(request.prompt) for request in requests])
        while True:
            drawn = draw(logits, [row.generator for row in live], sampling).tolist()
            taken = [self._take(row, token, sampling) for row, token in zip(live, drawn, strict=True)]
            tokens = torch.tensor(taken, device=device)
            kept = [place for place, row in enumerate(live) if row.reason is None]
            if not kept:
                return rows
            if len(kept) <= len(live) * (1 - DONE_SHARE):
                chosen = torch.tensor(kept, device=device)
                cache.batch_select_indices(chosen)
                mask, tokens, live = mask[chosen], tokens[chosen], [live[place] for place in kept]
            mask = torch.cat([mask, mask.new_ones(len(live), 1)], dim=1)
            logits = self._forward(tokens[:, None], mask, cache)

    def _prefill(self, prompts: list[list[int]]) -> tuple[DynamicCache, torch.Tensor, torch.Tensor]:
        """Cache and attention mask (rows, positions) after the prompts, and the logits (rows, vocabulary) there.

        The layout is [what all prompts begin with] [padding] [the rest]; positions count the unpadded tokens.
        """
        device = self.model.device
        cache = DynamicCache(config=self.model.config)
        # Padding between would take places of a sliding window, so such models share nothing.
        shared = 0 if any(layer.is_sliding for layer in cache.layers) else shared_length(prompts)
        if shared:
            head = torch.tensor([prompts[0][:shared]], device=device)
            self._forward(head, torch.ones_like(head), cache)
            cache.batch_repeat_interleave(len(prompts))
        width = max(map(len, prompts)) - shared
        padding = [width + shared - len(prompt) for prompt in prompts]
        ids = [[0] * pad + prompt[shared:] for pad, prompt in zip(padding, prompts, strict=True)]
        mask = [[1] * shared + [0] * pad + [1] * (width - pad) for pad in padding]
        attention = torch.tensor(mask, device=device)
        return cache, attention, self._forward(torch.tensor(ids, device=device), attention, cache)

    def _forward(self, ids: torch.Tensor, mask: torch.Tensor, cache: DynamicCache) -> torch.Tensor:
        """Logits (rows, vocabulary) after the last of `ids`, which are appended to the cache."""
        positions = (mask.cumsum(dim=1) - 1).clamp(min=0)[:, -ids.shape[1] :]
        output = self.model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        logits: torch.Tensor = output.logits[:, -1]
        return logits

    def _take(self, row: Row, token: int, sampling: Sampling) -> int:
        """Appends a token, the environment's if one is due, else the drawn one, and ends the row where it has to.

        Returns what was appended. A row that has ended waits for removal unchanged.
        """
        if row.reason is not None:
            return token
        own = not row.due
        token = token if own else row.due.pop(0)
        row.tokens.append(token)
        row.own.append(own)
        if token in self.ends or self._stopped(row.tokens, sampling.stop):
            row.reason = "stop"
        elif len(row.tokens) == row.limit:
            row.reason = "length"
        elif own and self.environment is not None and row.responses < MOST_RESPONSES:
            row.due = self._response(row, self.environment)
        if row.reason is not None:
            row.text = cut(self._text(row.tokens), sampling.stop)
        return token

    def _response(self, row: Row, environment: Environment) -> list[int]:
        """The tokens that the environment writes next, none where the vocabulary cannot write its very text."""
        text = self._text(row.tokens)
        response = environment.respond(text)
        if response is None:
            return []
        row.responses += 1
        # Some tokenizers put a space of their own before whatever they encode.
        for form in (response, response.lstrip()):
            ids = list(self.tokenizer.encode(form, add_special_tokens=False))
            if self._text(row.tokens + ids) == text + response and self.ends.isdisjoint(ids):
                return ids
        row.failed += 1
        return []

    def _stopped(self, tokens: list[int], stops: tuple[str, ...]) -> bool:
        """Whether the newest token completed a stop text. A tail is looked at first, for it is cheap to decode."""
        if not stops:
            return False
        # A character may take four tokens, one a byte.
        tail = self._text(tokens[-4 * max(map(len, stops)) - 4 :])
        return any(stop in tail for stop in stops) and any(stop in self._text(tokens) for stop in stops)

    def _text(self, tokens: list[int]) -> str:
        return str(self.tokenizer.decode(tokens, skip_special_tokens=True))


def shared_length(prompts: list[list[int]]) -> int:
    """How many tokens all prompts begin with; one less than the shortest at most, for each needs a token to go on."""
    if len(prompts) == 1:
        return 0
    # All that lies between the smallest and the largest in lexicographic order begins with what these two share.
    first, last = min(prompts), max(prompts)
    differs = (place for place, (one, other) in enumerate(zip(first, last, strict=False)) if one != other)
    return min(next(differs, len(first)), min(map(len, prompts)) - 1)


def cut(text: str, stops: Sequence[str]) -> str:
    """The text before the first stop in it."""
    return text[: min((place for stop in stops if (place := text.find(stop)) >= 0), default=len(text))]


def draw(logits: torch.Tensor, generators: Sequence[torch.Generator], sampling: Sampling) -> torch.Tensor:
    """One token id for each row of logits (rows, vocabulary).

    An exponential race: argmax of p / e, with e from Exp(1), has distribution p; a row's e are from its own generator.
    """
    scores = logits.float()
    if sampling.temperature == 0:
        return scores.argmax(dim=-1)
    probabilities = (scores / sampling.temperature).softmax(dim=-1)
    if sampling.top_p < 1:
        probabilities = nucleus(probabilities, sampling.top_p)
    for row, generator in zip(probabilities, generators, strict=True):
        row /= torch.empty_like(row).exponential_(generator=generator)
    return probabilities.argmax(dim=-1)


def nucleus(probabilities: torch.Tensor, top_p: float) -> torch.Tensor:
    """Zero outside of the smallest set with at least `top_p`; not normalised, which a race does not need."""
    ordered, order = probabilities.sort(dim=-1, descending=True)
    before = ordered.cumsum(dim=-1) - ordered
    return torch.zeros_like(probabilities).scatter(-1, order, ordered.where(before < top_p, 0))
