"""Supervised fine-tuning on TRL's `SFTTrainer`: the loss is on completions only, end-of-turn token included.

Examples reach TRL as token ids of `harness.chat`, so that no second rendering of a prompt exists.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import TrainerCallback
from trl import SFTConfig as Arguments
from trl import SFTTrainer

from evals.data import Item, load
from harness import chat
from harness.trainers import adapters, conversations, loop, rejection
from harness.trainers.checkpoints import Checkpointed
from harness.trainers.demonstrations import Demonstration, Demonstrations, solutions
from harness.training import SftConfig, TrainRun

Row = dict[str, list[int]]


class NothingToLearn(ValueError):
    """No example is left to train on; the message counts why."""


class PackingLeaks(ValueError):
    """The model's attention crosses from one packed example to the next."""


class Trainer(Checkpointed, SFTTrainer):  # type: ignore[misc]  # TRL ships no type information
    """TRL's trainer, except that it counts tokens by step, and packs only where packed examples stay apart."""

    checked = False

    def training_step(self, model: Any, *rest: Any, **named: Any) -> torch.Tensor:
        # Not earlier: weights that are divided among processes can be used only once the training has wrapped them.
        if self.args.packing and not self.checked:
            self.check_packing(model)
            self.checked = True
        loss: torch.Tensor = super().training_step(model, *rest, **named)
        return loss

    def log(self, logs: dict[str, float], *rest: Any) -> None:
        super().log(logs, *rest)
        # TRL counts from the start of the process, which a resumed run has later: here a step has its own count.
        self._total_train_tokens = 0

    @torch.no_grad()
    def check_packing(self, model: Any) -> None:
        """Packs an example with itself: where neither sees the other and positions start anew, both have equal logits.

        Only some attention implementations read the borders out of the position ids, and none of the others complains.

        Raises:
            PackingLeaks: the logits differ by more than rounding.
        """
        example = {"input_ids": list(range(8))}
        batch = self._prepare_inputs(self.data_collator([example, example]))
        del batch["labels"]
        training = model.training
        model.eval()
        with self.compute_loss_context_manager():
            first, second = model(**batch, use_cache=False).logits[0].chunk(2)
        model.train(training)
        if (first - second).abs().max() > torch.finfo(first.dtype).eps ** 0.5 * first.abs().max():
            raise PackingLeaks(
                f"{self.model.config.model_type} lets packed examples see each other; set sft.packing to false"
            )


def metrics_row(logs: Mapping[str, Any]) -> dict[str, Any]:
    """What `metrics.jsonl` says of a step, from TRL's logs.

    `accuracy` is the share of completion tokens that the model had most likely, `entropy` its mean over them in nats
    (both the mean of the micro-batches' means), `tokens` those read in the step, prompts included and padding not.
    """
    tokens = logs.get("num_tokens")
    return {
        "loss": logs["loss"],
        "accuracy": logs.get("mean_token_accuracy"),
        "entropy": logs.get("entropy"),
        "grad_norm": logs.get("grad_norm"),
        "learning_rate": logs.get("learning_rate"),
        "tokens": None if tokens is None else int(tokens),
    }


def demonstrations(run: TrainRun, items: Sequence[Item]) -> Demonstrations:
    """The run's demonstrations from their source."""
    sft = table(run)
    files = [Path(file) for file in sft.files]
    match sft.source:
        case "solutions":
            return solutions(items, run.prompt, sft.annotations)
        case "chat":
            return conversations.read(files, run.prompt)
        case "rollouts":
            test = {item.question for item in load(Path(run.data.test))} if run.data else set()
            return rejection.read(files, run.prompt, sft.per_question, test)


def table(run: TrainRun) -> SftConfig:
    assert run.sft is not None
    return run.sft


def encoded(tokenizer: Any, found: Sequence[Demonstration], max_length: int) -> tuple[list[Row], Counter[str]]:
    """Examples as `input_ids` and `completion_mask`, and how many were dropped, by reason.

    One that is too long is left out whole: cut, it would teach answers without an end. One that the tokenizer cannot
    write would teach its unknown token.
    """
    rows: list[Row] = []
    dropped: Counter[str] = Counter()
    for each in found:
        example = chat.example(tokenizer, each.conversation, each.completion)
        ids = example.prompt_ids + example.completion_ids
        # The last token is the end of turn, which in some vocabularies is the unknown token as well.
        if tokenizer.unk_token_id is not None and tokenizer.unk_token_id in example.completion_ids[:-1]:
            dropped["unwritable"] += 1
        elif len(ids) > max_length:
            dropped["too_long"] += 1
        else:
            mask = [0] * len(example.prompt_ids) + [1] * len(example.completion_ids)
            rows.append({"input_ids": ids, "completion_mask": mask})
    return rows, dropped


def prepared(run: TrainRun, tokenizer: Any, items: Sequence[Item]) -> tuple[list[Row], dict[str, Any]]:
    """The examples of a run, and what `data.json` says of them: how many, how many not and why, and their tokens.

    Raises:
        NothingToLearn: no example is left.
    """
    sft = table(run)
    source = demonstrations(run, items)
    rows, unfit = encoded(tokenizer, source.found, sft.max_length)
    dropped = {reason: count for reason, count in (Counter(source.dropped) + unfit).items() if count}
    if not rows:
        reasons = ", ".join(f"{count} {reason}" for reason, count in dropped.items()) or "the source is empty"
        raise NothingToLearn(
            f"sft.source {sft.source} leaves no example ({reasons}); sft.max_length is {sft.max_length}"
        )
    tokens = {
        "all": sum(len(row["input_ids"]) for row in rows),
        "completions": sum(sum(row["completion_mask"]) for row in rows),
        "longest": max(len(row["input_ids"]) for row in rows),
    }
    return rows, {"source": sft.source, "examples": len(rows), "dropped": dropped, "tokens": tokens}


def train(
    run: TrainRun,
    model: Any,
    tokenizer: Any,
    items: Sequence[Item],
    folder: Path,
    callbacks: Sequence[TrainerCallback],
) -> Any:
    """Fine-tunes `model` as `run` says, writes `data.json` into `folder` and returns the trained model.

    Raises:
        NothingToLearn: no example is left.
        PackingLeaks: `sft.packing` with a model that cannot.
    """
    sft = table(run)
    rows, counts = prepared(run, tokenizer, items)
    trainer = Trainer(
        model=model,
        args=Arguments(
            **loop.arguments(run, folder, on_cpu=model.device.type == "cpu"),
            completion_only_loss=True,
            loss_type=sft.loss,
            max_length=sft.max_length,
            packing=sft.packing,
        ),
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer,
        callbacks=list(callbacks),
        peft_config=adapters.peft_config(run.adapter) if run.adapter else None,
    )
    if trainer.is_world_process_zero():
        (folder / "data.json").write_text(json.dumps(counts, indent=1) + "\n", encoding="utf-8")
    return loop.fit(trainer)
