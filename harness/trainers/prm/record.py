"""What a trained process reward model says of itself: `model/prm.json`, by which rewards load it. Cheap to import."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from evals.run import mended
from harness import whole
from harness.training import TrainRun

RECORD = "prm.json"
FAMILY = "steps"
LABELS, LABEL_SECONDS, SOLUTIONS = "labels.jsonl", "label_seconds.jsonl", "solutions"
# Where the seconds of each phase stand.
PHASES = {"solutions": f"{SOLUTIONS}/timing.jsonl", "labels": LABEL_SECONDS, "train": "timing.jsonl"}

Row = dict[str, Any]


def dropped(rows: Sequence[Row]) -> dict[str, int]:
    """Solutions without labels, by reason, of the lines of `labels.jsonl`."""
    return dict(sorted(sum((Counter(row["dropped"]) for row in rows), Counter[str]()).items()))


def write(folder: Path, run: TrainRun, template: str, rows: Sequence[Row], found: Mapping[str, Any]) -> None:
    """Writes `prm.json`: the family, how the labels were made and what they cost in tokens, and what was measured."""
    assert run.prm is not None
    folder.mkdir(exist_ok=True)
    record = {
        "family": FAMILY,
        "labels": run.prm.labels,
        "continuations": run.prm.continuations,
        "base": {"name": run.model.name, "fingerprint": run.model.fingerprint},
        "prompt": run.prompt,
        "template": template,
        "seed": run.seed,
        "questions": len(rows),
        "solutions": sum(len(row["solutions"]) for row in rows),
        "dropped": dropped(rows),
        "prefixes": sum(row["prefixes"] for row in rows),
        "sampled_tokens": {kind: sum(row["tokens"][kind] for row in rows) for kind in ("solutions", "continuations")},
        **found,
    }
    whole.write(folder / RECORD, json.dumps(record, indent=1) + "\n")


def summary_of(folder: Path) -> dict[str, Any] | None:
    """The record of a run's model, with the seconds of every phase; None where there is none (yet)."""
    path = folder / "model" / RECORD
    if not path.is_file():
        return None
    seconds = {phase: sum(row["seconds"] for row in mended(folder / file)) for phase, file in PHASES.items()}
    record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return {**record, "seconds": {phase: round(total, 1) for phase, total in seconds.items()}}
