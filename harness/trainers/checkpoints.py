"""Checkpoints that are whole or not there: written under another name, flushed to disk, renamed; none holds pickle.

A checkpoint is `checkpoints/checkpoint-STEP`: weights and tokenizer as `save_pretrained` writes them, optimiser and
schedule in `optimizer.safetensors`, each process's random numbers in `rng-PROCESS.safetensors`, the template hash and
`trainer_state.json`. DeepSpeed's partitions (`global_step*/*.pt`) and FSDP's optimiser are torch files, which are only
ever read with `weights_only`.
"""

import os
import random
import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from transformers import Trainer, TrainerCallback, TrainingArguments
from transformers.trainer_utils import get_last_checkpoint, rotate_checkpoints

from harness import chat
from harness.trainers import sharding, states
from harness.training import Prompt

PARTIAL = "partial"
OPTIMIZER = "optimizer.safetensors"
FORCE = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"


class CheckpointFailed(RuntimeError):
    """A checkpoint could not be written; the one before it is whole."""


class CheckpointUnreadable(ValueError):
    """The last checkpoint cannot be gone on from."""


class CutBatch(ValueError):
    """A checkpoint would fall between two steps that share one batch of completions."""


class Companion(TrainerCallback, ABC):  # type: ignore[misc]  # transformers ships no type information mypy follows
    """A callback that has something to do with a checkpoint before it counts as complete, in the first process only."""

    @abstractmethod
    def on_checkpoint(self, checkpoint: Path) -> None:
        """Adds to the folder of a checkpoint, or makes sure that what belongs to it is on disk."""


class TemplateHash(Companion):
    """Lays the hash of the chat template beside the weights."""

    def __init__(self, tokenizer: Any, prompt: Prompt) -> None:
        self.tokenizer = tokenizer
        self.prompt = prompt

    def on_checkpoint(self, checkpoint: Path) -> None:
        chat.save_template_hash(checkpoint, self.tokenizer, self.prompt)


def last(folder: Path) -> Path | None:
    """The newest complete checkpoint in a run's `checkpoints/`."""
    found = get_last_checkpoint(str(folder)) if folder.is_dir() else None
    return Path(found) if found else None


def step_of(checkpoint: Path | None) -> int:
    """The step after which a checkpoint was made; 0 for none."""
    return int(checkpoint.name.rpartition("-")[2]) if checkpoint else 0


def clean(folder: Path) -> None:
    """Removes what a killed process left half written."""
    shutil.rmtree(folder / PARTIAL, ignore_errors=True)


def stride(args: TrainingArguments) -> int:
    """Steps that one batch of completions serves: GRPO's `steps_per_generation` x `num_iterations`; 1 elsewhere."""
    passes = getattr(args, "steps_per_generation", None) or args.gradient_accumulation_steps
    rounds = getattr(args, "num_iterations", 1)
    return max(1, int(passes * rounds // args.gradient_accumulation_steps))


class Checkpointed(Trainer):  # type: ignore[misc]
    """First among the bases of a trainer's class: its checkpoints are whole, and safe to read."""

    _writing: Path | None = None

    def create_model_card(self, *_: Any, **__: Any) -> None:
        """TRL writes a card on every save; a checkpoint is not a published model."""

    def _get_output_dir(self, trial: Any) -> str:
        return str(self._writing or super()._get_output_dir(trial))

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """Writes all of it to `checkpoints/partial/`, then renames.

        Raises:
            CheckpointFailed: no space, say. What was written of it is removed.
        """
        home = Path(self.args.output_dir)
        self._writing = home / PARTIAL
        try:
            super()._save_checkpoint(model, trial)
            self._everyone()
            if self.args.should_save:
                self._publish(home)
        except (OSError, RuntimeError, SafetensorError) as error:
            clean(home)
            raise CheckpointFailed(_failure(home, self.state.global_step, error)) from error
        finally:
            self._writing = None
        self._everyone()

    def _publish(self, home: Path) -> None:
        name = f"checkpoint-{self.state.global_step}"
        checkpoint = home / PARTIAL / name
        # The trainer's arguments as pickle: the run's config says them, and nobody reads it.
        (checkpoint / "training_args.bin").unlink(missing_ok=True)
        for companion in self.callback_handler.callbacks:
            if isinstance(companion, Companion):
                companion.on_checkpoint(checkpoint)
        for path in (*checkpoint.rglob("*"), checkpoint):
            flush(path)
        checkpoint.replace(home / name)
        flush(home)
        clean(home)
        rotate_checkpoints(str(home), self.args.save_total_limit)

    def _everyone(self) -> None:
        self.accelerator.wait_for_everyone()

    @property
    def _sharded(self) -> bool:
        """The optimiser's state is divided, and the library that divided it saves it."""
        return bool(self.is_deepspeed_enabled or self.is_fsdp_enabled)

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        if self._sharded:
            super()._save_optimizer_and_scheduler(output_dir)
        elif self.args.should_save:
            state = {"optimizer": self.optimizer.state_dict(), "schedule": self.lr_scheduler.state_dict()}
            states.write(Path(output_dir) / OPTIMIZER, state)

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        super()._load_optimizer_and_scheduler(checkpoint)
        if checkpoint is not None and not self._sharded:
            state = states.read(Path(checkpoint) / OPTIMIZER)
            self.optimizer.load_state_dict(state["optimizer"])
            self.lr_scheduler.load_state_dict(state["schedule"])

    def _save_rng_state(self, output_dir: str) -> None:
        # Another process may arrive before the first has made the folder.
        Path(output_dir).mkdir(parents=True, exist_ok=True)
        states.write(self._rng(output_dir), random_numbers())

    def _load_rng_state(self, checkpoint: str | None) -> None:
        if checkpoint is not None:
            restore_random_numbers(states.read(self._rng(checkpoint)))

    def _rng(self, folder: str) -> Path:
        return Path(folder) / f"rng-{self.args.process_index}.safetensors"

    def _run_epoch(self, **settings: Any) -> None:
        # Transformers would train one step more when it goes on from the checkpoint of the last step.
        if self.state.global_step >= self.state.max_steps:
            self.control.should_training_stop = True
        else:
            super()._run_epoch(**settings)


@contextmanager
def weights_only() -> Iterator[None]:
    """Every `torch.load` inside reads tensors and plain values, whatever its caller asks for (DeepSpeed asks for all).

    The few classes that DeepSpeed writes besides are named by `harness.trainers.sharding`.
    """
    before = os.environ.get(FORCE)
    os.environ[FORCE] = "1"
    try:
        with torch.serialization.safe_globals(sharding.classes()):
            yield
    finally:
        os.environ.pop(FORCE)
        if before is not None:
            os.environ[FORCE] = before


def random_numbers() -> dict[str, Any]:
    """The state of every generator of this process."""
    legacy: Any = np.random.get_state()
    name, keys, *rest = legacy
    return {
        "python": random.getstate(),
        "numpy": (str(name), keys.tolist(), *rest),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def restore_random_numbers(state: dict[str, Any]) -> None:
    random.setstate(state["python"])
    np.random.set_state(state["numpy"])
    torch.set_rng_state(state["torch"])
    if state["cuda"]:
        torch.cuda.set_rng_state_all(state["cuda"])


def flush(path: Path) -> None:
    """Waits until a file, or a folder's list of names, is on disk: a rename may get there before the content."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _failure(home: Path, step: int, error: BaseException) -> str:
    before = last(home)
    kept = f"{before.name} is whole" if before else "there is none before it"
    reason = next(iter(str(error).splitlines()), type(error).__name__)
    return f"no checkpoint of step {step} in {home} ({reason}); {kept}: make room and start the same command again"
