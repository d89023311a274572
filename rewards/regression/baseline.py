"""A verifier's verdicts, kept in a file to compare later ones with."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rewards.regression.run import Result

__all__ = ["BaselineError", "Diff", "compare", "read", "write"]

Baseline = dict[str, dict[str, Any]]

# No verdict at all: worse than any verdict that is merely wrong, for it may differ from run to run.
BROKEN = ("timeout", "error")


class BaselineError(ValueError):
    """A baseline is missing or malformed; the message names the file and the fix."""


@dataclass(frozen=True)
class Diff:
    """What changed since the baseline.

    `regressions`: judged rightly then and wrongly now, or a timeout or error that was none then; `repairs`: the
    reverse; `new` and `vanished` are ids that only one side has.
    """

    regressions: list[str]
    repairs: list[str]
    new: list[str]
    vanished: list[str]


def read(path: Path) -> Baseline:
    """Read a baseline: a JSON object, id -> {"correct", "status"}. Raises `BaselineError`."""
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise BaselineError(f"{path}: there is no such baseline; make it with --update-baseline") from error
    except (OSError, ValueError) as error:
        raise BaselineError(f"{path}: cannot be read as JSON ({error}); make it anew with --update-baseline") from error
    if not isinstance(known, dict) or not all(_is_entry(entry) for entry in known.values()):
        raise BaselineError(f"{path}: is no baseline (id -> correct, status); make it anew with --update-baseline")
    return known


def write(path: Path, results: Sequence[Result]) -> None:
    """Write the results as the new baseline; whoever reads meanwhile sees the old file or the new one, whole."""
    entries = {
        result.case.id: {"correct": result.judgement.correct, "status": result.judgement.status} for result in results
    }
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(entries[name])}" for name in sorted(entries))
    scratch = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        scratch.write_text(f"{{\n{lines}\n}}\n", encoding="utf-8")
        scratch.replace(path)
    except OSError as error:
        raise BaselineError(f"{path}: cannot be written ({error})") from error


def compare(known: Baseline, results: Sequence[Result], present: Collection[str] | None = None) -> Diff:
    """Compare results with a baseline, by today's labels.

    `present` are the ids of all cases there are, where `results` are a part of them; the others have vanished.
    """
    ids = {result.case.id for result in results}
    diff = Diff([], [], sorted(ids - known.keys()), sorted(known.keys() - set(present or ids)))
    for result in results:
        if (then := known.get(result.case.id)) is None:
            continue
        before = ((then["correct"] is True) == result.case.label, then["status"] not in BROKEN)
        now = (result.right, result.judgement.status not in BROKEN)
        if any(was and not does for was, does in zip(before, now, strict=True)):
            diff.regressions.append(result.case.id)
        elif before != now:
            diff.repairs.append(result.case.id)
    return diff


def _is_entry(entry: Any) -> bool:
    if not isinstance(entry, dict) or not isinstance(entry.get("status"), str):
        return False
    return "correct" in entry and (entry["correct"] is None or isinstance(entry["correct"], bool))
