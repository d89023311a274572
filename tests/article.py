"""A LaTeX article around a table, compiled."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ARTICLE = r"""\documentclass{article}
\usepackage{booktabs}
\begin{document}
See Table~\ref{LABEL}.
\input{table.tex}
\end{document}
"""
# Points by which a line may stick out: less than a digit.
SLACK = 3.0

needs_latex = pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")


def compiled(folder: Path, text: str) -> str:
    """Compile an article with a table twice, for its reference, and return the log of the second time."""
    (folder / "table.tex").write_text(text, encoding="utf-8")
    label = re.search(r"\\label\{([^}]*)\}", text)
    assert label
    (folder / "article.tex").write_text(ARTICLE.replace("LABEL", label[1]))
    for _ in range(2):
        run = subprocess.run(
            ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "article.tex"],
            cwd=folder, capture_output=True, timeout=120, env={"PATH": os.environ["PATH"]},
        )  # fmt: skip
        assert run.returncode == 0, run.stdout.decode(errors="replace")[-2000:]
    return (folder / "article.log").read_text(encoding="utf-8", errors="replace")


def check(log: str) -> None:
    """Nothing sticks out of the page, no reference hangs, no float is longer than a page."""
    assert not [float(points) for points in re.findall(r"Overfull \\hbox \(([\d.]+)pt", log) if float(points) > SLACK]
    assert not re.findall(r"LaTeX Warning: .*", log)
