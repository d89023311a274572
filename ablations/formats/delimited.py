"""`table.csv` and its companions: for programs, so with every digit."""

import csv
import io
from collections.abc import Sequence


def csv_text(columns: Sequence[str], rows: Sequence[object]) -> str:
    """Return the named attributes of rows: floats with six significant digits, empty where there is no number."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_plain(getattr(row, name)) for name in columns] for row in rows)
    return out.getvalue()


def _plain(value: str | float | None) -> str:
    return "" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)
