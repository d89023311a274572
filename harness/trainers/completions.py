"""The completions of the newest steps: `completions/step_000012.jsonl.gz`, one JSON line for each.

Gzipped JSON lines, as every other record here is JSON lines: components differ from run to run, so a columnar file
would have a schema per run, and a file per step is written once and read whole.
"""

import gzip
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from harness.trainers.scoring import Sample

FOLDER = "completions"

Advantage = float | list[float] | None
"""Of a completion, or of each of its tokens (those of padding behind them are not kept); `None` was not trained on."""


class Completions:
    """Keeps the completions of the newest `keep` steps under `folder`; 0 keeps none."""

    def __init__(self, folder: Path, keep: int) -> None:
        self.folder = folder / FOLDER
        self.keep = keep

    def write(self, step: int, samples: Sequence[Sample], advantages: Sequence[Advantage]) -> None:
        """Writes the file of a step and removes what is too old.

        The file appears whole or not at all, and equal completions give equal bytes.
        """
        if not self.keep:
            return
        self.folder.mkdir(exist_ok=True)
        lines = [
            json.dumps({"step": step, **asdict(sample), "advantage": _shown(advantage, sample)}) + "\n"
            for sample, advantage in zip(samples, advantages, strict=True)
        ]
        path = self.folder / f"step_{step:06d}.jsonl.gz"
        partial = path.with_suffix(".partial")
        partial.write_bytes(gzip.compress("".join(lines).encode(), mtime=0))
        partial.replace(path)
        for old in sorted(self.folder.glob("step_*.jsonl.gz"))[: -self.keep]:
            old.unlink()


def _shown(advantage: Advantage, sample: Sample) -> Advantage:
    # Five digits tell tokens apart, and are half of the file.
    return [round(one, 5) for one in advantage[: sample.tokens]] if isinstance(advantage, list) else advantage


def read(folder: Path, step: int) -> list[dict[str, Any]]:
    """The completions of a step, as `Completions` wrote them below the run's `folder`."""
    with gzip.open(folder / FOLDER / f"step_{step:06d}.jsonl.gz", "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]
