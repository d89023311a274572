r"""`table.tex`: booktabs, to be `\input` in an article that loads booktabs and nothing else.

A table wider than the text of an article (345 pt) is split into parts, each a float of its own that repeats what names
the rows; so is one with more rows than fit a page.
"""

import itertools
import math
import re
from collections.abc import Iterator

from ablations.caption import DAGGER
from ablations.formats.frame import Frame, Value

# At \footnotesize a digit is 4.25 pt wide, dots and most letters are less: 345 pt hold so many characters.
ACROSS = 83
GAP = 1.5
WIDE = {DAGGER: 0.0} | dict.fromkeys("mw%@&", 1.7) | dict.fromkeys("MW", 2.1)
NAMES = 42
NAME_WIDTH = 26
# Lines of rows that fit a page together with a caption and some notes.
DOWN = 24
# Letters of a name that stay together, whatever the width.
UNBROKEN = 10
# A word of a caption with more letters than this may break.
LONG = 16
# Characters of footnotes that stand in the float of the table.
NOTES = 800
MARKUP = {"best": r"\textbf{", "second": r"\underline{"}

# \$ would ask for a font that a small installation lacks.
# A row that began with a bare [ or * would be read as an option of the line break before it.
ESCAPES = {
    "[": "{[}", "*": "{*}",
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"{\char36}", "&": r"\&", "#": r"\#", "_": r"\_",
    "%": r"\%", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': "''", "`": r"\textquoteleft{}", "±": r"$\pm$", "Δ": r"$\Delta$",
    "↑": r"$\uparrow$", "↓": r"$\downarrow$", "†": r"$^\dagger$",
}  # fmt: skip
# What article's own fonts have: ASCII, and of Latin-1 the letters but for eth and thorn.
LATIN = frozenset(letter for letter in map(chr, range(0xC0, 0x100)) if letter.isalpha()) - frozenset("ÐÞðþ")
KNOWN = frozenset(map(chr, range(0x20, 0x7F))) | LATIN | frozenset(ESCAPES)


def to_latex(frame: Frame) -> str:
    r"""Return one `table` environment or several, of which the first has the `\label` (`tab:` and the study's name)."""
    parts = list(itertools.product(_across(frame), _down(frame)))
    floats = (_part(frame, part, rows, number, len(parts)) for number, (part, rows) in enumerate(parts, start=1))
    return "\n".join(floats)


def escaped(text: str) -> str:
    """Return plain text as LaTeX prints it."""
    return "".join(ESCAPES.get(letter, letter) for letter in plain(text)).replace("--", "-{}-")


def plain(text: str) -> str:
    """Name the letters that pdflatex has no glyph for by their code, as `[U+4E2D]`; control characters are blanks."""
    return "".join(" " if letter < " " else letter if letter in KNOWN else f"[U+{ord(letter):04X}]" for letter in text)


def _across(frame: Frame) -> list[Frame]:
    """Return the columns in as few parts as fit the width of the text, as even as can be, each with the names."""
    limits = [
        limit for limit in range(ACROSS // 2, ACROSS) if len(_packed(frame, limit)) == len(_packed(frame, ACROSS))
    ]
    return [frame.only(places) for places in _packed(frame, min(limits, default=ACROSS))]


def _packed(frame: Frame, limit: int) -> list[list[int]]:
    """Return the places of the columns of each part, filled from the left up to a width."""
    keys = list(range(frame.keys))
    room = limit - sum(_width(frame, place) for place in keys)
    parts, taken = [list(keys)], 0.0
    for place in range(len(keys), len(frame.columns)):
        if taken + _width(frame, place) > room and len(parts[-1]) > len(keys):
            parts.append(list(keys))
            taken = 0.0
        parts[-1].append(place)
        taken += _width(frame, place)
    return parts


def _down(frame: Frame) -> Iterator[slice]:
    """Yield the rows in parts that fit a page below the caption; a folded name counts as so many lines."""
    start, lines = 0, 0
    for place, row in enumerate(frame.rows):
        tall = max(math.ceil(_long(value.text) / _name_width(frame)) for value in row[: frame.keys]) or 1
        if lines + tall > DOWN:
            yield slice(start, place)
            start, lines = place, 0
        lines += tall
    yield slice(start, len(frame.rows))


def _width(frame: Frame, place: int) -> float:
    """Return the characters of a column with its gap; a folded one has its width."""
    if _folded(frame, place):
        return _name_width(frame) + GAP
    return max(_long(line) for line in (*frame.heading(place), *frame.values(place))) + GAP


def _long(text: str) -> float:
    """Return the length of a text in characters of usual width; a dagger is raised and small."""
    return sum(WIDE.get(letter, 1.4 if letter.isupper() else 1.0) for letter in plain(text))


def _name_width(frame: Frame) -> int:
    return min(NAME_WIDTH, NAMES // frame.keys)


def _part(frame: Frame, part: Frame, rows: slice, number: int, count: int) -> str:
    """Return one float. The first has caption, label and footnotes, the others its number and whose part they are."""
    first = number == 1
    label = "tab:" + re.sub(r"[^A-Za-z0-9]+", "-", frame.name)
    caption = _prose(frame.caption if first else f"{frame.name}, part {number} of {count}.")
    below, after = _notes(frame)
    lines = [
        r"\begin{table}[htbp]",
        r"\centering\footnotesize\sloppy",
        r"\setlength{\tabcolsep}{3pt}",
        *([] if first else [r"\addtocounter{table}{-1}"]),
        rf"\caption{{{caption}}}",
        *([rf"\label{{{label}}}"] if first else []),
        r"\vspace{4pt}",
        rf"\begin{{tabular}}{{@{{}}{''.join(_kind(part, place) for place in range(len(part.columns)))}@{{}}}}",
        r"\toprule",
        " & ".join(_head(part, place) for place in range(len(part.columns))) + r" \\",
        r"\midrule",
        *(" & ".join(_cell(part, *each) for each in enumerate(row)) + r" \\" for row in part.rows[rows]),
        r"\bottomrule",
        r"\end{tabular}",
        *(below if first else []),
        r"\end{table}",
        *(after if first else []),
    ]
    return "\n".join(lines) + "\n"


def _folded(frame: Frame, place: int) -> bool:
    """Whether a column of names is too wide to stand on one line."""
    column = frame.columns[place]
    return column.key and max(map(_long, (column.heading, *frame.values(place)))) > _name_width(frame) + 2


def _kind(frame: Frame, place: int) -> str:
    if not frame.columns[place].key:
        return "r"
    return f"p{{{4.4 * _name_width(frame):.0f}pt}}" if _folded(frame, place) else "l"


def _head(frame: Frame, place: int) -> str:
    if frame.columns[place].key:
        return escaped(frame.columns[place].heading)
    lines = [escaped(line) for line in frame.heading(place)]
    stacked = r"\\".join(lines)
    return rf"\shortstack[r]{{{stacked}}}" if len(lines) > 1 else stacked


def _cell(frame: Frame, place: int, value: Value) -> str:
    if _folded(frame, place) and _long(value.text) > _name_width(frame):
        return rf"\raggedright {_breakable(value.text)}"
    text = escaped(value.text)
    if not frame.columns[place].key and text.startswith("-") and value.number is not None:
        text = f"$-${text[1:]}"
    return f"{MARKUP[value.mark]}{text}}}" if value.mark else text


def _breakable(text: str) -> str:
    """Let a long name break after its marks, and, reluctantly, within a word that is long itself."""
    return "".join(_part_of_name(part) for part in re.findall(r"[^\W_]+|[\W_]", plain(text)))


def _prose(text: str) -> str:
    """Return a caption or a note, in which long words may break."""
    return " ".join(_breakable(word) if len(word) > LONG else escaped(word) for word in text.split())


def _part_of_name(part: str) -> str:
    if not part.isalnum():
        return escaped(part) + r"\allowbreak{}"
    pieces = [part[start : start + UNBROKEN] for start in range(0, len(part), UNBROKEN)]
    return r"\penalty5000{}".join(map(escaped, pieces))


def _notes(frame: Frame) -> tuple[list[str], list[str]]:
    """Return the footnotes as lines below the table and as lines after it, where many can go over to the next page."""
    notes = "\\par\n".join(map(_prose, frame.footnotes))
    if sum(map(len, frame.footnotes)) > NOTES:
        return [], [rf"{{\footnotesize\sloppy\noindent {notes}\par}}"]
    return ([r"\par\smallskip", r"\begin{minipage}{\textwidth}", notes, r"\end{minipage}"] if notes else []), []
