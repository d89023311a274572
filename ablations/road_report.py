"""The table of a road, rebuilt from its records: one row for the start and one for every stop."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from ablations.caption import DAGGER
from ablations.digits import minutes, p_value, percent, whole, with_interval
from ablations.estimates import Estimate, bounds, of_columns, over_seeds, paired_p
from ablations.files import json_lines, json_object, write
from ablations.formats.delimited import csv_text
from ablations.measures import Items, Score, mean, means, score
from ablations.records import NO_ITEMS, read_items
from ablations.road import Road, Stop, before, stops

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
        return of_columns(self, name, "seeds")


COLUMNS = tuple(each.name for each in fields(Row))

Found = dict[tuple[Stop | None, int], Score]
"""The scores of finished runs by stop and seed; those of the starting model stand under None."""


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
    found = measured(root, road)
    rows = corrected([base_row(road, found), *(stop_row(root, road, stop, found) for stop in stops(road))])
    page = markdown(road, rows)
    paths = (write(root / "table.md", page.encode()), write(root / "table.csv", csv_text(COLUMNS, rows).encode()))
    return RoadReport(road, rows, page, paths)


def measured(root: Path, road: Road) -> Found:
    """What every finished run left, each file read once."""
    found: Found = {}
    for seed in road.seeds:
        if items := read_items(Stop("sft").folder(root, seed) / "items_base.jsonl"):
            found[None, seed] = score(items)
        for stop in stops(road):
            if items := _finished(stop.folder(root, seed)):
                found[stop, seed] = score(items)
    return found


def base_row(road: Road, found: Found) -> Row:
    """The starting model, as each seed's SFT run measured it before it trained."""
    scores = [found[None, seed] for seed in road.seeds if (None, seed) in found]
    return Row(BASE, "", "", 0, **_columns(scores))


def stop_row(root: Path, road: Road, stop: Stop, found: Found) -> Row:
    earlier = before(stop, road)
    ends = {seed: found[stop, seed] for seed in road.seeds if (stop, seed) in found}
    starts = {seed: found[earlier, seed].accuracy for seed in ends if (earlier, seed) in found}
    deltas = [
        end.accuracy - start
        for seed, end in ends.items()
        if end.accuracy is not None and (start := starts.get(seed)) is not None
    ]
    folders = [stop.folder(root, seed) for seed in ends]
    return Row(
        stop.method,
        stop.variant,
        BASE if earlier is None else " ".join(filter(None, (earlier.method, earlier.variant))),
        len(ends),
        **_columns(ends.values()),
        **bounds("delta", over_seeds(deltas)),
        p=paired_p(deltas),
        minutes=mean(_minutes(folder) for folder in folders),
        generated_tokens=mean(json_object(folder / "status.json").get("generated_tokens") for folder in folders),
        failed=len(road.seeds) - len(ends),
    )


def corrected(rows: Sequence[Row]) -> tuple[Row, ...]:
    """The rows with Holm's correction over all their tests."""
    from evals.statistics.holm import holm

    adjusted = holm([row.p for row in rows])
    return tuple(replace(row, p_holm=p) for row, p in zip(rows, adjusted, strict=True))


def _finished(folder: Path) -> Items:
    """The items of a finished run; none where it is not."""
    path = folder / "status.json"
    done = path.is_file() and json_object(path).get("state") == "done"
    return read_items(folder / "items.jsonl") if done else NO_ITEMS


def _minutes(folder: Path) -> float | None:
    """Of the training steps, over all attempts; loading and measuring are not in it."""
    seconds = [row["seconds"] for _, row in json_lines(folder / "timing.jsonl")]
    return sum(seconds) / 60 if seconds else None


def _columns(scores: Iterable[Score]) -> dict[str, Any]:
    """The columns that every row has, from the scores of its seeds."""
    known = list(scores)
    return {
        "n": min((each.n for each in known), default=0),
        **bounds("accuracy", over_seeds(each.accuracy for each in known)),
        **means(known, ("strict", "flexible", "format", "tokens")),
    }


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
