"""Build everything a study prints from the records on disk: no model, no clock, the same bytes every time."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ablations import alarm_log, page, significance, variance
from ablations.claims import claims
from ablations.figures import NAMES, draw
from ablations.files import write
from ablations.formats.columns import frame
from ablations.formats.delimited import csv_text
from ablations.formats.frame import Frame
from ablations.formats.latex import to_latex
from ablations.formats.markdown import to_markdown
from ablations.formats.terminal import WIDTH, terminal_text
from ablations.formats.web import to_html
from ablations.records import Study, load_study
from ablations.summary import COLUMNS, SummaryRow, summarise

NO_FIGURES = "No figure: no finished cell has a curve."
FIGURES = tuple(f"{name}.{kind}" for name in NAMES for kind in ("svg", "png"))


@dataclass(frozen=True)
class Report:
    """What `build` found and wrote. `paths` are the files written, in the order of writing."""

    name: str
    baseline: str
    rows: tuple[SummaryRow, ...]
    table: Frame
    claims: tuple[str, ...]
    paths: tuple[Path, ...]

    @property
    def summary(self) -> dict[str, Any]:
        """The report as plain JSON values: rows with the columns of `table.csv`, caption, footnotes, claims, files."""
        return {
            "name": self.name,
            "baseline": self.baseline,
            "rows": [{name: getattr(row, name) for name in COLUMNS} for row in self.rows],
            "caption": self.table.caption,
            "footnotes": list(self.table.footnotes),
            "claims": list(self.claims),
            "files": [str(path) for path in self.paths],
        }

    def text(self, width: int = WIDTH) -> str:
        """Return the terminal table as plain text of at most `width` columns, less looked-at ones dropped to fit."""
        return terminal_text(self.table, width)


def build(folder: str | Path) -> Report:
    """Write tables, claims, tests and `figures/` into a study's folder and return what they say.

    Each file is replaced as a whole, so a reader never sees half of one. A figure that can no longer be drawn is
    removed.
    Raises `StudyNotFound` or `RecordError` (see `ablations.records`) before anything is written.
    """
    study = load_study(folder)
    rows = summarise(study)
    sentences = claims(study, rows)
    pictures = draw(study)
    table = frame(study, rows)
    if not pictures:
        table = replace(table, footnotes=(*table.footnotes, NO_FIGURES))
    texts = {
        "table.md": to_markdown(table),
        "table.csv": csv_text(COLUMNS, rows),
        "table.tex": to_latex(table),
        "table.html": to_html(table),
        "claims.md": _claims_page(study, sentences),
        "significance.csv": csv_text(significance.COLUMNS, significance.significance(study)),
        "variance.csv": csv_text(variance.COLUMNS, variance.splits(study)),
        "alarms.csv": csv_text(alarm_log.COLUMNS, list(alarm_log.rung(study))),
    }
    files = {name: text.encode() for name, text in texts.items()}
    files |= {f"figures/{name}": data for name, data in pictures.items()}
    files["report.html"] = page.build(study, [texts["table.html"]], sentences, pictures)
    _forget(study.folder, pictures)
    paths = tuple(write(study.folder / name, data) for name, data in files.items())
    return Report(study.plan.name, study.plan.baseline, rows, table, sentences, paths)


def _claims_page(study: Study, sentences: tuple[str, ...]) -> str:
    head = f"# What {study.plan.name} shows\n\nDifferences are in percentage points; brackets are 95% intervals.\n\n"
    return head + "".join(f"- {sentence}\n" for sentence in sentences)


def _forget(folder: Path, pictures: Mapping[str, bytes]) -> None:
    """Remove figures of an earlier build that the records no longer support."""
    for name in FIGURES:
        if name not in pictures:
            (folder / "figures" / name).unlink(missing_ok=True)
