"""An estimate for people: bars in the terminal, tables in Markdown, one long table in csv."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

MISSING = "-"
SMALL = 0.001
BAR = 40
PHASES = ("rollout", "train", "sync")


@dataclass(frozen=True)
class Section:
    """A table with its title. `bars` are the numbers that the terminal draws, as long as their share of `whole`."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    bars: tuple[float, ...] = ()
    whole: float = 0.0


def sections(found: dict[str, Any]) -> list[Section]:
    """The tables of an estimate, in reading order; only those that say something."""
    made = [_memory(found), _step(found), _shares(found), _scaling(found)]
    return [section for section in made if section.rows]


def _memory(found: dict[str, Any]) -> Section:
    parts = [(name, value) for name, value in found["per_gpu_gb"].items() if value or name == "total"]
    whole = max(found["gpu_gb"], found["per_gpu_gb"]["total"])
    title = f"Memory of a GPU at the peak, of {found['gpu_gb']:g} GB"
    rows = tuple((name.replace("_", " "), number(value)) for name, value in parts)
    return Section(title, ("part", "GB"), rows, tuple(value for _, value in parts), whole)


def _step(found: dict[str, Any]) -> Section:
    seconds = found["step_seconds"]
    total = seconds["total"]
    if not total:
        return Section("Time of a step", ("phase", "seconds"), ())
    parts = [(phase, seconds[phase]) for phase in PHASES if seconds[phase]]
    rows = tuple((phase, number(value), f"{value / total:.1%}") for phase, value in parts)
    bars = (*(value for _, value in parts), total)
    return Section(
        "Time of a step", ("phase", "seconds", "share"), (*rows, ("total", number(total), "100%")), bars, total
    )


def _shares(found: dict[str, Any]) -> Section:
    """Groups down, completion lengths across; a star where sync is the longest phase."""
    shares = {(each["group"], each["completion"]): each for each in found["sync_share"]}
    groups, lengths = sorted({group for group, _ in shares}), sorted({length for _, length in shares})
    rows = tuple((f"G = {group}", *(_share(shares[group, length]) for length in lengths)) for group in groups)
    header = ("as many prompts a step", *(f"{length} tokens" for length in lengths))
    return Section("Share of weight sync in a step (*: the longest phase)", header, rows)


def _share(cell: dict[str, Any]) -> str:
    return percent(cell["share"]) + ("*" if cell["bottleneck"] == "sync" else "")


def _scaling(found: dict[str, Any]) -> Section:
    phases = [phase for phase in PHASES if any(point[f"{phase}_seconds"] != 0 for point in found["scaling"])]
    header = ("GPUs", "batch", "GB", "step s", *phases, "rows/s", "efficiency")
    names = ("per_gpu_gb", "step_seconds", *(f"{phase}_seconds" for phase in phases), "rows_per_second")
    rows = tuple(
        (str(p["gpus"]), str(p["batch"]), *(number(p[name]) for name in names), percent(p["efficiency"]))
        for p in found["scaling"]
    )
    return Section("The same on more GPUs", header, rows if len(rows) > 1 else ())


def number(value: float | None) -> str:
    """Three significant digits, thousands in full."""
    if value is None:
        return MISSING
    if 0 < value < SMALL:
        return f"<{SMALL}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def percent(value: float | None) -> str:
    return MISSING if value is None else f"{value:.0%}" if value >= 0.01 or not value else "<1%"


def to_markdown(found: dict[str, Any], about: Sequence[str]) -> str:
    """The tables under headings, what is said of them above, what is assumed below."""
    lines = [*about, ""]
    for section in sections(found):
        rules = ["---"] + ["---:"] * (len(section.header) - 1)
        lines += [f"### {section.title}", ""]
        lines += [f"| {' | '.join(cells)} |" for cells in (section.header, rules, *section.rows)]
        lines.append("")
    return "\n".join([*lines, "Assumed:", "", *(f"- {text}" for text in found["assumptions"])]) + "\n"


def to_csv(found: dict[str, Any]) -> str:
    """Columns `section, item, value`: every number of the estimate, empty where there is none."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("section", "item", "value"))
    writer.writerows(_flat(found))
    return out.getvalue()


def _flat(found: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    for name in ("per_gpu_gb", "step_seconds", "weight_sync", "largest", "plan"):
        for item, value in found[name].items():
            yield name, item, _plain(value)
    for each in found["sync_share"]:
        yield "sync_share", f"{each['group']}x{each['completion']}", _plain(each["share"])
    for point in found["scaling"]:
        for item, value in point.items():
            if item != "gpus":
                yield "scaling", f"{point['gpus']}/{item}", _plain(value)


def _plain(value: Any) -> str:
    return "" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)


def show(found: dict[str, Any], about: Sequence[str], console: "Console") -> None:
    """Prints the estimate with bars."""
    from rich.text import Text

    console.print(Text("\n".join(about)), soft_wrap=True)
    for section in sections(found):
        console.print()
        console.print(_table(section))
    console.print(Text("\nAssumed: " + "; ".join(found["assumptions"]) + "."), style="dim")


def _table(section: Section) -> Any:
    from rich import box
    from rich.bar import Bar
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, title=section.title, title_justify="left", pad_edge=False, title_style="bold")
    for position, title in enumerate(section.header):
        table.add_column(title, justify="right" if position else "left", no_wrap=True)
    if section.bars:
        table.add_column("")
    for position, row in enumerate(section.rows):
        bar = [Bar(section.whole, 0, section.bars[position], width=BAR)] if section.bars else []
        table.add_row(*row, *bar)
    return table
