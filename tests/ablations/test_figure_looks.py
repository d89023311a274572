"""Rows keep names that differ and fit, and looks that differ without colour."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ablations.figures.looks import COLOURS, DASHES, LONGEST, MARKERS, MOST, labels

NAMES = st.lists(st.text("abc01.,+/()=*_$", min_size=1, max_size=200), min_size=1, max_size=8, unique=True)


@given(NAMES, st.integers(12, 60))
def test_labels_fit_and_differ(names: list[str], width: int) -> None:
    found = labels(names, width)
    assert len(set(found)) == len(names)
    for label in found:
        assert max(len(line.replace(r"\$", "$")) for line in label.split("\n")) <= width


@given(NAMES, st.integers(12, 60))
def test_no_character_of_a_name_that_fits_is_lost(names: list[str], width: int) -> None:
    for name, label in zip(names, labels(names, width), strict=True):
        if len(name) <= LONGEST:
            assert label.replace("\n", "").replace(r"\$", "$") == name


@pytest.mark.parametrize(
    ("name", "label"),
    [
        pytest.param("sparse", "sparse", id="short names stay as they are"),
        pytest.param("sparse / grpo", "sparse / grpo", id="spaces stay"),
        pytest.param(
            "math_verify(strict=true)+format_tags(think)*0.25+cosine(max=1)",
            "math_verify(strict=true)+\nformat_tags(think)*0.25+\ncosine(max=1)",
            id="sixty characters break between the terms",
        ),
        pytest.param("a" * 70, "a" * 33 + "\n" + "a" * 33 + "\n" + "aaaa", id="without a break the name is cut"),
        pytest.param("$", r"\$", id="a dollar starts no formula"),
    ],
)
def test_wrapping(name: str, label: str) -> None:
    assert labels([name]) == [label]


def test_names_that_differ_only_in_the_middle_get_their_number() -> None:
    first, second = (label.replace("\n", "") for label in labels([f"{'a' * 60}{k}{'b' * 60}" for k in "12"]))
    assert (first[-2:], second[-2:]) == ("#1", "#2")
    assert "…" in first


def test_named_rows_differ_in_dash_and_marker() -> None:
    assert len(set(map(str, DASHES))) == len(set(MARKERS)) == len(set(COLOURS)) == MOST
