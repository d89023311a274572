"""What preference optimisation trains on: the pairs of a run, sampled or read, kept in its folder, and as token ids."""

import json
import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

from evals import data
from evals.data import Item
from harness import chat
from harness.trainers.pairs import NoPairs, Pair, Side, build, read_pairs, read_rollouts, write_pairs
from harness.trainers.pairs.sampling import sampled
from harness.trainers.rejection import refuse_test_questions
from harness.training import DpoConfig, RolloutsRun, TrainRun

# More passes over the same pairs and a preference loss overfits them.
EPOCHS = 2

Row = dict[str, Any]


class ManyEpochs(UserWarning):
    """The run goes over its pairs more often than offline preference optimisation bears."""


def table(run: TrainRun) -> DpoConfig:
    assert run.dpo is not None
    return run.dpo


def prepared(run: TrainRun, model: Any, tokenizer: Any, items: Sequence[Item], folder: Path) -> list[Pair]:
    """The pairs in the folder, or those built now, which are then written there with their report."""
    path = folder / "pairs.jsonl"
    if path.exists():
        return read_pairs(path)
    dpo = table(run)
    sources = [Path(source) for source in dpo.pairs.rollouts]
    rollouts = read_rollouts(sources or [sampled(own_rollouts(run), model, tokenizer, items, folder / "rollouts")])
    test = [item.question for item in data.load(Path(run.data.test))] if run.data else []
    refuse_test_questions({one.question for one in rollouts.found}, test)
    built = build(rollouts, dpo.pairs, run.prompt, run.seed)
    unfit = [unfitness(tokenizer, tokenised(tokenizer, pair), dpo.max_length) for pair in built.pairs]
    fitting = [pair for pair, reason in zip(built.pairs, unfit, strict=True) if reason is None]
    dropped = dict(Counter(reason for reason in unfit if reason))
    if not fitting:
        counted = ", ".join(f"{count} {reason}" for reason, count in dropped.items())
        raise NoPairs(f"none of {len(unfit)} pairs can be trained on: {counted}; raise dpo.max_length {dpo.max_length}")
    epochs = run.optimizer.steps * run.optimizer.batch_size / len(fitting)
    report = {**built.report, "not_trained": dropped, "epochs": round(epochs, 3)}
    (folder / "pairs.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    write_pairs(path, fitting)
    warn_of_epochs(run, len(fitting), epochs)
    return fitting


def unfitness(tokenizer: Any, row: Row, max_length: int) -> str | None:
    """Why a tokenised pair cannot be trained on: cut off, or with unknown tokens, it would teach other texts."""
    completions = (row["chosen_ids"], row["rejected_ids"])
    if len(row["prompt_ids"]) + max(map(len, completions)) > max_length:
        return "too long"
    # The last token is the end of turn, which in some vocabularies is the unknown token as well.
    unknown = tokenizer.unk_token_id
    return "unwritable" if unknown is not None and any(unknown in ids[:-1] for ids in completions) else None


def warn_of_epochs(run: TrainRun, pairs: int, epochs: float) -> None:
    """Warns with `ManyEpochs` where training goes over its pairs more often than `EPOCHS`."""
    if epochs > EPOCHS:
        warnings.warn(
            f"{run.optimizer.steps} steps of {run.optimizer.batch_size} go {epochs:.1f} times over {pairs} pairs; "
            f"beyond {EPOCHS} a preference loss overfits them: take fewer steps, or sample more pairs",
            ManyEpochs,
            stacklevel=2,
        )


def own_rollouts(run: TrainRun) -> RolloutsRun:
    """What is sampled from the model itself where nobody gives rollouts. Raises `NoPairs` without questions to ask."""
    if run.data is None:
        raise NoPairs("nothing to sample from: give data, or files of rollouts by dpo.pairs.rollouts")
    sizes = table(run).pairs.model_dump(include={"questions", "samples", "temperature", "max_new_tokens"})
    return RolloutsRun(seed=run.seed, prompt=run.prompt, model=run.model, data=run.data, **sizes)


def tokenised(tokenizer: Any, pair: Pair) -> Row:
    """`prompt_ids`, `chosen_ids` and `rejected_ids` by `harness.chat`, the prompt as at inference."""
    prompt, chosen = _ids(tokenizer, pair.prompt, pair.chosen)
    _, rejected = _ids(tokenizer, pair.prompt, pair.rejected)
    return {"prompt_ids": prompt, "chosen_ids": chosen, "rejected_ids": rejected}


def _ids(tokenizer: Any, prompt: chat.Messages, side: Side) -> tuple[list[int], list[int]]:
    example = chat.example(tokenizer, prompt, side.completion)
    # A completion that was cut off never ended: its end-of-turn token is not what the model wrote.
    ids = example.completion_ids[:-1] if side.truncated else example.completion_ids
    return example.prompt_ids, ids


def unpaired(rows: Sequence[Row], pairs: int, seed: int) -> list[Row]:
    """Pairs as single completions for KTO, with the mismatched ones that estimate its KL (arXiv 2402.01306, section 4).

    Shuffled once, for TRL keeps the order. A batch of `pairs` pairs is their chosen completions, then their rejected
    ones (of the next pair where a batch is one pair), and `KL_completion_ids` turns the batch's completions by one, so
    that prompts meet completions of others.
    """
    order = list(rows)
    Random(seed).shuffle(order)
    others = order[1:] + order[:1] if pairs == 1 else order
    single: list[Row] = []
    for first in range(0, len(order), pairs):
        members = [_single(row, "chosen_ids") for row in order[first : first + pairs]]
        members += [_single(row, "rejected_ids") for row in others[first : first + pairs]]
        turned = [members[-1], *members[:-1]]
        single += [
            {**row, "KL_completion_ids": other["completion_ids"]} for row, other in zip(members, turned, strict=True)
        ]
    return single


def _single(row: Row, ids: str) -> Row:
    return {"prompt_ids": row["prompt_ids"], "completion_ids": row[ids], "label": ids == "chosen_ids"}
