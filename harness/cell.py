"""One cell of a study, in a process of its own: `python -m harness.cell FOLDER`, FOLDER holding `config.toml`.

Measures the base, trains, measures the result; writes `status.json` (replaced atomically), `metrics.jsonl`,
`timing.jsonl`, `curve.jsonl`, the four `items*.jsonl` and the trained weights under `model/`.
"""

import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from threading import Thread
from typing import Any, Literal

from harness import threads
from harness.config import RunConfig

State = Literal["running", "done", "failed", "interrupted"]
PACKAGES = ("torch", "transformers", "trl", "accelerate", "peft")


@dataclass
class Status:
    """What `status.json` says.

    Attributes:
        phase: load, base (measured), train, test (the result measured) or done.
        graded, to_grade: completions of the evaluation in progress.
        seconds: wall time so far.
        generated_tokens: completion tokens sampled in training.
        template: hash of the chat template.
        error: type and message of what ended a failed run.
    """

    state: State = "running"
    phase: str = "start"
    step: int = 0
    steps: int = 0
    graded: int = 0
    to_grade: int = 0
    seconds: float | None = None
    generated_tokens: int | None = None
    template: str | None = None
    versions: dict[str, str] = field(default_factory=dict)
    error: dict[str, str] | None = None
    pid: int = field(default_factory=os.getpid)

    def write(self, folder: Path) -> None:
        partial = folder / "status.json.partial"
        partial.write_text(json.dumps(asdict(self), indent=1), encoding="utf-8")
        partial.replace(folder / "status.json")


class Cell:
    """The run of one configuration in its folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = RunConfig.read(folder / "config.toml")
        self.status = Status(steps=self.config.train.steps)
        self.started = time.monotonic()

    def say(self, **changes: Any) -> None:
        for name, value in changes.items():
            setattr(self.status, name, value)
        self.status.seconds = round(time.monotonic() - self.started, 1)
        self.status.write(self.folder)

    def run(self) -> None:
        """Imports the heavy libraries only here, so that a bad config fails at once."""
        self.say(phase="load")
        from rewards import plugins

        for plugin in self.config.plugins:
            plugins.load(plugin.path, plugin.sha256)
        from transformers import AutoModelForCausalLM, AutoTokenizer, set_seed

        from evals.data import load
        from harness import chat
        from harness.trainers import grpo

        config = self.config
        set_seed(config.seed)
        tokenizer = AutoTokenizer.from_pretrained(config.model.path)
        if tokenizer.pad_token_id is None:
            tokenizer.pad_token = tokenizer.eos_token
        device, dtype = placement()
        model = AutoModelForCausalLM.from_pretrained(config.model.path, dtype=dtype, use_safetensors=True).to(device)
        self.say(template=chat.template_hash(tokenizer), versions={name: version(name) for name in PACKAGES})
        items, dev, test = splits(config, load)
        measure = Measure(self, tokenizer, dev, test)
        self.say(phase="base")
        measure.test(model, "_base")
        measure.curve(model, 0)
        self.say(phase="train")
        callbacks = [
            grpo.Records(self.folder, time.monotonic),
            grpo.Heartbeat(lambda step: self.say(step=step)),
            grpo.Curve(config.evaluation.every, lambda step: measure.curve(model, step)),
        ]
        trained = grpo.train(config, model, tokenizer, items, self.folder / "trainer", callbacks)
        self.say(phase="test")
        measure.test(trained, "")
        trained.save_pretrained(self.folder / "model")
        tokenizer.save_pretrained(self.folder / "model")
        self.say(state="done", phase="done", generated_tokens=_tokens(self.folder, config))


class Measure:
    """Evaluations of a cell: prompts, sampling and files decided once."""

    def __init__(self, cell: Cell, tokenizer: Any, dev: list[Any], test: list[Any]) -> None:
        self.cell = cell
        self.tokenizer = tokenizer
        self.items = {"dev": dev, "test": test}

    def rows(self, model: Any, split: str, temperature: float, samples: int) -> list[dict[str, Any]]:
        from evals.engines import Sampling
        from evals.engines.transformers import TransformersEngine
        from evals.evaluation import evaluate
        from harness import chat

        config = self.cell.config
        return evaluate(
            TransformersEngine(model, self.tokenizer, config.evaluation.batch_size),
            lambda question: chat.encode(self.tokenizer, chat.messages(question, config.prompt)),
            self.items[split],
            Sampling(config.train.max_new_tokens, temperature, seed=config.seed),
            samples,
            lambda done: self.cell.say(graded=done, to_grade=samples * len(self.items[split])),
        )

    def test(self, model: Any, suffix: str) -> None:
        """Writes `items{suffix}.jsonl` (sampled) and `items{suffix}_greedy.jsonl`."""
        from evals.evaluation import write_rows

        config = self.cell.config
        sampled = self.rows(model, "test", config.train.temperature, config.evaluation.samples)
        write_rows(self.cell.folder / f"items{suffix}.jsonl", sampled)
        write_rows(self.cell.folder / f"items{suffix}_greedy.jsonl", self.rows(model, "test", 0.0, 1))

    def curve(self, model: Any, step: int) -> None:
        from evals.evaluation import curve_point

        config = self.cell.config
        rows = self.rows(model, "dev", config.train.temperature, config.evaluation.dev_samples)
        with (self.cell.folder / "curve.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(curve_point(step, rows)) + "\n")


def splits(config: RunConfig, load: Callable[..., list[Any]]) -> tuple[list[Any], list[Any], list[Any]]:
    """Training, dev and test items; without a dev file the last training rows are dev and not trained on."""
    evaluation = config.evaluation
    items = load(Path(config.data.train))
    test = load(Path(config.data.test), evaluation.test_items)
    if config.data.dev is not None:
        return items, load(Path(config.data.dev), evaluation.dev_items), test
    return items[: -evaluation.dev_items], items[-evaluation.dev_items :], test


def placement() -> tuple[str, Any]:
    """Device and dtype of the weights: bfloat16 on a CUDA device, float32 on a CPU."""
    import torch

    return ("cuda", torch.bfloat16) if torch.cuda.is_available() else ("cpu", torch.float32)


def _tokens(folder: Path, config: RunConfig) -> int:
    """Completion tokens sampled in training: mean length times completions, over the steps."""
    rows: list[dict[str, float]] = [
        json.loads(line) for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    batch = config.train.prompts_per_step * config.train.group_size
    return round(sum(row["length"] for row in rows) * batch)


def end_with_parent() -> None:
    """Ends this process when the one that started it is gone: a killed study must leave nobody writing its records."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    Thread(target=watch, daemon=True).start()


def main() -> None:
    threads.apply()
    end_with_parent()
    cell = Cell(Path(sys.argv[1]))
    try:
        cell.run()
    except KeyboardInterrupt:
        cell.say(state="interrupted")
        sys.exit(130)
    except Exception as error:
        # Any end is a record: the traceback goes to the cell's log, the first line of its message to the table.
        traceback.print_exc()
        message = next(iter(str(error).splitlines()), "")
        cell.say(state="failed", error={"type": type(error).__name__, "message": message})
        sys.exit(1)


if __name__ == "__main__":
    main()
