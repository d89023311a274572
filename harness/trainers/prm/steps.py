"""A graded solution cut into the steps that are to be labelled, and the prefixes whose values label them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from evals.data import Item
from evals.evaluation import Row
from evals.prefixes import Prefix, Value
from harness import chat
from harness.training import Prompt
from rewards.segments import segments
from rewards.spans import Span, TokenStep
from rewards.token_steps import token_steps


@dataclass(frozen=True)
class Cut:
    """A solution as token ids, cut into its steps.

    Attributes:
        row: of the evaluation.
        prompt, ids: the prompt, and the completion as `harness.chat` writes it.
    """

    row: Row
    prompt: list[int]
    ids: list[int]
    steps: list[TokenStep]


def cut_up(tokenizer: Any, row: Row, style: Prompt, most: int, longest: int) -> Cut | str:
    """A graded row cut into its steps, or why it cannot be labelled.

    Args:
        most: tokens of a completion.
        longest: tokens of prompt and completion.
    """
    if row["correct"] is None:
        return "unscorable"
    example = chat.example(tokenizer, chat.messages(row["question"], style), row["completion"])
    # What was cut off has no end of its own.
    ids = example.completion_ids[:-1] if row["finish_reason"] == "length" else example.completion_ids
    if len(example.prompt_ids) + len(ids) > longest or len(ids) > most:
        return "too long"
    text = chat.decode(tokenizer, ids)
    if text != row["completion"]:
        return "unwritable"
    if not text:
        return "empty"
    spans = [Span(start, end, None) for start, end in segments(text)]
    steps = token_steps(ids, partial(chat.decode, tokenizer), spans)
    return Cut(row, example.prompt_ids, ids, steps)


def prefixes_of(cuts: Sequence[Cut], tokenizer: Any, item: Item, most: int) -> dict[tuple[int, ...], Prefix]:
    """What is to be continued, by its tokens: solutions up to the end of every step but the last.

    A continuation may be as long as makes a whole solution of `most` tokens, as the solutions themselves.
    """
    found: dict[tuple[int, ...], Prefix] = {}
    for cut in cuts:
        for step in cut.steps[:-1]:
            ids = tuple(cut.ids[: step.last])
            name = f"{item.id} {' '.join(map(str, ids))}"
            limit = max(1, most - len(ids))
            found.setdefault(ids, Prefix(name, [*cut.prompt, *ids], chat.decode(tokenizer, ids), item.gold, limit))
    return found


def solution(cut: Cut, known: Mapping[tuple[int, ...], Value]) -> Row:
    """What `labels.jsonl` says of a solution; `known` are the values of its prefixes."""
    row, last = cut.row, len(cut.steps) - 1
    # Where a completion was cut off no step ends, so nothing is known of one.
    own = Value(0, 0, 0) if row["finish_reason"] == "length" else Value(int(row["correct"]), 1, 0)
    steps = []
    for place, step in enumerate(cut.steps):
        value = own if place == last else known[tuple(cut.ids[: step.last])]
        counts = {"right": value.right, "scorable": value.scorable}
        steps.append({"start": step.span.start, "end": step.span.end, "tokens": step.last, **counts})
    return {"sample": row["sample"], "completion": row["completion"], "correct": row["correct"], "steps": steps}
