"""What every trainer shares: the arguments of transformers' loop, and running it to its end from where it stood."""

import signal
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.integrations.deepspeed import is_deepspeed_zero3_enabled, unset_hf_deepspeed_config

from harness import weights
from harness.trainers import checkpoints, sharding, tracking
from harness.training import TrainRun


class Stopped(KeyboardInterrupt):
    """Training was asked to stop before its last step; a checkpoint was made."""


def arguments(run: TrainRun, folder: Path, on_cpu: bool) -> dict[str, Any]:
    """`TrainingArguments` of any method: sizes, schedule, precision (float32 on a CPU, else bfloat16), checkpoints."""
    optimizer = run.optimizer
    return {
        "output_dir": str(folder / run.checkpoint.folder),
        "seed": run.seed,
        "max_steps": optimizer.steps,
        "per_device_train_batch_size": run.micro_batch,
        "gradient_accumulation_steps": sharding.accumulation(run),
        "learning_rate": optimizer.learning_rate,
        "lr_scheduler_type": optimizer.schedule,
        "warmup_steps": optimizer.warmup_steps,
        "weight_decay": optimizer.weight_decay,
        "adam_beta2": optimizer.beta2,
        "max_grad_norm": optimizer.max_grad_norm,
        "use_cpu": on_cpu,
        "bf16": not on_cpu,
        "gradient_checkpointing": not on_cpu,
        "logging_steps": 1,
        "save_strategy": "steps" if run.checkpoint.every else "no",
        "save_steps": run.checkpoint.every or optimizer.steps,
        "save_total_limit": run.checkpoint.keep,
        "disable_tqdm": True,
        **tracking.arguments(run, folder),
        **sharding.arguments(run, on_cpu),
    }


def fit(trainer: Any) -> Any:
    """Trains to the last step, from the last checkpoint where there is one, and returns the model.

    Raises:
        CutBatch: `checkpoint.every` is no multiple of the steps that share one batch of completions.
        CheckpointUnreadable: the last checkpoint holds what a checkpoint never holds.
        Stopped: asked to by Ctrl-C.
    """
    args = trainer.args
    stride = checkpoints.stride(args)
    if args.save_strategy != "no" and args.save_steps % stride:
        raise checkpoints.CutBatch(
            f"checkpoint.every {args.save_steps} must be a multiple of the {stride} steps that share their completions"
        )
    start = checkpoints.last(Path(args.output_dir))
    tracking.attach(trainer)
    try:
        with checkpoints.weights_only():
            trainer.train(resume_from_checkpoint=str(start) if start else None)
    except UnpicklingError as error:
        raise checkpoints.CheckpointUnreadable(
            f"{start} holds pickled objects that no checkpoint has; somebody changed it: remove it"
        ) from error
    if trainer.state.global_step < trainer.state.max_steps:
        raise Stopped
    return _whole(trainer) if trainer.is_fsdp_enabled or is_deepspeed_zero3_enabled() else trainer.model


def _whole(trainer: Any) -> Any:
    """The trained model of a trainer whose processes each hold a part of it: gathered on disk and loaded again."""
    folder = Path(trainer.args.output_dir) / checkpoints.PARTIAL
    trainer.save_model(str(folder))
    if trainer.args.should_save:
        # Beside an adapter's weights it is the config of the base.
        trainer.accelerator.unwrap_model(trainer.model).config.save_pretrained(folder)
    trainer.accelerator.wait_for_everyone()
    # While ZeRO-3 is on, whatever is loaded is divided.
    unset_hf_deepspeed_config()
    model = weights.model(str(folder))
    trainer.accelerator.wait_for_everyone()
    checkpoints.clean(folder.parent)
    return model


class Interruption(TrainerCallback):  # type: ignore[misc]  # transformers ships no type information that mypy follows
    """Makes of the first Ctrl-C in training a checkpoint and an end after the step; the second ends at once."""

    def __init__(self) -> None:
        self.asked = False
        self.before: Any = signal.SIG_DFL

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        self.before = signal.signal(signal.SIGINT, self._ask)

    def on_train_end(self, *_: Any, **__: Any) -> None:
        signal.signal(signal.SIGINT, self.before)

    def _ask(self, *_: Any) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if state.global_step % checkpoints.stride(args) == 0 and self._anyone_asked(args):
            control.should_save = control.should_training_stop = True

    def _anyone_asked(self, args: TrainingArguments) -> bool:
        """All processes stop after the same step: a checkpoint needs every one of them."""
        if args.world_size == 1:
            return self.asked
        asked = torch.tensor(int(self.asked), device=args.device)
        torch.distributed.all_reduce(asked, torch.distributed.ReduceOp.MAX)
        return bool(asked.item())
