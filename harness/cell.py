"""One cell of a study, in a process of its own: `python -m harness.cell FOLDER`, FOLDER holding `config.toml`.

A training run (`harness.trainers.run`) that measures more: the test split sampled and greedy, before and after, in the
four `items*.jsonl`, and the dev split along the way in `curve.jsonl`. Started again it keeps what is measured, goes on
from its last checkpoint and ends in the same bytes; checkpoints go once it is done.
"""

import shutil
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from harness.config import RunConfig
from harness.trainers.cells import training
from harness.trainers.run import Run, main
from harness.training import TrainRun

if TYPE_CHECKING:
    from evals.data import Item
    from harness.trainers.records import Curve


class Cell(Run):
    """The run of one configuration of a study in its folder."""

    def read(self) -> TrainRun:
        self.cell = RunConfig.read(self.folder / "config.toml")
        return training(self.cell)

    def base(self, model: Any, tokenizer: Any) -> None:
        self.status.say(phase="base")
        super().base(model, tokenizer)
        self.curve(tokenizer).begin(model)

    def callbacks(self, method: ModuleType, tokenizer: Any) -> list[Any]:
        return [*super().callbacks(method, tokenizer), self.curve(tokenizer)]

    def measure(self, phase: str, model: Any, tokenizer: Any, file: str, run: TrainRun) -> None:
        """Sampled as `run` says, and greedy with one completion a question."""
        assert run.evaluation is not None
        greedy = run.evaluation.model_copy(update={"samples": 1, "temperature": 0.0})
        super().measure(phase, model, tokenizer, file, run)
        second = file.replace(".jsonl", "_greedy.jsonl")
        super().measure(phase, model, tokenizer, second, run.model_copy(update={"evaluation": greedy}))

    def curve(self, tokenizer: Any) -> "Curve":
        from evals.engines import Sampling
        from evals.evaluation import curve_point
        from harness.trainers.environments import named
        from harness.trainers.measures import graded
        from harness.trainers.records import Curve

        config, evaluation = self.cell, self.cell.evaluation
        sampling = Sampling(config.train.max_new_tokens, config.train.temperature, seed=config.seed)
        sizes = evaluation.dev_samples, evaluation.batch_size
        environment = named(self.config.grpo.environment) if self.config.grpo else None
        dev = dev_items(config)

        def measure(model: Any, step: int) -> dict[str, Any]:
            rows = graded(model, tokenizer, dev, config.prompt, sampling, *sizes, self.graded, environment)
            self.graded(0, 0)
            return curve_point(step, rows)

        return Curve(self.folder, evaluation.every, measure)

    def keep(self, trained: Any, tokenizer: Any) -> None:
        super().keep(trained, tokenizer)
        shutil.rmtree(self.folder / self.config.checkpoint.folder, ignore_errors=True)


def dev_items(config: RunConfig) -> "list[Item]":
    """The dev split: a file of its own, or the training rows that the cell's run holds out."""
    from evals.data import load

    data, count = config.data, config.evaluation.dev_items
    return load(Path(data.dev), count) if data.dev else load(Path(data.train))[-count:]


if __name__ == "__main__":
    main(Cell)
