"""One evaluation: prompts through an engine, every completion graded, a JSON line each, and their summary."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from evals.data import Item
from evals.engines import Completion, Engine, Sampling
from evals.gsm8k import grade, has_format

Row = dict[str, Any]
Encode = Callable[[str], list[int]]


@dataclass(frozen=True)
class Summary:
    """Means over all scorable completions. `accuracy_given_format` is None when no completion has the format."""

    n: int
    unscorable: int
    accuracy: float | None
    strict: float | None
    flexible: float | None
    format: float | None
    accuracy_given_format: float | None
    tokens: float


def evaluate(
    engine: Engine,
    encode: Encode,
    items: Sequence[Item],
    sampling: Sampling,
    samples: int = 1,
    progress: Callable[[int], None] = lambda done: None,
) -> list[Row]:
    """`samples` graded completions of every item, ordered by item and sample.

    Args:
        encode: from a question to the token ids of its prompt.
        progress: called with the number of completions finished so far.
    """
    prompts = [encode(item.question) for item in items for _ in range(samples)]
    rows: list[Row | None] = [None] * len(prompts)
    done = 0
    for batch in engine.generate(prompts, sampling):
        for completion in batch:
            item = items[completion.index // samples]
            rows[completion.index] = _row(item, completion, completion.index % samples, sampling.seed)
        done += len(batch)
        progress(done)
    return [row for row in rows if row is not None]


def _row(item: Item, completion: Completion, sample: int, seed: int) -> Row:
    grades = grade(completion.text, item.gold)
    return {
        "id": item.id,
        "question": item.question,
        "gold": item.gold,
        "completion": completion.text,
        "correct": grades.verdict.correct if grades.verdict.scorable else None,
        "status": grades.verdict.status,
        "strict": grades.strict,
        "flexible": grades.flexible,
        "format": has_format(completion.text),
        "answer": grades.verdict.answer,
        "tokens": completion.tokens,
        "finish_reason": completion.finish_reason,
        "sample": sample,
        "seed": seed,
    }


def summarise(rows: Sequence[Row]) -> Summary:
    """Means over the scorable rows; unscorable ones are counted, never taken for wrong."""
    scored = [row for row in rows if row["correct"] is not None]
    formatted = [row for row in scored if row["format"]]
    return Summary(
        n=len(scored),
        unscorable=len(rows) - len(scored),
        accuracy=_mean(scored, "correct"),
        strict=_mean(scored, "strict"),
        flexible=_mean(scored, "flexible"),
        format=_mean(scored, "format"),
        accuracy_given_format=_mean(formatted, "correct"),
        tokens=_mean(rows, "tokens") or 0.0,
    )


def _mean(rows: Sequence[Row], field: str) -> float | None:
    return sum(float(row[field]) for row in rows) / len(rows) if rows else None


def write_rows(path: Path, rows: Sequence[Row]) -> None:
    """Writes the rows as JSON lines under a temporary name first, so that a file by this name is always whole."""
    partial = path.with_suffix(".partial")
    with partial.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    partial.replace(path)


def curve_point(step: int, rows: Sequence[Row]) -> Row:
    """The summary of a dev evaluation as a line of `curve.jsonl`."""
    return {"step": step, **asdict(summarise(rows))}
