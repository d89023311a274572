"""What a person sees while a study runs: a table that updates in a terminal, plain lines elsewhere."""

import contextlib
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ablations.live.lines import Lines
from ablations.live.progress import Progress
from ablations.live.table import drawn
from ablations.run import Watch

if TYPE_CHECKING:
    from rich.console import Console


@contextlib.contextmanager
def view(console: "Console") -> Iterator[Watch]:
    """Yields the function that shows the cells' state; call it as often as you like."""
    progress, started = Progress(), time.monotonic()
    if not console.is_terminal:
        yield Lines(console, progress)
        return
    from rich.live import Live

    with Live(console=console, refresh_per_second=4, transient=True) as live:
        yield lambda cells: live.update(drawn(cells, progress, time.monotonic() - started, *console.size))
