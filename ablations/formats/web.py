"""`table.html`: a fragment that stands alone and in a page; all text of the study is escaped."""

from html import escape

from ablations.formats.frame import Column, Frame, Value

MARKUP = {"best": ("<strong>", "</strong>"), "second": ("<u>", "</u>"), "": ("", "")}


def to_html(frame: Frame) -> str:
    """Return a `<figure>` with the table, its caption and its footnotes, in ASCII, so that no charset can spoil it.

    Rows carry their place (`data-row`), cells the number they sort by (`data-sort`) and their mark as a class.
    """
    lines = [
        f'<figure class="study-table" id="table-{escape(frame.name)}">',
        "<table>",
        f"<thead><tr>{''.join(_head(column) for column in frame.columns)}</tr></thead>",
        "<tbody>",
        *(
            f'<tr data-row="{place}">{"".join(map(_cell, frame.columns, row))}</tr>'
            for place, row in enumerate(frame.rows)
        ),
        "</tbody>",
        "</table>",
        f"<figcaption>{escape(frame.caption)}</figcaption>",
        *(f'<p class="footnote">{escape(note)}</p>' for note in frame.footnotes),
        "</figure>",
    ]
    return ("\n".join(lines) + "\n").encode("ascii", "xmlcharrefreplace").decode("ascii")


def _head(column: Column) -> str:
    return f'<th scope="col" class="{"key" if column.key else "number"}">{escape(column.heading)}</th>'


def _cell(column: Column, value: Value) -> str:
    if column.key:
        return f'<th scope="row" class="key" data-sort="{escape(value.text)}">{escape(value.text)}</th>'
    before, after = MARKUP[value.mark]
    kind = " ".join(filter(None, ("number", value.mark)))
    order = "" if value.number is None else f"{value.number:.9g}"
    return f'<td class="{kind}" data-sort="{order}">{before}{escape(value.text)}{after}</td>'
