"""The completions of a page, in columns that are filtered and chunks of texts that are decoded when looked at."""

import itertools
import json
from collections.abc import Iterator, Sequence
from statistics import fmean
from typing import Any

import rewards
from ablations.files import Row
from ablations.page.pack import block, number, shorten
from ablations.page.sources import LONGEST, SPLITS, Source, prompt_of, shares, sources
from ablations.records import Study

CHUNK = 500
JUDGED = ("correct", "wrong", "no_answer", "ambiguous")
COLUMNS = ("cell", "split", "step", "status", "reward", "tokens", "odd")

DISAGREES = (
    "The reward disagrees with the verifier where a completion that is not correct was paid more than the mean of its "
    "group, so that training makes it likelier, or a correct one was paid less than one of its group that is not."
)
LITTLE = 1e-9


def blocks(study: Study, limit: int) -> Iterator[str]:
    """Yield the elements of a page that hold the texts, chunk by chunk, then that of the columns.

    A row of columns is one completion; `status` and `split` count into their lists, `cell` into the study's cells.
    Row n has its texts in chunk n // `CHUNK`. `counts` has for each cell and split what is shown and what there is,
    after the line counts of `sources`.
    """
    columns: dict[str, list[Any]] = {name: [] for name in COLUMNS}
    statuses: dict[str, int] = {}
    counts, texts, chunks = [], [], 0
    found = sources(study)
    for source, share in zip(found, shares(found, limit), strict=True):
        shown, room = 0, min(share, limit - len(columns["cell"]))
        for cells, text in itertools.islice(_entries(source, room), room):
            cells["status"] = statuses.setdefault(cells["status"], len(statuses))
            for name in COLUMNS:
                columns[name].append(cells[name])
            texts.append(text)
            shown += 1
            if len(texts) == CHUNK:
                yield block(f"chunk-{chunks}", texts)
                texts, chunks = [], chunks + 1
        counts.append([source.cell, SPLITS.index(source.split), shown, max(shown, source.count)])
    yield block(f"chunk-{chunks}", texts)
    legend = {"splits": SPLITS, "statuses": list(statuses), "chunk": CHUNK, "counts": counts, "disagrees": DISAGREES}
    yield block("completions", {**legend, **columns})


def _entries(source: Source, share: int) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    for group in source.groups(share):
        for row, odd in zip(group, disagreements(group), strict=True):
            yield _columns(source, row, odd), _texts(row)


def _columns(source: Source, row: Row, odd: bool) -> dict[str, Any]:
    return {
        "cell": source.cell,
        "split": SPLITS.index(source.split),
        "step": row["step"] if isinstance(row.get("step"), int) else None,
        "status": str(row.get("status") or "unknown"),
        "reward": number(row.get("reward")),
        "tokens": number(row.get("tokens")),
        "odd": int(odd),
    }


def _texts(row: Row) -> dict[str, Any]:
    gold, scores = row.get("gold"), row.get("components") or {}
    advantage = row.get("advantage")
    parts = {
        "prompt": shorten(prompt_of(row), LONGEST),
        "completion": shorten(str(row["completion"]), LONGEST),
        "gold": shorten(gold if isinstance(gold, str) else json.dumps(gold), LONGEST),
        "reason": _reason(row),
        "answer": row.get("answer"),
        "components": {str(name): number(score) for name, score in scores.items()},
        "advantage": number(fmean(advantage) if isinstance(advantage, list) and advantage else advantage),
        "finish": row.get("finish", row.get("finish_reason")),
        "late": row.get("late") or None,
        "question": row.get("id"),
        "sample": row.get("sample"),
        "steps": [_step(step) for step in row.get("steps") or ()] if isinstance(row.get("steps"), list) else None,
    }
    return {name: value for name, value in parts.items() if value not in (None, {}, [])}


def _step(step: Row) -> list[Any]:
    span = step.get("span", {})
    return [span.get("start"), span.get("end"), number(span.get("score"))]


def _reason(row: Row) -> str | None:
    """Return why the verdict is what it is: as recorded, or as found again where that gives the same verdict."""
    status = row.get("status")
    if row.get("reason") or status not in (*JUDGED, "unparseable_gold"):
        return row.get("reason")
    verdict = rewards.verify(row["completion"], row.get("gold"))
    return verdict.reason if verdict.status == status else None


def disagreements(group: Sequence[Row]) -> list[bool]:
    """Return for each completion of one prompt whether its reward disagrees with the verifier (see `DISAGREES`).

    Completions that have no reward, or that the verifier could not judge, neither disagree nor count.
    """
    paid = [number(row.get("reward")) if row.get("status") in JUDGED else None for row in group]
    known = [reward for reward in paid if reward is not None]
    if not known:
        return [False] * len(group)
    right = [row.get("status") == "correct" for row in group]
    mean = fmean(known)
    best = max(
        (reward for reward, good in zip(paid, right, strict=True) if reward is not None and not good), default=None
    )
    return [_disagrees(reward, good, mean, best) for reward, good in zip(paid, right, strict=True)]


def _disagrees(reward: float | None, right: bool, mean: float, best_wrong: float | None) -> bool:
    if reward is None or best_wrong is None:
        return False
    return reward < best_wrong - LITTLE if right else reward > mean + LITTLE
