"""A model's own completions of training questions, graded: what preference pairs are built from.

Within a run that has none, or for many of them in a process of its own, as `python -m harness.trainers.pairs.sampling
FOLDER`, FOLDER holding `config.toml`, a `harness.training.RolloutsRun`. Started again, it goes on where it was.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from evals import engines
from evals.data import Item, drawn, training
from evals.engines.transformers import TransformersEngine, facts
from evals.evaluation import Prompted
from evals.run import Run
from harness import alignment, chat, weights
from harness.status import StatusFile
from harness.trainers.run import main
from harness.training import RolloutsRun

BATCH = 128


def sampled(
    run: RolloutsRun,
    model: Any,
    tokenizer: Any,
    items: Sequence[Item],
    folder: Path,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> Path:
    """Samples and grades as an evaluation in `folder`, which goes on where it was interrupted.

    Args:
        progress: how many completions are there, of how many.
    """
    asked = drawn(items, run.questions, run.seed)
    prompts = [Prompted(one, chat.encode(tokenizer, chat.messages(one.question, run.prompt))) for one in asked]
    sampling = engines.Sampling(run.max_new_tokens, run.temperature, run.seed)
    request = {
        "model": {"name": run.model.name, "fingerprint": run.model.fingerprint},
        "data": {"name": run.data.name, "fingerprint": run.data.fingerprint, "items": len(asked)},
        "prompt": {"style": run.prompt, "template": chat.template_hash(tokenizer)},
        "sampling": {"samples": run.samples, **asdict(sampling)},
        "engine": facts(str(model.dtype).removeprefix("torch."), model.device.type, BATCH),
    }
    done = 0

    def told(rows: Sequence[dict[str, Any]], found: bool) -> None:
        nonlocal done
        done += len(rows)
        progress(done, len(asked) * run.samples)

    evaluation = Run(folder, request, prompts, sampling, run.samples)
    evaluation.finish(lambda: TransformersEngine(model, tokenizer, BATCH), told)
    return folder


class Rollouts:
    """The sampling of one configuration in its folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = RolloutsRun.read(folder / "config.toml")
        self.status = StatusFile(folder, self.config.steps)

    def run(self) -> None:
        path = self.config.model.path
        self.status.say(phase="load")
        tokenizer = weights.tokenizer(path)
        alignment.require(tokenizer, self.config.prompt, alignment.stop_tokens(Path(path)))
        items = training(self.config.data)
        self.status.say(phase="rollouts")
        sampled(self.config, weights.model(path), tokenizer, items, self.folder, self.graded)
        self.status.say(state="done", phase="done")

    def graded(self, done: int, of: int) -> None:
        self.status.say(graded=done, to_grade=of)


if __name__ == "__main__":
    main(Rollouts)
