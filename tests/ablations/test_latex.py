"""`table.tex` in a real article: no error, nothing that sticks out of the page, and every text as it is written."""

import re
from pathlib import Path

import article
import pytest
from article import check, needs_latex
from studies import Write, cell, items

from ablations.formats.columns import frame
from ablations.formats.frame import Column, Frame, Value
from ablations.formats.latex import escaped, to_latex
from ablations.records import load_study
from ablations.summary import summarise

NASTY = 'a_b%c&d#e$f{g}h~i^j\\k|l<m>"n`o--p*q'


def compiled(folder: Path, table: Frame) -> str:
    return article.compiled(folder, to_latex(table))


@needs_latex
def test_a_realistic_table_compiles(realistic: Path, tmp_path: Path) -> None:
    study = load_study(realistic)
    check(compiled(tmp_path, frame(study, summarise(study))))


@needs_latex
def test_a_nasty_table_compiles(write: Write, tmp_path: Path) -> None:
    """Specs with every letter that LaTeX reads as its own, a word of fifty letters, and some without a glyph."""
    specs = (
        "m" * 50,
        NASTY,
        "sparse",
        "format_answer(format=0.2)+0.1*length_soft(max_tokens=512)",
        "éß 中文 \U0001f600",
    )
    objectives = ("grpo", "grpo+among_correct(process)+first_error(implicit_prm_of_seven_words)")
    cells = [
        cell("1100" if seed else "1000", spec, seed, objective=objective)
        for spec in specs
        for objective in objectives
        for seed in range(3)
    ]
    for broken in cells[::4]:
        broken |= {"status": {"state": "failed", "step": 1, "error": {"type": "E", "message": NASTY * 3}}}
    study = load_study(write(cells, specs, objectives, (0, 1, 2), name="a_b & c% #1"))
    check(compiled(tmp_path, frame(study, summarise(study))))


@needs_latex
def test_every_european_letter_compiles(tmp_path: Path) -> None:
    rows = tuple((Value("".join(map(chr, range(start, start + 8)))), Value("1")) for start in range(0x20, 0x180, 8))
    text = "".join(map(chr, range(0x20, 0x180)))
    check(
        compiled(tmp_path, Frame("letters", (Column("Reward", key=True), Column("Seeds")), rows, "A caption.", (text,)))
    )


@needs_latex
def test_a_long_table_is_split_over_pages(tmp_path: Path) -> None:
    columns = (Column("Reward", key=True), *(Column(f"Measure {n}", "%", "↑") for n in range(20)))
    rows = tuple((Value(f"reward_{n}"), *(Value("40.4 ± 4.9", 0.4, "best") for _ in range(20))) for n in range(70))
    check(compiled(tmp_path, Frame("long", columns, rows, "A caption. " * 100, ("A note.",))))


def test_every_row_and_column_is_in_exactly_one_part() -> None:
    columns = (Column("Reward", key=True), *(Column(f"Measure {n}") for n in range(20)))
    rows = tuple((Value(f"reward-{n}"), *(Value(f"r{n}c{c}end") for c in range(20))) for n in range(70))
    text = to_latex(Frame("long", columns, rows, "", ()))
    found = re.findall(r"r\d+c\d+end", text)
    assert sorted(found) == sorted(f"r{n}c{c}end" for n in range(70) for c in range(20))
    assert text.count(r"\label{tab:long}") == 1


def test_marks_rules_and_escapes(write: Write) -> None:
    cells = [cell(end, r, s) for r, end in (("a_b", "1111"), ("c%", "1100"), ("d", "0000")) for s in range(2)]
    cells[0]["items"] = items("1110")
    cells[2]["items"] = items("1000")
    study = load_study(write(cells, ("a_b", "c%", "d"), seeds=(0, 1)))
    rows = [(Value("a_b"), Value("61.2 ± 1.3", 0.6, "best")), (Value("c%"), Value("-3.0", -0.03, "second"))]
    text = to_latex(Frame("t", (Column("Reward", key=True), Column("Accuracy", "%", "↑")), tuple(rows), "", ()))
    assert r"a\_b & \textbf{61.2 $\pm$ 1.3} \\" in text
    assert r"c\% & \underline{$-$3.0} \\" in text
    assert text.index(r"\toprule") < text.index(r"\midrule") < text.index(r"\bottomrule")
    assert "|" not in re.findall(r"\\begin\{tabular\}\{(.*)\}", text)[0].replace("@{}", "")
    assert r"$\uparrow$" in to_latex(frame(study, summarise(study)))


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        pytest.param("a_b", r"a\_b", id="underscore"),
        pytest.param("\\", r"\textbackslash{}", id="backslash stays one, its braces are not escaped again"),
        pytest.param("50%", r"50\%", id="a percent would hide the rest of the line"),
        pytest.param("a--b", "a-{}-b", id="two hyphens are no dash"),
        pytest.param("中", "{[}U+4E2D]", id="no glyph"),
        pytest.param("[a]*", "{[}a]{*}", id="no option of a line break"),
        pytest.param("a\nb", "a b", id="an empty line would end the paragraph"),
    ],
)
def test_escapes(text: str, printed: str) -> None:
    assert escaped(text) == printed
