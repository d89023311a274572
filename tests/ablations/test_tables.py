"""What a reader sees: golden tables, daggers, dashes, stars, and a terminal that is 100 columns wide."""

import dataclasses
import os
from pathlib import Path

import pytest
from studies import Write, cell, item, items

from ablations.digits import minutes, p_value, percent, points, with_interval
from ablations.estimates import Estimate
from ablations.report import build
from ablations.summary import SummaryRow
from ablations.tables import best_rows, to_markdown

GOLDEN = Path(__file__).parent / "golden"


def check(name: str, text: str) -> None:
    """Compare with a golden file; `HARNESS_GOLDEN=write` writes it instead, to be read before it is committed."""
    path = GOLDEN / name
    if os.environ.get("HARNESS_GOLDEN") == "write":
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


def test_realistic_study(realistic: Path) -> None:
    text = build(realistic).text()
    for name in ("table.md", "table.csv", "claims.md"):
        check(f"realistic.{name}", (realistic / name).read_text(encoding="utf-8"))
    check("realistic.terminal.txt", text)


def test_one_seed_study(write: Write) -> None:
    """Two objectives, one seed each, one cell missing, some golds unscorable, one completion cut, one timeout."""
    cut = [*items("110?-1"), item(6, False, status="timeout", finish_reason="length")]
    folder = write([cell("1", items=cut, items_base=items("100?-00"))], objectives=("grpo", "dr_grpo"))
    build(folder)
    for name in ("table.md", "claims.md"):
        check(f"one_seed.{name}", (folder / name).read_text(encoding="utf-8"))


def test_terminal_fits_a_hundred_columns_with_long_specs(write: Write) -> None:
    spec = "format_answer(format=0.2)+0.1*length_soft(max_tokens=512)"
    cells = [cell("1100", r, s, objective=o) for o in ("grpo", "dr_grpo") for r in ("sparse", spec) for s in (1, 2)]
    text = build(write(cells, ("sparse", spec), ("grpo", "dr_grpo"), (1, 2))).text()
    assert max(map(len, text.splitlines())) <= 100
    for part in ("+0.1*", "/ dr_grpo"):
        assert part in text


@pytest.mark.parametrize(
    ("width", "dropped", "kept"),
    [(100, (), ("tokens", "greedy")), (80, ("tokens",), ("format", "steps")), (70, ("tokens", "greedy"), ("format",))],
)
def test_narrow_terminals_do_without_the_columns_least_looked_at(
    realistic: Path, width: int, dropped: tuple[str, ...], kept: tuple[str, ...]
) -> None:
    table = build(realistic).text(width).split("\n\n")[0]
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
        pytest.param([("a", 0.5, 0.01), ("b", 0.6, 0.01)], ["b"], id="one is best"),
        pytest.param([("a", 0.5, 0.2), ("b", 0.6, 0.01), ("c", 0.1, 0.01)], ["a", "b"], id="ties share the mark"),
        pytest.param([("a", 0.5, 0.2), ("b", 0.6, 0.2)], [], id="a mark on everything says nothing"),
        pytest.param([("a", 0.5, 0.2)], [], id="one row has no rival"),
        pytest.param([("a", None, 0.0)], [], id="no finished cell"),
    ],
)
def test_bold(rows: list[tuple[str, float | None, float]], marked: list[str]) -> None:
    assert [best.reward for best in best_rows([row(*each) for each in rows])] == marked


def test_markup_in_a_spec_is_escaped() -> None:
    text = to_markdown([row("0.1*a|b_c", 0.5)], "", [])
    assert text.splitlines()[2].startswith(r"| 0.1\*a\|b\_c | 5 |")


@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        pytest.param(percent(0.61249), "61.2", id="one decimal"),
        pytest.param(percent(None), "--", id="missing is not zero"),
        pytest.param(points(-0.0001), "+0.0", id="no minus zero"),
        pytest.param(with_interval(Estimate(0.5)), "50.0", id="no interval, no plus-minus"),
        pytest.param(with_interval(Estimate(0.5, 0.4, 0.6)), "50.0 ± 10.0", id="half width"),
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
