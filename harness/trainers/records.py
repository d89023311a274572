"""What a trainer leaves on disk while it runs: a line of metrics and a line of seconds for every step."""

import json
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from harness.trainers.checkpoints import Companion, flush

METRICS = "metrics.jsonl"
TIMING = "timing.jsonl"
CURVE = "curve.jsonl"

Row = Callable[[Mapping[str, Any]], dict[str, Any]]
"""From a trainer's logs of one step to what `metrics.jsonl` says of it, without the step's number."""


class Records(Companion):
    """Appends one line a step to `metrics.jsonl` (deterministic) and to `timing.jsonl` (wall seconds).

    Args:
        row: which logs are a step's metrics; what is not finite is written as null, never as zero.
        phases: seconds by phase since it was last called, to stand beside the step's.
    """

    def __init__(
        self,
        folder: Path,
        row: Row,
        phases: Callable[[], Mapping[str, float]] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.folder = folder
        self.row = row
        self.phases = phases
        self.clock = clock
        self.started = clock()

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        self.started = self.clock()

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: Mapping[str, Any] | None = None,
        **_: Any,
    ) -> None:
        # The closing summary of a run has `train_loss` instead.
        if not state.is_world_process_zero or logs is None or "loss" not in logs:
            return
        step = {"step": state.global_step}
        append(self.folder / METRICS, step | {name: finite(value) for name, value in self.row(logs).items()})
        phases = self.phases() if self.phases else {}
        timing = {"seconds": self.clock() - self.started, **phases}
        append(self.folder / TIMING, step | {name: round(seconds, 3) for name, seconds in timing.items()})

    def on_checkpoint(self, checkpoint: Path) -> None:
        """Whoever goes on from the checkpoint finds the lines up to its step."""
        for name in (METRICS, TIMING):
            flush(self.folder / name)


def append(path: Path, row: Mapping[str, Any]) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")


def rewind(folder: Path, step: int) -> None:
    """Drops the lines after a step, and a last line that a crash tore: what is trained again is written again."""
    for path in (folder / METRICS, folder / TIMING, folder / CURVE):
        if path.is_file():
            lines = path.read_bytes().splitlines(keepends=True)
            kept = [line for line in lines if line.endswith(b"\n") and json.loads(line)["step"] <= step]
            partial = path.with_name(f"{path.name}.partial")
            partial.write_bytes(b"".join(kept))
            flush(partial)
            partial.replace(path)


def finite(value: Any) -> Any:
    """A number that is not finite says nothing: null in the records."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


class Heartbeat(TrainerCallback):  # type: ignore[misc]  # transformers ships no type information that mypy follows
    """Tells once its checkpoint is loaded, and after every step, that the run is alive and where it is."""

    def __init__(self, beat: Callable[[int], None]) -> None:
        self.beat = beat

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if state.is_world_process_zero:
            self.beat(state.global_step)

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        if state.is_world_process_zero:
            self.beat(state.global_step)


class Curve(Companion):
    """Appends `measure(model, step)` to `curve.jsonl` at the start, after every `every` steps and after the last."""

    def __init__(self, folder: Path, every: int, measure: Callable[[Any, int], Mapping[str, Any]]) -> None:
        self.path = folder / CURVE
        self.every = every
        self.measure = measure

    def begin(self, model: Any) -> None:
        """The point of step 0, unless it is measured."""
        if not self.path.is_file() or not self.path.stat().st_size:
            append(self.path, self.measure(model, 0))

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, model: Any, **_: Any
    ) -> None:
        step = state.global_step
        if step % self.every == 0 or step == state.max_steps:
            append(self.path, self.measure(model, step))

    def on_checkpoint(self, checkpoint: Path) -> None:
        """Whoever goes on from the checkpoint finds the points up to its step."""
        flush(self.path)
