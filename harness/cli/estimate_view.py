"""What `harness estimate` prints: sentences, tables in the formats of the reports, and bars in a terminal."""

import csv
import io
import json
import sys
from collections.abc import Iterator, Mapping
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import typer

from harness.cli.estimate_tables import Section, sections
from harness.cli.estimate_words import assumed, lines

if TYPE_CHECKING:
    from rich.console import Console

    from ablations.formats.frame import Frame

# The widest and the narrowest bar.
BAR, LEAST = 40, 8


def show(found: Mapping[str, Any], form: str) -> None:
    """Prints an estimate."""
    if form == "terminal":
        from rich.console import Console

        draw(found, Console(file=sys.stdout))
    else:
        typer.echo(PRINTERS[form](found), nl=False)


def to_json(found: Mapping[str, Any]) -> str:
    return json.dumps(found, indent=1) + "\n"


def to_markdown(found: Mapping[str, Any]) -> str:
    """What is said, the tables, and what is assumed."""
    from ablations.formats.markdown import escaped, to_markdown

    said = "".join(f"{escaped(line)}  \n" for line in lines(found))
    tables = "\n".join(to_markdown(section.frame) for section in sections(found))
    return "\n".join([said, tables, "Assumed:\n", *(f"- {text}" for text in assumed(found))]) + "\n"


def to_latex(found: Mapping[str, Any]) -> str:
    r"""The tables, to be `\input` in an article that loads booktabs; the rest stands in comments."""
    from ablations.formats.latex import to_latex

    said = "".join(f"% {line}\n" for line in (*lines(found), _assumed(found)))
    return said + "\n".join(to_latex(section.frame) for section in sections(found))


def to_html(found: Mapping[str, Any]) -> str:
    """A page of its own, of which every `<figure>` can be taken out."""
    from ablations.formats.web import to_html

    style = files("ablations.page").joinpath("page.css").read_text(encoding="utf-8")
    title = escape(f"harness estimate: {found['model']['name']}")
    head = (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>\n<style>{style}</style>'
    )
    said = "".join(f"<p>{escape(line)}</p>\n" for line in lines(found))
    tables = "".join(to_html(section.frame) for section in sections(found))
    return f"{head}</head><body><main>\n{said}{tables}<p>{escape(_assumed(found))}</p>\n</main></body></html>\n"


def to_csv(found: Mapping[str, Any]) -> str:
    """Columns `section, item, value`: every number of the estimate, empty where there is none."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("section", "item", "value"))
    writer.writerows(_flat(found))
    return out.getvalue()


def _flat(found: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    for name in ("per_gpu_gb", "step_seconds", "weight_sync", "largest", "plan"):
        for item, value in found[name].items():
            yield name, item, _plain(value)
    for each in found["sync_share"]:
        yield "sync_share", f"{each['group']}x{each['completion']}", _plain(each["share"])
    for point in found["scaling"]:
        for item, value in point.items():
            if item != "gpus":
                yield "scaling", f"{point['gpus']}/{item}", _plain(value)
    for each in found.get("comparison", ()):
        for stage in each["stages"]:
            for item in ("states_gb", "peak_gb", "fits"):
                yield "comparison", f"{each['run']}/zero{stage['zero']}/{item}", _plain(stage[item])


def _plain(value: Any) -> str:
    return "" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)


def _assumed(found: Mapping[str, Any]) -> str:
    return f"Assumed: {'; '.join(assumed(found))}."


PRINTERS = {"json": to_json, "md": to_markdown, "tex": to_latex, "html": to_html, "csv": to_csv}


def draw(found: Mapping[str, Any], console: "Console") -> None:
    """Prints the estimate with bars."""
    from rich.text import Text

    console.print(Text("\n".join(lines(found))), soft_wrap=True)
    for section in sections(found):
        console.print(Text(f"\n{section.frame.caption}", style="bold"))
        console.print(_table(section, console.width))
        for note in section.frame.footnotes:
            console.print(Text(note))
    console.print(Text(f"\n{_assumed(found)}"), style="dim")


def _table(section: Section, width: int) -> Any:
    from rich import box
    from rich.bar import Bar
    from rich.table import Table
    from rich.text import Text

    frame, room = section.frame, _room(section.frame, width)
    if section.bars and room < LEAST:
        # A bar says more than the columns that may go.
        frame = frame.only([place for place, column in enumerate(frame.columns) if not column.drop])
        room = _room(frame, width)
    bars = section.bars if room >= LEAST else ()
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in frame.columns:
        table.add_column(column.heading, justify="left" if column.key else "right", no_wrap=True)
    if bars:
        table.add_column("")
    for place, row in enumerate(frame.rows):
        cells = (Text(value.text, style="bold" if value.mark else "") for value in row)
        table.add_row(*cells, *([Bar(section.whole, 0, bars[place], width=room)] if bars else []))
    return table


def _room(frame: "Frame", width: int) -> int:
    """Characters that the columns, two apart, and a gap leave for a bar."""
    columns = range(len(frame.columns))
    widths = (max(map(len, (frame.columns[place].heading, *frame.values(place)))) for place in columns)
    return min(BAR, width - sum(each + 2 for each in widths) - 2)
