"""A learned process reward model: the run's model with two outputs for a token, trained on Monte-Carlo labels of steps.

Math-Shepherd (arXiv 2312.08935, section 3). Deviations: (1) no completer of its own: the run's model continues its own
solutions; (2) steps are what `rewards.segments` cuts, and carry no marker: a step's score stands at the token that ends
it; (3) two outputs and their softmax instead of two words of the vocabulary; (4) soft labels by default. Labels of this
kind are values of the sampling policy, not verdicts on steps (arXiv 2501.07301, section 3.1).

In the run's folder, beside what `harness.trainers.prm.labels` keeps: `model/` with the weights and `prm.json`, which
says how they were made and how they do on questions held out of the training. The reward `prm(model="FOLDER/model")`
loads it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from transformers import AutoModelForTokenClassification, TrainerCallback, TrainingArguments, set_seed

from evals.data import Item
from evals.evaluation import Row
from harness import chat, weights
from harness.trainers import adapters, loop
from harness.trainers.checkpoints import Checkpointed
from harness.trainers.prm import labels as prm_labels
from harness.trainers.prm import record as prm_record
from harness.trainers.prm.labels import table
from harness.trainers.prm.measures import Floats, Judged, held_out, target
from harness.training import AdapterConfig, TrainRun

BAD, GOOD = 0, 1
UNLABELLED = -100.0
# One question in so many is never trained on.
HELD_OUT = 10


class NothingLabelled(ValueError):
    """Too few questions have labelled steps; the message counts why."""


class NoClassifier(ValueError):
    """The run's model cannot be given an output for steps."""


@dataclass(frozen=True)
class Example:
    """A solution as tokens (T,), prompt included; `ends` (S,) are places in it, each of a step's last token.

    Attributes:
        shares: (S,) right among the judged continuations; NaN is unknown.
        completion: its tokens without the prompt.
    """

    question: str
    correct: bool
    ids: list[int]
    ends: list[int]
    shares: Floats
    completion: int


def metrics_row(logs: Mapping[str, Any]) -> dict[str, Any]:
    """What `metrics.jsonl` says of a step: the loss is the mean over the labelled steps of its solutions."""
    return {name: logs.get(name) for name in ("loss", "grad_norm", "learning_rate")}


def train(
    run: TrainRun,
    model: Any,
    tokenizer: Any,
    items: Sequence[Item],
    folder: Path,
    callbacks: Sequence[TrainerCallback],
) -> Any:
    """Labels the steps of the model's own solutions, trains a classifier on them and returns it.

    Raises:
        NothingLabelled: not two questions have a labelled step.
        NoClassifier: the architecture has no token classification, or does not take the model's weights.
        evals.engines.EngineError, evals.run.RunError: as `harness.trainers.prm.labels.labelled`.
    """
    rows = prm_labels.labelled(run, model, tokenizer, items, folder)
    prm_labels.tell(folder, "train", 0, 0)
    # The classifier is another copy of the weights.
    model.to("cpu")
    learnt, kept_out = split(examples(run, tokenizer, rows), run.seed)
    labels, pad = table(run).labels, tokenizer.pad_token_id
    # Sampling, or finding the labels sampled, must not decide where the new output begins.
    set_seed(run.seed)
    scorer = classifier(run)
    on_cpu = scorer.device.type == "cpu"
    trainer = Checkpointed(
        model=scorer,
        args=TrainingArguments(**loop.arguments(run, folder, on_cpu), remove_unused_columns=False),
        train_dataset=[encoded(one, labels) for one in learnt],
        data_collator=lambda chosen: padded(chosen, pad),
        compute_loss_func=loss,
        processing_class=tokenizer,
        callbacks=list(callbacks),
    )
    trained = loop.fit(trainer)
    prm_labels.tell(folder, "held out", 0, 0)
    base_rate = float(np.nanmean(np.concatenate([target(one.shares, labels) for one in learnt])))
    measured = held_out(judged(trained, kept_out, pad, run.micro_batch), labels, base_rate)
    found = {"trained_on": len(learnt), "held_out": measured}
    prm_record.write(folder / "model", run, chat.template_hash(tokenizer), rows, found)
    return trained


def examples(run: TrainRun, tokenizer: Any, rows: Sequence[Row]) -> list[Example]:
    """The labelled solutions that have a known step. Raises `NothingLabelled` where they answer fewer than 2 questions.

    Tokens are those that were labelled: `harness.chat` writes the same ones for the same text.
    """
    found = []
    for row in rows:
        for solution in row["solutions"]:
            example = chat.example(tokenizer, chat.messages(row["question"], run.prompt), solution["completion"])
            steps = solution["steps"]
            prompt, length = len(example.prompt_ids), steps[-1]["tokens"]
            shares = [step["right"] / step["scorable"] if step["scorable"] else np.nan for step in steps]
            one = Example(
                row["id"],
                solution["correct"],
                example.prompt_ids + example.completion_ids[:length],
                [prompt + step["tokens"] - 1 for step in steps],
                np.array(shares, dtype=np.float64),
                length,
            )
            if not np.isnan(one.shares).all():
                found.append(one)
    if len({one.question for one in found}) < 2:
        dropped = prm_record.dropped(rows)
        told = ", ".join(f"{count} {reason}" for reason, count in dropped.items()) or "none left out"
        raise NothingLabelled(
            f"{len(rows)} questions leave {len(found)} labelled solutions ({told}), and one question is held out: give "
            "more prm.questions, or a greater prm.max_length"
        )
    return found


def split(found: Sequence[Example], seed: int) -> tuple[list[Example], list[Example]]:
    """What is trained on, and what is held out: all solutions of one question in ten, and of one at least."""
    names = sorted({one.question for one in found})
    out = set(Random(seed).sample(names, max(1, len(names) // HELD_OUT)))
    return [one for one in found if one.question not in out], [one for one in found if one.question in out]


def classifier(run: TrainRun) -> Any:
    """The run's model with a new output of two for every token, or a low-rank adapter on it and the output.

    Raises:
        NoClassifier: transformers has none for the architecture, or weights of the model found no place in it.
    """
    device, dtype = weights.placement()
    try:
        made, report = AutoModelForTokenClassification.from_pretrained(
            run.model.path,
            num_labels=2,
            id2label={BAD: "bad", GOOD: "good"},
            label2id={"bad": BAD, "good": GOOD},
            dtype=dtype,
            use_safetensors=True,
            output_loading_info=True,
        )
    except ValueError as error:
        raise NoClassifier(f"{run.model.name}: {str(error).splitlines()[0]}; give a model of another family") from error
    new = {name.split(".")[0] for name in report["missing_keys"]}
    if made.base_model_prefix in new or report["mismatched_keys"]:
        lost = sorted(report["missing_keys"])[0]
        raise NoClassifier(f"{run.model.name}: {type(made).__name__} finds no weights for {lost}")
    made.to(device)
    return adapted(made, run.adapter, sorted(new)) if run.adapter else made


def adapted(model: Any, adapter: AdapterConfig, heads: Sequence[str]) -> Any:
    """A low-rank adapter on the linear layers of the backbone, beside `heads`, which are trained in full."""
    from peft import get_peft_model

    settings = replace(
        adapters.peft_config(adapter), task_type="TOKEN_CLS", modules_to_save=list(heads), exclude_modules=list(heads)
    )
    return get_peft_model(model, settings)


def encoded(one: Example, labels: str) -> dict[str, list[Any]]:
    """A row of the dataset: `input_ids`, and `labels` as P(good) at the end of known steps, else `UNLABELLED`."""
    goals = [UNLABELLED] * len(one.ids)
    for place, goal in zip(one.ends, target(one.shares, labels), strict=True):
        goals[place] = UNLABELLED if np.isnan(goal) else float(goal)
    return {"input_ids": one.ids, "labels": goals}


def padded(rows: Sequence[Mapping[str, Sequence[Any]]], pad: int) -> dict[str, torch.Tensor]:
    """Rows as (B, T) tensors, padded on the right."""
    width = max(len(row["input_ids"]) for row in rows)
    filled = {"input_ids": (pad, torch.long), "attention_mask": (0, torch.long), "labels": (UNLABELLED, torch.float32)}
    rows = [{**row, "attention_mask": [1] * len(row["input_ids"])} for row in rows]
    return {
        name: torch.tensor([[*row[name], *[fill] * (width - len(row[name]))] for row in rows], dtype=dtype)
        for name, (fill, dtype) in filled.items()
    }


def loss(outputs: Any, labels: torch.Tensor, num_items_in_batch: torch.Tensor | None = None) -> torch.Tensor:
    """Cross-entropy with the labels as probabilities: mean over steps of -(y log p(good) + (1 - y) log p(bad)).

    With hard labels, y in {0, 1}, it is the usual one. The mean is over the labelled steps of the whole batch, of all
    micro-batches where it is divided.
    """
    known = labels != UNLABELLED
    logs, goals = outputs.logits[known].float().log_softmax(dim=-1), labels[known]
    total: torch.Tensor = -(goals * logs[:, GOOD] + (1 - goals) * logs[:, BAD]).sum()
    return total / (known.sum() if num_items_in_batch is None else num_items_in_batch)


@torch.inference_mode()
def judged(model: Any, found: Sequence[Example], pad: int, batch: int) -> list[Judged]:
    """The solutions with the model's P(good) at the end of every step."""
    model.eval()
    result = []
    for start in range(0, len(found), batch):
        chosen = found[start : start + batch]
        tensors = padded([encoded(one, "soft") for one in chosen], pad)
        del tensors["labels"]
        logits = model(**{name: tensor.to(model.device) for name, tensor in tensors.items()}).logits
        good = logits.float().softmax(dim=-1)[..., GOOD].cpu().double().numpy()
        result += [
            Judged(one.question, one.correct, one.completion, one.shares, row[one.ends])
            for one, row in zip(chosen, good, strict=True)
        ]
    return result
