"""What a reader sees: golden tables, daggers, dashes, stars, and a terminal that is 100 columns wide."""

import dataclasses
import html
import math
import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from studies import Write, cell, item, items

from ablations.digits import bracketed, decimals, minutes, p_value, percent, points, rounded, whole, with_interval
from ablations.estimates import Estimate
from ablations.formats.columns import frame, marks
from ablations.formats.frame import Column, Frame, Value
from ablations.formats.markdown import to_markdown
from ablations.formats.terminal import terminal_text
from ablations.formats.web import to_html
from ablations.records import load_study
from ablations.report import Report, build
from ablations.summary import SummaryRow, summarise

GOLDEN = Path(__file__).parent / "golden"


def check(name: str, text: str) -> None:
    """Compare with a golden file; `HARNESS_GOLDEN=write` writes it instead, to be read before it is committed."""
    path = GOLDEN / name
    if os.environ.get("HARNESS_GOLDEN") == "write":
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


def test_realistic_study(built: Report) -> None:
    folder = built.paths[0].parent
    for name in ("table.md", "table.tex", "table.html", "table.csv", "claims.md", "significance.csv", "variance.csv"):
        check(f"realistic.{name}", (folder / name).read_text(encoding="utf-8"))
    check("realistic.terminal.txt", built.text())


def test_one_seed_study(write: Write) -> None:
    """Two objectives, one seed each, one cell missing, some golds unscorable, one completion cut, one timeout."""
    cut = [*items("110?-1"), item(6, False, status="timeout", finish_reason="length")]
    folder = write([cell("1", items=cut, items_base=items("100?-00"))], objectives=("grpo", "dr_grpo"))
    build(folder)
    for name in ("table.md", "claims.md", "significance.csv"):
        check(f"one_seed.{name}", (folder / name).read_text(encoding="utf-8"))


def terminal(folder: Path, width: int) -> str:
    study = load_study(folder)
    return terminal_text(frame(study, summarise(study)), width)


def test_terminal_fits_a_hundred_columns_with_long_specs(write: Write) -> None:
    spec = "format_answer(format=0.2)+0.1*length_soft(max_tokens=512)"
    cells = [cell("1100", r, s, objective=o) for o in ("grpo", "dr_grpo") for r in ("sparse", spec) for s in (1, 2)]
    text = terminal(write(cells, ("sparse", spec), ("grpo", "dr_grpo"), (1, 2)), 100)
    assert max(map(len, text.splitlines())) <= 100
    for part in ("+0.1*", "/ dr_grpo"):
        assert part in text


@pytest.mark.parametrize(
    ("width", "dropped", "kept"),
    [
        (200, (), ("sampled", "strict", "area", "minutes")),
        (120, ("sampled", "strict"), ("tokens", "greedy")),
        (100, ("tokens",), ("format", "steps")),
        (70, ("tokens", "greedy"), ("given",)),
    ],
)
def test_narrow_terminals_do_without_the_columns_least_looked_at(
    realistic: Path, width: int, dropped: tuple[str, ...], kept: tuple[str, ...]
) -> None:
    table = terminal(realistic, width).split("\n\n")[0].lower()
    assert max(len(line) for line in table.splitlines()) <= width
    assert not [word for word in dropped if word in table]
    assert all(word in table for word in (*kept, "accuracy", "seeds"))


def row(reward: str, accuracy: float | None, half: float = 0.0, **more: object) -> SummaryRow:
    plain = SummaryRow(reward, "grpo", "m", "d", seeds=5, n=10)
    bounds = (None, None) if accuracy is None else (accuracy - half, accuracy + half)
    return dataclasses.replace(plain, accuracy=accuracy, accuracy_low=bounds[0], accuracy_high=bounds[1], **more)


@pytest.mark.parametrize(
    ("rows", "marked"),
    [
        pytest.param([("a", 0.5, 0.01), ("b", 0.6, 0.01)], "-b", id="one is best; alone, the other is no second"),
        pytest.param([("a", 0.5, 0.2), ("b", 0.6, 0.01), ("c", 0.1, 0.01)], "bb-", id="ties share the mark"),
        pytest.param([("a", 0.5, 0.01), ("b", 0.6, 0.01), ("c", 0.1, 0.01)], "sb-", id="best, second, neither"),
        pytest.param([("a", 0.9, 0.01), ("b", 0.5, 0.1), ("c", 0.55, 0.1), ("d", 0.1, 0.0)], "bss-", id="tied seconds"),
        pytest.param([("a", 0.9, 0.01), ("b", 0.5, 0.1), ("c", 0.55, 0.1)], "b--", id="all others tie: no second"),
        pytest.param([("a", 0.5, 0.2), ("b", 0.6, 0.2)], "--", id="a mark on everything says nothing"),
        pytest.param([("a", 0.5, 0.2)], "-", id="one row has no rival"),
        pytest.param([("a", None, 0.0)], "-", id="no finished cell"),
        pytest.param([("a", None, 0.0), ("b", 0.5, 0.1), ("c", 0.1, 0.1)], "-b-", id="a row without a number"),
    ],
)
def test_marks(rows: list[tuple[str, float | None, float]], marked: str) -> None:
    letters = {"best": "b", "second": "s", "": "-"}
    assert "".join(letters[mark] for mark in marks([row(*each) for each in rows])) == marked


def test_the_base_is_never_marked() -> None:
    base = dataclasses.replace(row("base", 0.9), objective="")
    assert marks([base, row("a", 0.5, 0.01), row("b", 0.3, 0.01)]) == ["", "best", ""]


ONE = Frame("t", (Column("Reward", key=True), Column("Seeds")), ((Value("0.1*a|b_c<i>"), Value("5", 5)),), "`c`", ())


def test_markup_in_a_spec_is_escaped() -> None:
    assert to_markdown(ONE).splitlines()[2] == r"| 0.1\*a\|b\_c&lt;i> | 5 |"


def test_html_is_escaped_ascii_with_numbers_to_sort_by() -> None:
    spec = "<script>alert('é')</script>\" onload="
    table = Frame("a b", (Column("Reward", key=True), Column("Accuracy", "%", "↑")), (), spec, (spec,))
    text = to_html(dataclasses.replace(table, rows=((Value(spec), Value("61.2 ± 1.3", 0.612, "second")),)))
    assert text.isascii()
    assert "<script" not in text
    assert '" onload=' not in text
    assert '<td class="number second" data-sort="0.612"><u>61.2 &#177; 1.3</u></td>' in text


def test_every_format_prints_the_same_cells(realistic: Path) -> None:
    study = load_study(realistic)
    table = frame(study, summarise(study))
    printed = [[cell.strip() for cell in line.split("|")[1:-1]] for line in to_markdown(table).splitlines()[2:6]]
    bare = [[re.sub(r"[\\*]|</?u>", "", cell).replace("&lt;", "<") for cell in cells] for cells in printed]
    assert bare == [[value.text.replace("*", "") for value in row] for row in table.rows]
    cells = re.findall(r"<t[hd] [^>]*data-sort[^>]*>(.*?)</t[hd]>", to_html(table))
    texts = [html.unescape(re.sub(r"</?(u|strong)>", "", cell)) for cell in cells]
    assert texts == [value.text for row in table.rows for value in row]


def test_a_row_without_a_finished_cell_has_dashes_and_a_note(write: Write) -> None:
    study = load_study(write([cell("1100"), {"reward": "b", "objective": "grpo", "seed": 1}], ("sparse", "b")))
    table = frame(study, summarise(study))
    texts = [value.text for value in table.rows[-1]]
    assert texts[:2] == ["b", "0†"]
    assert set(texts[2:]) <= {"--", ""}
    assert table.footnotes[0] == "† b / grpo / seed 1: not run yet."
    assert table.footnotes[-1].startswith("-- ")


def test_cells_that_miss_for_one_reason_share_a_note_and_many_are_counted(write: Write) -> None:
    rewards = [f"r{n:02d}" for n in range(20)]
    study = load_study(write([], tuple(rewards), seeds=(1, 2, 3)))
    notes = frame(study, summarise(study)).footnotes
    assert notes[0] == "† r00 / grpo / seeds 1, 2, 3: not run yet."
    assert notes[12] == "† 24 more cells are missing; `cells/*/status.json` says why."


@pytest.mark.parametrize(
    ("cut", "seeds", "note"),
    [
        pytest.param(1, "1†", "† Truncated at the length limit: sparse / grpo 25.0% of completions.", id="marked"),
        pytest.param(0, "1", None, id="not cut"),
    ],
)
def test_a_row_that_was_cut_is_marked(write: Write, cut: int, seeds: str, note: str | None) -> None:
    ends = [item(n, True, finish_reason="length" if n < cut else "stop") for n in range(4)]
    study = load_study(write([cell("1", items=ends)]))
    table = frame(study, summarise(study))
    assert table.rows[-1][1].text == seeds
    assert [text for text in table.footnotes if "Truncated" in text] == ([note] if note else [])


def test_columns_of_what_varies_and_the_caption_of_what_does_not(write: Write) -> None:
    cells = [cell("1100", objective=objective) for objective in ("grpo", "dr_grpo")]
    study = load_study(write(cells, objectives=("grpo", "dr_grpo")))
    table = frame(study, summarise(study))
    assert [column.title for column in table.columns[:2]] == ["Objective", "Seeds"]
    assert "reward sparse; " in table.caption
    assert "(model 0123456789ab, data ba9876543210)" in table.caption


@given(st.floats(-1e5, 1e5), st.floats(1e-6, 1e4), st.integers(0, 1))
def test_no_digit_beyond_the_error(value: float, error: float, most: int) -> None:
    """What is printed is within half of its last place, and that place is not below the second digit of the error."""
    places = decimals(error, most)
    text = rounded(value, places)
    assert abs(float(text) - value) <= 0.5 * 10.0**-places * (1 + 1e-9)
    assert places <= most
    assert 10.0**-places >= 10 ** (math.floor(math.log10(error)) - 1) * (1 - 1e-9)
    assert not re.fullmatch(r"-0(\.0)?", text)


@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        pytest.param(percent(0.61249), "61.2", id="one decimal"),
        pytest.param(percent(None), "--", id="missing is not zero"),
        pytest.param(points(-0.0001), "+0.0", id="no minus zero"),
        pytest.param(with_interval(Estimate(0.5)), "50.0", id="no interval, no plus-minus"),
        pytest.param(with_interval(Estimate(0.5, 0.4, 0.6)), "50 ± 10", id="half width"),
        pytest.param(with_interval(Estimate(0.28, -0.3, 0.86)), "28 ± 58", id="a wide interval has no decimals"),
        pytest.param(with_interval(Estimate(0.397, 0.319, 0.475)), "39.7 ± 7.8", id="two digits of the error"),
        pytest.param(with_interval(Estimate(0.017, 0.0118, 0.0222)), "1.7 ± 0.5", id="one decimal at most"),
        pytest.param(with_interval(Estimate(0.5, 0.4004, 0.5996)), "50 ± 10", id="9.96 has the digits of 10"),
        pytest.param(with_interval(Estimate(0.53, -2.64, 3.7)), "50 ± 320", id="to tens"),
        pytest.param(percent(0.661, 0.3), "66", id="a bare share has the digits of its error"),
        pytest.param(whole(78374, 1234), "78400", id="a count likewise"),
        pytest.param(p_value(0.004, 4), "0.004", id="stars refused below five seeds"),
        pytest.param(p_value(0.004, 5), "0.004**", id="two stars"),
        pytest.param(p_value(0.04, 5), "0.040*", id="one star"),
        pytest.param(p_value(0.05, 5), "0.050", id="no star at alpha"),
        pytest.param(p_value(0.00001, 4), "<0.001", id="tiny"),
        pytest.param(p_value(None, 5), "--", id="no test"),
        pytest.param(minutes(3.14), "3.1", id="minutes"),
        pytest.param(minutes(123.4), "123", id="long runs"),
    ],
)
def test_digits(printed: str, expected: str) -> None:
    assert printed == expected


def test_an_interval_without_zero_is_not_rounded_to_one_with_it() -> None:
    assert bracketed(Estimate(-0.16, -0.316, -0.004)) == "-16 points [-32, -0.4]"
    assert bracketed(Estimate(-0.16, -0.316, 0.004)) == "-16 points [-32, +0]"
