"""What the figures of a study show, read from the figure itself, and that nothing in them is cut or hidden."""

import itertools
from collections.abc import Callable, Iterator
from typing import Any
from xml.etree import ElementTree

import matplotlib
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from studies import Write, cell, metric

from ablations.comparisons import compare
from ablations.digits import p_value
from ablations.figures import NAMES, draw
from ablations.figures.accuracy import accuracy
from ablations.figures.canvas import style
from ablations.figures.divergence import divergence
from ablations.figures.forest import forest
from ablations.figures.given_format import given_format
from ablations.figures.looks import MOST, Looks
from ablations.figures.tokens import tokens
from ablations.figures.training import components, dynamics, reward
from ablations.records import Study, load_study

MAKERS = (accuracy, reward, components, given_format, dynamics, divergence, forest, tokens)
STEPS = 4
LONG = "sparse+format_tags(think)*0.25+cosine_length(max=512,floor={:03d})"
Make = Callable[..., Study]


@pytest.fixture
def make(write: Write) -> Make:
    """Return a maker of studies: row k of five seeds ends with k of twelve right and completions of 10 + k tokens."""

    numbers = itertools.count()

    def _make(rewards: tuple[str, ...], seeds: int = 5, **more: Any) -> Study:
        cells = [run(place, name, seed) | more for place, name in enumerate(rewards) for seed in range(1, seeds + 1)]
        return load_study(write(cells, rewards, seeds=tuple(range(1, seeds + 1)), name=f"study{next(numbers)}"))

    return _make


def run(place: int, name: str, seed: int) -> dict[str, Any]:
    right = min(12, place + (seed == 1))
    done = cell("1" * right + "0" * (12 - right), name, seed, base="100000000000")
    for item in done["items"]:
        item["tokens"] = 10 + place
    logged = {"reward_std": 0.5, "length": 20.0 + place, "truncated": 0.1, "entropy": 0.5}
    rows = [metric(step, step / STEPS, accuracy=step / STEPS, **logged) for step in range(1, STEPS + 1)]
    return done | {"metrics": rows}


@pytest.fixture(autouse=True)
def house_style() -> Iterator[None]:
    with style():
        yield


def made(maker: Callable[[Study, Looks], Figure | None], study: Study) -> Figure:
    figure = maker(study, Looks.of(study))
    assert figure is not None
    return figure


def titles(figure: Figure) -> list[str]:
    return [axis.get_title() for axis in figure.axes]


def legend(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def words(figure: Figure) -> list[Text]:
    below = figure.legends[0]
    found = [*figure.texts, *below.get_texts(), below.get_title()]
    for axis in figure.axes:
        found += [*axis.texts, axis.title, axis.xaxis.label, axis.yaxis.label]
        # Locators also make ticks beyond the ends of an axis, which are not drawn; names are placed by hand.
        found += [label for label in axis.get_yticklabels() if any(map(str.isalpha, label.get_text()))]
    return found


def note(figure: Figure) -> str:
    return figure.legends[0].get_title().get_text().replace("\n", " ")


def test_every_figure_is_drawn_twice_alike_whatever_the_reader_has_set(make: Make) -> None:
    study = make(("sparse", "dense"), seeds=2)
    files = draw(study)
    assert list(files) == [f"{name}.{kind}" for name in NAMES for kind in ("svg", "png")]
    for name, data in files.items():
        if name.endswith(".svg"):
            assert ElementTree.fromstring(data).tag.endswith("svg")
        else:
            assert data.startswith(b"\x89PNG")
    with matplotlib.rc_context({"font.size": 20, "axes.grid": False, "figure.constrained_layout.use": True}):
        assert draw(study) == files


@pytest.mark.parametrize(
    ("rewards", "maker"),
    [
        pytest.param(rewards, maker, id=f"{len(rewards)}-rows-{maker.__name__}")
        for rewards in (
            ("sparse", "dense"),
            ("sparse", *(LONG.format(k) for k in range(MOST - 1))),
            ("sparse", *(LONG.format(k) for k in range(10))),
        )
        for maker in MAKERS
    ],
)
def test_no_text_is_cut_and_no_panel_lies_under_the_legend(make: Make, rewards: tuple[str, ...], maker: Any) -> None:
    figure = made(maker, make(rewards, seeds=2))
    FigureCanvasAgg(figure).draw()
    page, below = figure.bbox, figure.legends[0].get_window_extent().y1
    for text in filter(Text.get_text, words(figure)):
        box = text.get_window_extent()
        assert page.x0 - 1 <= box.x0 <= box.x1 <= page.x1 + 1, text
        assert page.y0 - 1 <= box.y0 <= box.y1 <= page.y1 + 1, text
    for axis in figure.axes:
        box = axis.get_tightbbox()
        assert box is not None
        assert box.y0 >= below - 1
        # A panel squeezed by its labels shows nothing.
        assert axis.get_window_extent().height > 0.6 * figure.dpi or maker is forest
        assert axis.get_window_extent().width > 1.2 * figure.dpi


def test_a_panel_without_data_is_left_out(make: Make) -> None:
    study = make(("sparse", "dense"))
    heads = ["Completion length", "Cut at the length limit", "Entropy of the policy", "Dead groups (all rewards equal)"]
    assert titles(made(dynamics, study)) == heads
    with_kl = [metric(step, 1.0, kl=0.1 * step) for step in range(1, STEPS + 1)]
    assert titles(made(dynamics, make(("other",), metrics=with_kl))) == ["KL from the reference policy", heads[-1]]


def test_nothing_finished_draws_nothing(make: Make) -> None:
    assert draw(make(("sparse",), status={"state": "running", "step": 1, "error": None})) == {}


def test_shares_are_percent_and_the_mean_is_over_seeds(make: Make) -> None:
    axis = made(dynamics, make(("sparse",), seeds=3)).axes[1]
    assert axis.get_ylabel() == "completions (%)"
    assert {round(float(value), 9) for line in axis.lines for value in line.get_ydata()} == {10.0}
    assert len(axis.lines) == 4  # three seeds and their mean


def test_the_note_counts_the_seeds(make: Make) -> None:
    assert "; 5 seeds per row; line: mean over seeds; thin: each seed; band: their range" in note(
        made(accuracy, make(("sparse", "dense")))
    )


def test_many_rows_each_have_a_panel_beside_their_reference(make: Make) -> None:
    rewards = tuple(f"r{k}" for k in range(9))
    figure = made(accuracy, make(rewards))
    assert titles(figure) == list(rewards)
    assert legend(figure)[:2] == ["the row", "its reference: r0"]


def test_of_many_rows_the_first_and_the_outermost_are_named(make: Make) -> None:
    figure = made(dynamics, make(tuple(f"r{k}" for k in range(9))))
    assert legend(figure) == ["r0", "r1", "r2", "r6", "r7", "r8", "3 other rows"]
    assert "named: the first row, the 3 highest and 2 lowest in final accuracy; grey: 3 others" in note(figure)


def dots(axis: Axes) -> list[list[float]]:
    return [[float(x) for x in line.get_xdata()] for line in axis.lines if line.get_marker() == "o"]


def test_the_forest_prints_what_the_table_compares(make: Make) -> None:
    study = make(("sparse", "dense", "denser"))
    axis = made(forest, study).axes[0]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["dense", "denser"]
    assert axis.get_xlabel() == "accuracy less that of sparse (percentage points)"
    # One of twelve questions more, and two, in every seed.
    assert [sorted(seeds) for seeds in dots(axis)] == [
        pytest.approx([100 / 12] * 5),
        pytest.approx([200 / 12] * 5),
    ]
    printed = [text.get_text() for text in axis.texts]
    for item in compare(study):
        assert p_value(item.p_holm, item.seeds) in printed
    assert any(text.startswith("+8.3") for text in printed)
    assert any(text.startswith("+16.7") for text in printed)


def test_one_row_has_nothing_to_be_compared_with(make: Make) -> None:
    study = make(("sparse",))
    assert forest(study, Looks.of(study)) is None


def test_accuracy_against_tokens_stands_where_the_completions_do(make: Make) -> None:
    axis = made(tokens, make(("sparse", "dense"), seeds=2)).axes[0]
    places = {
        (line.get_marker(), float(x), round(float(y), 1))
        for line in axis.lines
        for x, y in zip(*line.get_data(), strict=True)
    }
    # Of seeds 1 and 2: 1 and 0 right of 12, then 2 and 1; the base has 1.
    assert {("o", 10.0, 4.2), ("s", 11.0, 12.5), ("o", 10.0, 8.3), ("o", 10.0, 0.0), ("*", 10.0, 8.3)} <= places


def test_components_are_named_by_their_panel(make: Make) -> None:
    rows = [metric(step, 0.5, **{"rewards/$x_{": 0.5}) for step in range(1, STEPS + 1)]
    assert titles(made(components, make(("sparse",), metrics=rows))) == ["correct", r"\$x_{"]
