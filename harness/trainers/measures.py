"""The accuracy of a trained model, by the verifier and never by a reward: the end of a run that has `[evaluation]`."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.training import Prompt, TrainRun

if TYPE_CHECKING:
    from evals.data import Item
    from evals.engines import Environment, Sampling
    from evals.evaluation import Row

BEFORE, AFTER = "items_base.jsonl", "items.jsonl"


def graded(
    model: Any,
    tokenizer: Any,
    items: "Sequence[Item]",
    prompt: Prompt,
    sampling: "Sampling",
    samples: int,
    batch_size: int,
    progress: Callable[[int, int], None],
    environment: "Environment | None" = None,
) -> "list[Row]":
    """`samples` graded completions of every item by the model in memory; `progress` is told how many, of how many.

    `environment` writes into them, as it did while the model was trained.
    """
    from evals.engines.transformers import TransformersEngine
    from evals.evaluation import evaluate
    from harness import chat

    return evaluate(
        TransformersEngine(model, tokenizer, batch_size, environment),
        lambda question: chat.encode(tokenizer, chat.messages(question, prompt)),
        items,
        sampling,
        samples,
        lambda done: progress(done, samples * len(items)),
    )


def measure(run: TrainRun, model: Any, tokenizer: Any, path: Path, progress: Callable[[int, int], None]) -> None:
    """Writes the graded completions of the test split to `path`; `progress` is told how many, of how many."""
    from evals.data import load
    from evals.engines import Sampling
    from evals.evaluation import write_rows
    from harness.trainers.environments import named

    evaluation, data = run.evaluation, run.data
    assert evaluation is not None
    assert data is not None
    items = load(Path(data.test), evaluation.test_items)
    sampling = Sampling(evaluation.max_new_tokens, evaluation.temperature, seed=run.seed)
    samples, batch = evaluation.samples, evaluation.batch_size
    environment = named(run.grpo.environment) if run.grpo else None
    write_rows(path, graded(model, tokenizer, items, run.prompt, sampling, samples, batch, progress, environment))


def summary_of(path: Path) -> dict[str, Any] | None:
    """The metrics of graded completions, each with its interval (`evals.metrics.summary`); None without the file."""
    from evals.metrics import summary

    if not path.is_file():
        return None
    return dict(summary([json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]))


def sampled_tokens(folder: Path, batch: int) -> int:
    """Completion tokens that a GRPO run of `batch` completions a step sampled, those it dropped included."""
    lines = (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    rows: list[dict[str, float | None]] = [json.loads(line) for line in lines]
    return round(sum((row["length"] or 0) * (batch + (row.get("extra_completions") or 0)) for row in rows))
