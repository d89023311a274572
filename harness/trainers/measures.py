"""The accuracy of a trained model, by the verifier and never by a reward: the end of a run that has `[evaluation]`."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness.training import TrainRun

BEFORE, AFTER = "items_base.jsonl", "items.jsonl"


def measure(run: TrainRun, model: Any, tokenizer: Any, path: Path, progress: Callable[[int, int], None]) -> None:
    """Writes the graded completions of the test split to `path`; `progress` is told how many, of how many."""
    from evals.data import load
    from evals.engines import Sampling
    from evals.engines.transformers import TransformersEngine
    from evals.evaluation import evaluate, write_rows
    from harness import chat

    evaluation, data = run.evaluation, run.data
    assert evaluation is not None
    assert data is not None
    items = load(Path(data.test), evaluation.test_items)
    rows = evaluate(
        TransformersEngine(model, tokenizer, evaluation.batch_size),
        lambda question: chat.encode(tokenizer, chat.messages(question, run.prompt)),
        items,
        Sampling(evaluation.max_new_tokens, evaluation.temperature, seed=run.seed),
        evaluation.samples,
        lambda done: progress(done, evaluation.samples * len(items)),
    )
    write_rows(path, rows)


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
