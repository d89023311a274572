"""Settings as axes: every combination once, names that say what varies, and what cannot be meant."""

from math import prod
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ablations.variants import BadVariants, variants


def named(settings: dict[str, Any], paired: list[dict[str, Any]] | None = None) -> dict[str, dict[str, Any]]:
    return {each.name: each.changes for each in variants(settings, paired or [])}


def test_no_settings_are_one_variant_without_a_name() -> None:
    assert named({}) == {"": {}}
    assert named({"train": {"steps": 3}}) == {"": {"train.steps": 3}}


def test_lists_are_axes_and_names_say_what_varies() -> None:
    found = named({"train": {"steps": [3, 4], "group_size": 8}, "grpo.updates": [2]})
    assert found == {
        f"steps={steps}": {"train.steps": steps, "train.group_size": 8, "grpo.updates": 2} for steps in (3, 4)
    }


def test_keys_that_end_alike_are_named_with_their_tables() -> None:
    assert list(named({"a.rate": [1], "b.rate": [2, 3]})) == ["rate=2", "rate=3"]
    assert list(named({"a.rate": [1, 2], "b.rate": [3]})) == ["rate=1", "rate=2"]
    assert next(iter(named({"a.rate": [1, 2], "b.rate": [3, 4]}))) == "a.rate=1, b.rate=3"


def test_paired_values_go_together() -> None:
    pairs = [{"train": {"steps": 2, "group_size": 4}}, {"name": "many", "train": {"steps": 3, "group_size": 8}}]
    with pytest.raises(BadVariants, match="same keys"):
        variants({}, pairs)
    pairs[0]["name"] = "few"  # type: ignore[assignment]
    assert named({"train.beta": [0, 1]}, pairs) == {
        f"beta={beta}, {name}": {"train.beta": beta, "train.steps": steps, "train.group_size": size}
        for beta in (0, 1)
        for name, steps, size in (("few", 2, 4), ("many", 3, 8))
    }


@pytest.mark.parametrize(
    ("settings", "paired", "says"),
    [
        ({"train.steps": []}, [], "give at least one value"),
        ({"train.steps": [1, 1]}, [], "one value is named twice"),
        ({"train.steps": 1}, [{"train.steps": 2}], "both set and paired"),
        ({}, [{"train.steps": [1, 2]}], "go together one by one"),
        ({}, [{"train.steps": 1}, {"train.steps": 1}], "stands there twice"),
    ],
    ids=["empty axis", "value twice", "said twice", "list in a pair", "equal pairs"],
)
def test_what_makes_no_variants_is_refused(settings: dict[str, Any], paired: list[dict[str, Any]], says: str) -> None:
    with pytest.raises(BadVariants, match=says):
        variants(settings, paired)


AXES = st.dictionaries(
    st.sampled_from(["a.x", "a.y", "b.x", "c.z"]), st.lists(st.integers(), min_size=1, max_size=3, unique=True)
)


@given(AXES)
def test_every_combination_stands_there_once_under_its_own_name(axes: dict[str, list[int]]) -> None:
    found = variants(axes)
    assert len(found) == prod(map(len, axes.values()))
    assert len({each.name for each in found}) == len(found)
    assert len({tuple(sorted(each.changes.items())) for each in found}) == len(found)
