"""One evaluation: prompts through an engine, every completion graded, a JSON line each, and their summary."""

import json
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from evals.data import Item
from evals.engines import Completion, Engine, Request, Sampling, request_seed
from evals.gsm8k import grade, has_format
from rewards.process import steps

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


@dataclass(frozen=True)
class Prompted:
    """An item with the token ids of its prompt."""

    item: Item
    prompt: Sequence[int]


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
    prompted = [Prompted(item, encode(item.question)) for item in items]
    rows: list[Row] = []
    for batch in stream(engine, prompted, sampling, samples):
        rows += batch
        progress(len(rows))
    return ordered(rows, items)


def stream(
    engine: Engine,
    prompted: Sequence[Prompted],
    sampling: Sampling,
    samples: int = 1,
    filters: str = "gsm8k",
    done: Collection[tuple[str, int]] = (),
) -> Iterator[list[Row]]:
    """Graded completions in the batches in which the engine finishes them.

    Args:
        filters: the lm-eval task whose filters grade, one of `evals.gsm8k.FILTERS`.
        done: item ids and sample numbers that are not asked for again.
    """
    asked = [(each, sample) for each in prompted for sample in range(samples) if (each.item.id, sample) not in done]
    requests = [Request(each.prompt, request_seed(sampling.seed, each.item.id, sample)) for each, sample in asked]
    for batch in engine.generate(requests, sampling):
        yield [graded(asked[c.index][0].item, c, asked[c.index][1], filters) for c in batch]


def graded(item: Item, completion: Completion, sample: int, filters: str) -> Row:
    """A line of `items.jsonl`. `correct` is None where the verifier could not score, which is never wrong.

    `steps` counts the equations, `false_steps` those whose sides differ (`rewards.process.steps`).
    """
    grades = grade(completion.text, item.gold, filters)
    judged = [step.status for step in steps(completion.text, item.question)]
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
        "steps": len(judged),
        "false_steps": judged.count("false"),
        "tokens": completion.tokens,
        "finish_reason": completion.finish_reason,
        "sample": sample,
        "seed": completion.seed,
        **({"kind": item.kind} if item.kind is not None else {}),
    }


def ordered(rows: Sequence[Row], items: Sequence[Item]) -> list[Row]:
    """The rows by item, as the data file has them, and sample."""
    places = {item.id: place for place, item in enumerate(items)}
    return sorted(rows, key=lambda row: (places[row["id"]], row["sample"]))


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
    with partial.open("w", encoding="utf-8", errors="backslashreplace") as file:
        for row in rows:
            file.write(line(row))
    partial.replace(path)


def line(row: Row) -> str:
    """The row as a line of JSON; to be encoded with `backslashreplace`, which makes of a lone surrogate its escape."""
    return json.dumps(row, ensure_ascii=False) + "\n"


def curve_point(step: int, rows: Sequence[Row]) -> Row:
    """The summary of a dev evaluation as a line of `curve.jsonl`."""
    return {"step": step, **asdict(summarise(rows))}
