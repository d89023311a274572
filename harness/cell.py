"""One cell of a study, in a process of its own: `python -m harness.cell FOLDER`, FOLDER holding `config.toml`.

Measures the base, trains, measures the result; writes `status.json` (replaced atomically), `metrics.jsonl`,
`timing.jsonl`, `curve.jsonl`, the four `items*.jsonl` and the trained weights under `model/`.
"""

import json
import sys
import traceback
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from harness import threads
from harness.config import RunConfig
from harness.status import PACKAGES, StatusFile, end_with_parent
from harness.training import AdapterConfig, GrpoConfig, OptimizerConfig, TrainRun


class Cell:
    """The run of one configuration in its folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = RunConfig.read(folder / "config.toml")
        self.status = StatusFile(folder, self.config.train.steps)
        self.say = self.status.say

    def run(self) -> None:
        """Imports the heavy libraries only here, so that a bad config fails at once."""
        self.say(phase="load")
        from rewards import plugins

        for plugin in self.config.plugins:
            plugins.load(plugin.path, plugin.sha256)
        from transformers import set_seed

        from evals.data import load
        from harness import alignment, chat, weights
        from harness.trainers import grpo
        from harness.trainers.measures import sampled_tokens
        from harness.trainers.records import Curve, Heartbeat, Records

        config = self.config
        set_seed(config.seed)
        tokenizer = weights.tokenizer(config.model.path)
        alignment.require(tokenizer, config.prompt, alignment.stop_tokens(Path(config.model.path)))
        model = weights.model(config.model.path)
        self.say(template=chat.template_hash(tokenizer), versions={name: version(name) for name in PACKAGES})
        items, dev, test = splits(config, load)
        measure = Measure(self, tokenizer, dev, test)
        self.say(phase="base")
        measure.test(model, "_base")
        measure.curve(model, 0)
        self.say(phase="train")
        callbacks = [
            Records(self.folder, grpo.metrics_row),
            Heartbeat(lambda step: self.say(step=step)),
            Curve(config.evaluation.every, lambda step: measure.curve(model, step)),
        ]
        trained = grpo.train(training(config), model, tokenizer, items, self.folder, callbacks)
        self.say(phase="test")
        measure.test(trained, "")
        trained.save_pretrained(self.folder / "model")
        tokenizer.save_pretrained(self.folder / "model")
        chat.save_template_hash(self.folder / "model", tokenizer, config.prompt)
        batch = config.train.prompts_per_step * config.train.group_size
        self.say(state="done", phase="done", generated_tokens=sampled_tokens(self.folder, batch))


class Measure:
    """Evaluations of a cell: prompts, sampling and files decided once."""

    def __init__(self, cell: Cell, tokenizer: Any, dev: list[Any], test: list[Any]) -> None:
        self.cell = cell
        self.tokenizer = tokenizer
        self.items = {"dev": dev, "test": test}

    def rows(self, model: Any, split: str, temperature: float, samples: int) -> list[dict[str, Any]]:
        from evals.engines import Sampling
        from harness.trainers.measures import graded

        config = self.cell.config
        return graded(
            model,
            self.tokenizer,
            self.items[split],
            config.prompt,
            Sampling(config.train.max_new_tokens, temperature, seed=config.seed),
            samples,
            config.evaluation.batch_size,
            lambda done, of: self.cell.say(graded=done, to_grade=of),
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


def training(config: RunConfig) -> TrainRun:
    """The GRPO run inside a cell."""
    from harness.trainers import objectives
    from harness.trainers.process import checks

    train, rank = config.train, config.model.lora_rank
    objective, credit = objectives.split(config.objective)
    return TrainRun(
        method="grpo",
        seed=config.seed,
        prompt=config.prompt,
        model=config.model,
        data=config.data,
        optimizer=OptimizerConfig(
            steps=train.steps,
            batch_size=train.prompts_per_step * train.group_size,
            learning_rate=train.learning_rate,
            micro_batch=train.micro_batch,
            beta2=0.98,
        ),
        adapter=AdapterConfig(rank=rank, alpha=2 * rank) if rank else None,
        grpo=GrpoConfig(
            reward=config.reward,
            objective=objective.name,
            credit=checks.with_model(credit, config.prm.path) if credit and config.prm else credit,
            group_size=train.group_size,
            max_new_tokens=train.max_new_tokens,
            temperature=train.temperature,
            kl=train.beta,
        ),
        plugins=config.plugins,
    )


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
        cell.status.failed(error)
        sys.exit(1)


if __name__ == "__main__":
    main()
