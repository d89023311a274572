"""One training run, in a process of its own: `python -m harness.trainers.run FOLDER`, FOLDER holding `config.toml`.

Writes `status.json` (replaced atomically), `metrics.jsonl`, `timing.jsonl`, what the method keeps, `checkpoints/`, and
the trained weights with their tokenizer under `model/`. Started again, it goes on from the last checkpoint.
"""

import sys
import traceback
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol

from harness import threads
from harness.status import PACKAGES, StatusFile, end_with_parent
from harness.trainers import sharding
from harness.trainers.measures import AFTER, BEFORE, sampled_tokens
from harness.training import TrainRun

if TYPE_CHECKING:
    from evals.data import Item

METHODS = {
    "sft": "harness.trainers.sft",
    "dpo": "harness.trainers.preference",
    "grpo": "harness.trainers.grpo",
    "prm": "harness.trainers.prm.train",
}


class Run:
    """The run of one configuration in its folder. Only the first process of several writes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = self.read()
        self.first = sharding.rank() == 0
        self.status = StatusFile(folder, self.config.optimizer.steps, self.first)

    def read(self) -> TrainRun:
        return TrainRun.read(self.folder / "config.toml")

    def run(self) -> None:
        """Imports the heavy libraries only here, so that a bad config fails at once."""
        config = self.config
        self.status.say(phase="load")
        sharding.join(config)
        from rewards import plugins

        for plugin in config.plugins:
            plugins.load(plugin.path, plugin.sha256)
        from transformers import set_seed

        from harness import alignment, chat, weights

        method = import_module(METHODS[config.method])
        tokenizer = weights.tokenizer(config.model.path)
        alignment.require(tokenizer, config.prompt, alignment.stop_tokens(Path(config.model.path)))
        quantised = config.adapter is not None and config.adapter.kind == "qlora"
        model = weights.model(config.model.path, quantised)
        versions = {name: version(name) for name in PACKAGES}
        self.status.say(step=self.resume(), template=chat.template_hash(tokenizer), versions=versions)
        if config.evaluation and config.evaluation.before:
            self.base(model, tokenizer)
        self.status.say(phase="train")
        items = self.items()
        # Here, because a run that is started again does not measure again: an adapter's first weights are drawn next.
        set_seed(config.seed)
        trained = method.train(config, model, tokenizer, items, self.folder, self.callbacks(method, tokenizer))
        if self.first:
            self.keep(trained, tokenizer)

    def items(self) -> "list[Item]":
        """What is trained on; SFT on conversations has none."""
        from evals.data import training

        return training(self.config.data) if self.config.data else []

    def base(self, model: Any, tokenizer: Any) -> None:
        """Measures the model before training."""
        self.measure("base", model, tokenizer, BEFORE, self.config)

    def resume(self) -> int:
        """Makes the records say what the last checkpoint knows, and nothing later; returns its step, 0 for none."""
        from harness.trainers import checkpoints, records

        folder = self.folder / self.config.checkpoint.folder
        step = checkpoints.step_of(checkpoints.last(folder))
        if self.first:
            checkpoints.clean(folder)
            records.rewind(self.folder, step)
        return step

    def callbacks(self, method: ModuleType, tokenizer: Any) -> list[Any]:
        from harness.trainers.checkpoints import TemplateHash
        from harness.trainers.loop import Interruption
        from harness.trainers.records import Heartbeat, Records

        return [
            Records(self.folder, method.metrics_row),
            Heartbeat(lambda step: self.status.say(step=step)),
            TemplateHash(tokenizer, self.config.prompt),
            Interruption(),
        ]

    def measure(self, phase: str, model: Any, tokenizer: Any, file: str, run: TrainRun) -> None:
        """Measures as `run` says, once: what is measured is kept by a resumed run."""
        from harness.trainers.measures import measure

        path = self.folder / file
        if self.first and not path.is_file():
            self.status.say(phase=phase)
            measure(run, model, tokenizer, path, self.graded)
            self.graded(0, 0)

    def graded(self, done: int, of: int) -> None:
        """Says how much of a measurement is done."""
        self.status.say(graded=done, to_grade=of)

    def keep(self, trained: Any, tokenizer: Any) -> None:
        """Writes the trained weights and measures them."""
        from harness.trainers import adapters

        self.status.say(phase="save")
        kept = adapters.save(trained, tokenizer, self.folder, self.config.prompt)
        if self.config.evaluation:
            self.measure("test", kept, tokenizer, AFTER, self.config)
        tokens = sampled_tokens(self.folder, self.config.optimizer.batch_size) if self.config.grpo else None
        self.status.say(state="done", phase="done", generated_tokens=tokens)


class Process(Protocol):
    """What a process of its own does in a folder, telling how it goes."""

    status: StatusFile

    def run(self) -> None: ...


def main(process: Callable[[Path], Process] = Run) -> None:
    """Does it in the folder that the command line names, and records however it ends."""
    threads.apply()
    end_with_parent()
    run = process(Path(sys.argv[1]))
    try:
        run.run()
    except KeyboardInterrupt:
        run.status.say(state="interrupted")
        sys.exit(130)
    except Exception as error:
        # Any end is a record: the traceback goes to the run's log, the first line of its message to the terminal.
        traceback.print_exc()
        run.status.failed(error)
        sys.exit(1)


if __name__ == "__main__":
    main()
