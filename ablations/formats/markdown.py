"""`table.md`."""

from collections.abc import Sequence

from ablations.formats.frame import Frame, Value

MARKUP = {"best": ("**", "**"), "second": ("<u>", "</u>"), "": ("", "")}


def to_markdown(frame: Frame) -> str:
    """Return the table in Markdown, its caption and its footnotes below."""
    columns = frame.columns
    lines = [
        _line([column.heading for column in columns]),
        _line(["---" if column.key else "---:" for column in columns]),
        *(_line([_cell(value) for value in row]) for row in frame.rows),
        "",
        escaped(frame.caption),
        *([f"More columns: `{frame.more}`."] if frame.more else []),
    ]
    return "\n".join([*lines, *(f"\n{escaped(note)}" for note in frame.footnotes)]) + "\n"


def escaped(text: str) -> str:
    """Keep a reward spec from being read as markup."""
    for mark, plain in (("\\", "\\\\"), ("|", "\\|"), ("*", "\\*"), ("_", "\\_"), ("`", "\\`"), ("<", "&lt;")):
        text = text.replace(mark, plain)
    return text


def _cell(value: Value) -> str:
    before, after = MARKUP[value.mark]
    return f"{before}{escaped(value.text)}{after}"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
