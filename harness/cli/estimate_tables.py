"""The tables of an estimate: one frame each, as the reports' formats print them, and the bars that a terminal draws."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import floor
from typing import Any

from ablations.formats.frame import Column, Frame, Value

MISSING = "-"
SMALL = 0.001
PHASES = ("rollout", "train", "sync")
QUANTISED = (
    "QLoRA with ZeRO-3 needs the 4-bit weights stored in the dtype of the others (bnb_4bit_quant_storage), which "
    "harness train does not do: it refuses the two together."
)
STAGES = ("DDP", "ZeRO-1", "ZeRO-2", "ZeRO-3")


@dataclass(frozen=True)
class Section:
    """A table; a terminal draws a bar in each of its rows, as long as the row's share of `whole`, where it has any."""

    frame: Frame
    bars: tuple[float, ...] = ()
    whole: float = 0.0


def sections(found: Mapping[str, Any]) -> list[Section]:
    """The tables in reading order; only those that say something. A comparison stands alone."""
    if "comparison" in found:
        return [_compared(found, "peak"), _compared(found, "states")]
    made = [_memory(found), _step(found), _shares(found), _scaling(found)]
    return [section for section in made if section.frame.rows]


def _frame(name: str, heads: Sequence[str], rows: Sequence[Sequence[Value]], caption: str) -> Frame:
    columns = (Column(heads[0], key=True), *(Column(head, drop=int(head in PHASES)) for head in heads[1:]))
    return Frame(f"estimate-{name}", columns, tuple(map(tuple, rows)), caption)


def _memory(found: Mapping[str, Any]) -> Section:
    parts = [(name, value) for name, value in found["per_gpu_gb"].items() if value or name == "total"]
    rows = [(Value(name.replace("_", " ")), number(value)) for name, value in parts]
    caption = f"Memory of a {device(found)} at the peak, of {found['gpu_gb']:.3g} GB: {_subject(found)}."
    whole = max(found["gpu_gb"], found["per_gpu_gb"]["total"])
    return Section(_frame("memory", ("part", "GB"), rows, caption), tuple(value for _, value in parts), whole)


def _step(found: Mapping[str, Any]) -> Section:
    seconds = found["step_seconds"]
    total = seconds["total"]
    parts = [phase for phase in (*PHASES, "total") if total and seconds[phase]]
    rows = [(Value(phase), number(seconds[phase]), percent(seconds[phase] / total)) for phase in parts]
    caption = f"Time of a step: {_subject(found)}, {found['setup']['batch']:,} rows."
    bars = tuple(seconds[phase] for phase in parts)
    return Section(_frame("step", ("phase", "seconds", "share"), rows, caption), bars, total or 0.0)


def _shares(found: Mapping[str, Any]) -> Section:
    """Groups down, completion lengths across."""
    shares = {(each["group"], each["completion"]): each for each in found["sync_share"]}
    groups, lengths = sorted({group for group, _ in shares}), sorted({length for _, length in shares})
    rows = [(Value(f"G = {group}"), *(_share(shares[group, length]) for length in lengths)) for group in groups]
    heads = ("as many prompts a step", *(f"{length} tokens" for length in lengths))
    caption = f"Share of weight sync in a step (*: the longest phase): {_subject(found)}."
    return Section(_frame("sync", heads, rows, caption))


def _share(cell: Mapping[str, Any]) -> Value:
    share = percent(cell["share"])
    return Value(share.text + ("*" if cell["bottleneck"] == "sync" else ""), share.number)


def _scaling(found: Mapping[str, Any]) -> Section:
    """Where adding GPUs stops to pay: the bars are the efficiency."""
    points = found["scaling"] if len(found["scaling"]) > 1 else []
    phases = [phase for phase in PHASES if any(point[f"{phase}_seconds"] != 0 for point in points)]
    names = ("per_gpu_gb", "step_seconds", *(f"{phase}_seconds" for phase in phases), "rows_per_second")
    rows = [
        (Value(str(p["gpus"])), number(p["batch"]), *(number(p[name]) for name in names), percent(p["efficiency"]))
        for p in points
    ]
    heads = ("GPUs", "batch", "GB", "step s", *phases, "rows/s", "efficiency")
    bars = tuple(point["efficiency"] or 0.0 for point in points)
    return Section(_frame("scaling", heads, rows, f"The same on more GPUs: {_subject(found)}."), bars, 1.0)


def _compared(found: Mapping[str, Any], what: str) -> Section:
    """Runs down, ZeRO stages across; where nothing is divided, they are all one."""
    gpus = found["setup"]["gpus"]
    heads = STAGES if gpus > 1 else ("one GPU",)
    rows = [
        (Value(each["run"]), *(_fitting(stage, what) for stage in each["stages"][: len(heads)]))
        for each in found["comparison"]
    ]
    said = "Model states" if what == "states" else "Peak memory"
    caption = (
        f"{said} of a {device(found)} in GB: {found['model']['name']} on {gpus} x {found['setup']['gpu']}, "
        f"{found['setup']['micro_batch']} rows of {found['setup']['sequence']:,} tokens a pass. "
        f"Bold: the run fits {found['usable_gb']:.3g} GB at its peak; in parentheses: it does not."
    )
    frame = _frame(f"compared-{what}", ("run", *heads), rows, caption)
    return Section(replace(frame, footnotes=(QUANTISED,)) if gpus > 1 else frame)


def _fitting(stage: Mapping[str, Any], what: str) -> Value:
    value = stage[f"{what}_gb"]
    # Half a digit up: 26.25 is 26.3, which it would not be to the even one.
    text = f"{floor(10 * value + 0.5) / 10:.1f}"
    return Value(text, value, "best") if stage["fits"] else Value(f"({text})", value)


def device(found: Mapping[str, Any]) -> str:
    """Whose memory it is: of a CPU, every process has a share."""
    return "process" if found["setup"]["gpu"] == "cpu" else "GPU"


def _subject(found: Mapping[str, Any]) -> str:
    setup = found["setup"]
    method = "" if setup["method"] == "full" else f" {setup['method']}"
    return f"{found['model']['name']}, {setup['objective']}{method}, {setup['gpus']} x {setup['gpu']}"


def number(value: float | None) -> Value:
    """Three significant digits, thousands in full."""
    if value is None:
        return Value(MISSING)
    if 0 < value < SMALL:
        return Value(f"<{SMALL}", value)
    return Value(f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}", value)


def percent(value: float | None) -> Value:
    if value is None:
        return Value(MISSING)
    return Value(f"{value:.0%}" if value >= 0.01 or not value else "<1%", value)
