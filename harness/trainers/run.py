"""One training run, in a process of its own: `python -m harness.trainers.run FOLDER`, FOLDER holding `config.toml`.

Writes `status.json` (replaced atomically), `metrics.jsonl`, `timing.jsonl`, what the method keeps, `checkpoints/`, and
the trained weights with their tokenizer under `model/`. Started again, it goes on from the last checkpoint.
"""

import sys
import traceback
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

from harness import threads
from harness.status import PACKAGES, StatusFile, end_with_parent
from harness.training import TrainRun

METHODS = {"sft": "harness.trainers.sft", "dpo": "harness.trainers.preference", "grpo": "harness.trainers.grpo"}


class Run:
    """The run of one configuration in its folder. Only the first process of several writes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = TrainRun.read(folder / "config.toml")
        self.status = StatusFile(folder, self.config.optimizer.steps)

    def run(self) -> None:
        """Imports the heavy libraries only here, so that a bad config fails at once."""
        config = self.config
        self.status.say(phase="load")
        from rewards import plugins

        for plugin in config.plugins:
            plugins.load(plugin.path, plugin.sha256)
        from transformers import set_seed

        from evals.data import load
        from harness import chat, weights
        from harness.trainers.records import Heartbeat, Records

        set_seed(config.seed)
        method = import_module(METHODS[config.method])
        tokenizer = weights.tokenizer(config.model.path)
        model = weights.model(config.model.path)
        versions = {name: version(name) for name in PACKAGES}
        self.status.say(phase="train", template=chat.template_hash(tokenizer), versions=versions)
        items = load(Path(config.data.train)) if config.data else []
        callbacks = [
            Records(self.folder, method.metrics_row),
            Heartbeat(lambda step: self.status.say(step=step)),
        ]
        trained = method.train(config, model, tokenizer, items, self.folder, callbacks)
        self.status.say(phase="save")
        save(trained, tokenizer, self.folder / "model")
        self.status.say(state="done", phase="done")


def save(model: Any, tokenizer: Any, folder: Path) -> None:
    """The final weights as safetensors, with the tokenizer."""
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def main() -> None:
    threads.apply()
    end_with_parent()
    run = Run(Path(sys.argv[1]))
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
