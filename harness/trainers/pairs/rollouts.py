"""Graded rows as rollouts: what can stand in a pair, and why the rest cannot."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evals.items import ItemsError, Row, rows_of


@dataclass(frozen=True)
class Rollout:
    """A completion whose answer was judged.

    Attributes:
        answer: the number read from the completion, None where it gives none.
        tokens: generated tokens.
        truncated: cut off at the token limit, so that it has no end of its own.
        logprob: log-probability under the model that wrote it, where the row has one.
        generator: fingerprint of the model that wrote it.
        reward, components: of the reward that the pairs are built by.
    """

    id: str
    question: str
    gold: str
    completion: str
    correct: bool
    answer: str | None
    tokens: int
    truncated: bool
    sample: int
    seed: int | None
    logprob: float | None = None
    generator: str | None = None
    reward: float = 0.0
    components: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Rollouts:
    """Usable rollouts, in an order that the order of the rows does not change.

    Attributes:
        left_out: rows that cannot be used, counted by reason.
        styles: prompt styles that they were sampled with, as far as is known.
    """

    found: tuple[Rollout, ...]
    left_out: Mapping[str, int]
    styles: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        return len(self.found) + sum(self.left_out.values())


def read_rollouts(paths: Sequence[Path]) -> Rollouts:
    """The rollouts of several evaluations: `items.jsonl` files, or the folders that hold one beside its `eval.json`.

    Raises:
        ItemsError: a file is missing or malformed.
    """
    rows: list[tuple[Row, str | None]] = []
    styles = set()
    for path in paths:
        request = _request(path)
        generator = request.get("model", {}).get("fingerprint")
        style = request.get("prompt", {}).get("style")
        styles |= {style} if style else set()
        rows += [(row, generator) for row in rows_of(path)]
    return rollouts_of(rows, sorted(styles))


def rollouts_of(rows: Sequence[tuple[Row, str | None]], styles: Sequence[str] = ()) -> Rollouts:
    """The usable among rows, each given with its generator. Of equal texts for a question, one is kept."""
    left_out: Counter[str] = Counter()
    found: dict[tuple[str, str, str], Rollout] = {}
    # Sorted first, so that of equal texts the same one is kept whatever the order of the rows.
    for row, generator in sorted(rows, key=lambda pair: (str(pair[0]["id"]), json.dumps(pair, sort_keys=True))):
        reason = _unfit(row)
        key = (str(row["id"]), str(row.get("question")), str(row.get("completion")))
        if reason is None and key in found:
            reason = "same text"
        if reason is None:
            found[key] = _rollout(row, generator)
        else:
            left_out[reason] += 1
    return Rollouts(tuple(found.values()), dict(sorted(left_out.items())), tuple(styles))


def _unfit(row: Row) -> str | None:
    """Why a row says nothing about which completion is better; a status is never taken for wrong."""
    if not all(isinstance(row.get(name), str) for name in ("question", "completion", "gold")):
        raise ItemsError(f"{row['id']}: no texts under `question`, `gold` and `completion`; give an evaluation's items")
    if row.get("correct") is None or row.get("status") in ("timeout", "error", "unparseable_gold"):
        return f"unscorable: {row.get('status') or 'not graded'}"
    tokens = row.get("tokens")
    return None if isinstance(tokens, int) and tokens > 0 else "no token count"


def _rollout(row: Row, generator: str | None) -> Rollout:
    return Rollout(
        id=str(row["id"]),
        question=row["question"],
        gold=row["gold"],
        completion=row["completion"],
        correct=bool(row["correct"]),
        answer=row.get("answer"),
        tokens=row["tokens"],
        truncated=row.get("finish_reason") == "length",
        sample=row.get("sample") or 0,
        seed=row.get("seed"),
        logprob=row.get("logprob"),
        generator=generator,
    )


def _request(path: Path) -> dict[str, Any]:
    """What the evaluation was asked, from the `eval.json` beside its items; empty where there is none."""
    file = (path if path.is_dir() else path.parent) / "eval.json"
    if not file.is_file():
        return {}
    try:
        request = json.loads(file.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ItemsError(
            f"{file}: cannot be read as JSON ({error}); remove it, or copy the evaluation again"
        ) from error
    return request if isinstance(request, dict) else {}
