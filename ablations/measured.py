"""What earlier cells of a results folder took: for how long runs of the same sizes ran, and how much memory."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from ablations.files import RecordError, json_object, toml_table
from harness.config import RunConfig

SIZES = ("train", "evaluation", "settings", "objective", "prompt")


@dataclass(frozen=True)
class Cost:
    """Means over `cells` finished ones: wall seconds, and bytes of memory at the peak where it was recorded."""

    cells: int
    seconds: float
    peak_bytes: float | None


class Measured:
    """The finished cells below a results folder, by what decides how long a cell takes."""

    def __init__(self, results: Path) -> None:
        self.found: dict[str, list[tuple[float, float | None]]] = {}
        for key, cost in _finished(results):
            self.found.setdefault(key, []).append(cost)

    def cost(self, run: RunConfig) -> Cost | None:
        """Of cells that differ in their reward, seed and code alone; None where there is none."""
        costs = self.found.get(_key(run.model_dump(mode="json")))
        if not costs:
            return None
        peaks = [peak for _, peak in costs if peak is not None]
        return Cost(len(costs), fmean(seconds for seconds, _ in costs), fmean(peaks) if peaks else None)


def _finished(results: Path) -> Iterator[tuple[str, tuple[float, float | None]]]:
    for path in results.glob("*/cells/*/status.json"):
        try:
            status, config = json_object(path), toml_table(path.with_name("config.toml"))
        except (RecordError, OSError):
            # A cell that is being written, or was torn: it measures nothing.
            continue
        if status.get("state") == "done" and status.get("seconds"):
            yield _key(config), (float(status["seconds"]), status.get("peak_bytes"))


def _key(config: Mapping[str, Any]) -> str:
    """Equal for cells of equal sizes on a model of one name; what is not set stands for its default."""
    plain = {name: {k: v for k, v in table.items() if v} if isinstance(table := config.get(name), Mapping) else table
             for name in SIZES}  # fmt: skip
    model = config.get("model", {})
    return json.dumps([plain, model.get("name"), model.get("lora_rank") or 0, config["data"]["name"]], sort_keys=True)
