"""What `harness ablate --dry-run` prints."""

import json
from collections.abc import Mapping
from typing import Any

import typer

STATES = ("new", "interrupted", "done", "failed")


def show(found: Mapping[str, Any], as_json: bool) -> None:
    """Prints a forecast of `harness.cli.dry`."""
    if as_json:
        typer.echo(json.dumps(found, indent=1))
        return
    from rich.console import Console
    from rich.table import Table

    states = [state for state in STATES if any(state in row for row in found["rows"])]
    table = Table("row", *states, title_justify="left", title=_counted(found["cells"]))
    for row in found["rows"]:
        table.add_row(row["row"], *(str(row.get(state, "")) for state in states))
    Console().print(table)
    lines = [*_before(found), _time(found["minutes"]), _memory(found["memory"]), *_power(found["detectable"])]
    typer.echo("\n".join([*lines, "nothing was started"]))


def _counted(cells: Mapping[str, int]) -> str:
    parts = [f"{count} {state}" for state, count in cells.items() if state != "planned"]
    return f"{cells['planned']} cells: {', '.join(parts)}"


def _before(found: Mapping[str, Any]) -> list[str]:
    """What is made before the cells."""
    lines = [] if found["base"] == "there" else ["first: the embedded base, once (a minute or two)"]
    for stage in found["stages"]:
        lines.append(f"first: {stage['kind']}, {'made' if stage['made'] else 'to be made once'} ({stage['folder']})")
    return lines


def _time(minutes: Mapping[str, Any]) -> str:
    unit = f"{minutes['cells'] / 60:.1f} GPU-hours" if minutes["gpus"] else f"{minutes['cells']:.0f} minutes of cells"
    return f"time: {unit}, {minutes['wall']:.0f} minutes with {minutes['at_a_time']} at a time, from {minutes['from']}"


def _memory(memory: Mapping[str, Any]) -> str:
    if memory["cell_gb"] is None:
        return f"memory: {memory['from']}"
    return f"memory: {memory['cell_gb']:.2f} GB a cell, {memory['total_gb']:.2f} GB at a time, from {memory['from']}"


def _power(least: Mapping[str, Any]) -> list[str]:
    runs = (
        f"detectable between two runs, n = {least['n']} questions: {100 * least['runs']:.1f} points "
        f"(80 % power; correlation {least['correlation']}, accuracy near one half)"
    )
    rows = f"detectable between two rows, {least['seeds']} seed{'s' if least['seeds'] > 1 else ''}: "
    if least["rows"] is None:
        return [runs, f"{rows}not known before two seeds of two rows are done"]
    spread = f"spread of {100 * least['seed_sd']:.1f} points over the seeds that are there"
    return [runs, f"{rows}{100 * least['rows']:.1f} points ({spread})"]
