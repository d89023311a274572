"""The table of a road, rebuilt from its records: one row for the start and one for every stop."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from ablations.caption import DAGGER
from ablations.digits import minutes, p_value, percent, whole, with_interval
from ablations.estimates import Estimate, over_seeds, paired_p
from ablations.files import json_lines, json_object, write
from ablations.measures import Score, mean, score
from ablations.records import read_items
from ablations.road import Road, Stop, before, stops
from ablations.tables import csv_text

BASE = "base"


@dataclass(frozen=True)
class Row:
    """One line of `table.csv`. Shares are fractions, means over the finished seeds; intervals are t over seeds.

    `delta` is against the model the stop started from, seed by seed; `p` its paired t test, Holm-corrected over the
    table. `minutes` and `generated_tokens` are those of the training alone, means per run.
    """

    method: str
    variant: str
    start: str
    seeds: int
    n: int
    accuracy: float | None = None
    accuracy_low: float | None = None
    accuracy_high: float | None = None
    strict: float | None = None
    flexible: float | None = None
    format: float | None = None
    tokens: float | None = None
    delta: float | None = None
    delta_low: float | None = None
    delta_high: float | None = None
    p: float | None = None
    p_holm: float | None = None
    minutes: float | None = None
    generated_tokens: float | None = None
    failed: int = 0

    def estimate(self, name: str) -> Estimate:
        value, low, high = (getattr(self, name + end) for end in ("", "_low", "_high"))
        return Estimate(value, low, high, "seeds" if low is not None else "")


COLUMNS = tuple(each.name for each in fields(Row))


@dataclass(frozen=True)
class RoadReport:
    """What `build` found and wrote."""

    road: Road
    rows: tuple[Row, ...]
    markdown: str
    paths: tuple[Path, ...]


def build(root: Path) -> RoadReport:
    """Writes `table.md` and `table.csv` of the road in `root`; no model, no clock, the same bytes every time."""
    road = Road.read(root / "road.toml")
    rows = corrected([base_row(root, road), *(stop_row(root, road, stop) for stop in stops(road))])
    page = markdown(road, rows)
    paths = (write(root / "table.md", page.encode()), write(root / "table.csv", csv_text(COLUMNS, rows).encode()))
    return RoadReport(road, rows, page, paths)


def base_row(root: Path, road: Road) -> Row:
    """The starting model, as each seed's SFT run measured it before it trained."""
    scores = [score(read_items(Stop("sft").folder(root, seed) / "items_base.jsonl")) for seed in road.seeds]
    found = [each for each in scores if each.n]
    return Row(BASE, "", "", 0, _questions(found), **_accuracy(found), **_shares(found))


def stop_row(root: Path, road: Road, stop: Stop) -> Row:
    ends = {seed: score(items) for seed in road.seeds if (items := _finished(root, stop, seed))}
    starts = {seed: _started(root, road, stop, seed) for seed in ends}
    statuses = [json_object(stop.folder(root, seed) / "status.json") for seed in ends]
    deltas = [
        end.accuracy - start
        for seed, end in ends.items()
        if end.accuracy is not None and (start := starts[seed]) is not None
    ]
    delta, earlier = over_seeds(deltas), before(stop, road)
    return Row(
        stop.method,
        stop.variant,
        BASE if earlier is None else " ".join(filter(None, (earlier.method, earlier.variant))),
        len(ends),
        _questions(ends.values()),
        **_accuracy(ends.values()),
        **_shares(ends.values()),
        delta=delta.value,
        delta_low=delta.low,
        delta_high=delta.high,
        p=paired_p(deltas),
        minutes=mean(_minutes(stop.folder(root, seed)) for seed in ends),
        generated_tokens=mean(status.get("generated_tokens") for status in statuses),
        failed=len(road.seeds) - len(ends),
    )


def corrected(rows: Sequence[Row]) -> tuple[Row, ...]:
    """The rows with Holm's correction over all their tests."""
    from evals.statistics.holm import holm

    adjusted = holm([row.p for row in rows])
    return tuple(replace(row, p_holm=p) for row, p in zip(rows, adjusted, strict=True))


def _finished(root: Path, stop: Stop, seed: int) -> Any:
    """The items of a finished run; None where it is not."""
    folder = stop.folder(root, seed)
    path = folder / "status.json"
    if not path.is_file() or json_object(path).get("state") != "done":
        return None
    return read_items(folder / "items.jsonl") or None


def _started(root: Path, road: Road, stop: Stop, seed: int) -> float | None:
    earlier = before(stop, road)
    name = "items_base.jsonl" if earlier is None else "items.jsonl"
    return score(read_items((earlier or stop).folder(root, seed) / name)).accuracy


def _minutes(folder: Path) -> float | None:
    """Of the training steps, over all attempts; loading and measuring are not in it."""
    seconds = [row["seconds"] for _, row in json_lines(folder / "timing.jsonl")]
    return sum(seconds) / 60 if seconds else None


def _questions(scores: Iterable[Score]) -> int:
    return min((each.n for each in scores), default=0)


def _accuracy(scores: Iterable[Score]) -> dict[str, Any]:
    found = over_seeds(each.accuracy for each in scores)
    return {"accuracy": found.value, "accuracy_low": found.low, "accuracy_high": found.high}


def _shares(scores: Iterable[Score]) -> dict[str, Any]:
    kept = list(scores)
    return {name: mean(getattr(each, name) for each in kept) for name in ("strict", "flexible", "format", "tokens")}


HEAD = (
    "Stage", "From", "Seeds", "Accuracy (%) ↑", "Δ start ↑", "p", "Strict (%)", "Flexible (%)", "Format (%)", "Tokens",
    "Sampled tokens", "Minutes ↓",
)  # fmt: skip


def markdown(road: Road, rows: Sequence[Row]) -> str:
    """`table.md`: the table and its caption. The best accuracy of each method is bold."""
    best = [max(row.accuracy or 0 for row in rows if row.method == own.method) for own in rows]
    lines = [f"| {' | '.join(HEAD)} |", f"| --- | --- |{' ---: |' * (len(HEAD) - 2)}"]
    lines += [f"| {' | '.join(_cells(row, row.accuracy == top))} |" for row, top in zip(rows, best, strict=True)]
    return "\n".join([*lines, "", caption(road, rows)]) + "\n"


def _cells(row: Row, best: bool) -> list[str]:
    trained = row.method != BASE
    accuracy = with_interval(row.estimate("accuracy"))
    return [
        f"{row.method} {row.variant}".strip().replace("_", "\\_"),
        row.start.replace("_", "\\_"),
        f"{row.seeds}{DAGGER if row.failed else ''}" if trained else "",
        f"**{accuracy}**" if best and trained and row.variant else accuracy,
        with_interval(row.estimate("delta"), signed=True) if trained else "",
        p_value(row.p_holm, row.seeds) if trained else "",
        percent(row.strict),
        percent(row.flexible),
        percent(row.format),
        whole(row.tokens),
        whole(row.generated_tokens) if row.generated_tokens else "",
        minutes(row.minutes) if trained else "",
    ]


def caption(road: Road, rows: Sequence[Row]) -> str:
    """What was measured, on what, how often, and what is missing."""
    sizes, measured = road.sizes, road.sizes.evaluation
    sampled = "greedy" if measured.temperature == 0 else f"k = {measured.samples} at T = {measured.temperature:g}"
    missing = sum(row.failed for row in rows)
    return " ".join(
        [
            f"{road.name}: {road.model.name} on {road.data.name}, n = {max(row.n for row in rows)} test questions, "
            f"{sampled}; {len(road.seeds)} training seeds a row, code {road.code}.",
            f"SFT {sizes.sft.steps} steps of {sizes.sft.batch_size} examples, "
            f"DPO {sizes.dpo.steps} of {sizes.dpo.batch_size} pairs, "
            f"GRPO {sizes.grpo.steps} of {sizes.grpo.batch_size} completions with the reward {road.reward}.",
            "Accuracy is the verifier's; ± is half of a 95% t interval over training seeds. Δ start is against the "
            "model the run started from, seed by seed, in points; p is its paired t test, Holm-corrected over the "
            "table (stars from 5 seeds on). Bold: the best of its method. Sampled tokens and minutes are those of the "
            "training, per run.",
            *([f"{DAGGER} {missing} runs are missing."] if missing else []),
        ]
    )
