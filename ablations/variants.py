"""Settings as axes: `train.learning_rate = [1e-5, 3e-5]`, and values that go together, become variants of a study."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import Field

from harness.config import Table

Changes = Mapping[str, Any]


class BadVariants(ValueError):
    """The settings do not make variants; each line of the message is one problem and its fix."""


class Variant(Table):
    """Settings by dotted key, as `train.learning_rate`; `name` says those that vary, and is empty where none does."""

    name: str = ""
    changes: dict[str, Any] = Field(default_factory=dict)


def variants(settings: Mapping[str, Any], paired: Sequence[Changes] = ()) -> tuple[Variant, ...]:
    """Every combination of the listed values with every table of `paired`, whose values go together.

    A table of `paired` may give itself a `name`. Raises `BadVariants`.
    """
    flat = dict(flattened(settings))
    groups = [dict(flattened(each)) for each in paired]
    problems = list(_problems(flat, groups))
    if problems:
        raise BadVariants("\n".join(problems))
    fixed = {key: value for key, value in flat.items() if not isinstance(value, list)}
    axes = {key: value for key, value in flat.items() if isinstance(value, list)}
    found = []
    for values in itertools.product(*axes.values()):
        chosen = dict(zip(axes, values, strict=True))
        for group in groups or [{}]:
            together = {key: value for key, value in group.items() if key != "name"}
            named = [str(group["name"])] if "name" in group else _said(together)
            own = {key: value for key, value in chosen.items() if len(axes[key]) > 1}
            name = ", ".join([*_said(own), *(named if len(groups) > 1 else [])])
            found.append(Variant(name=name, changes=fixed | chosen | together))
    return tuple(found)


def flattened(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The values of nested tables by dotted key."""
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from flattened(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _problems(flat: Mapping[str, Any], groups: Sequence[Changes]) -> Iterator[str]:
    for key, value in flat.items():
        if isinstance(value, list) and not value:
            yield f"{key}: give at least one value"
        if isinstance(value, list) and len(set(map(str, value))) < len(value):
            yield f"{key}: one value is named twice"
        if any(key in group for group in groups):
            yield f"{key}: both set and paired; leave one out"
    for group in groups:
        if group.keys() != groups[0].keys():
            yield f"paired: every table needs the same keys; {', '.join(group)} and {', '.join(groups[0])} differ"
        if any(isinstance(value, list) for value in group.values()):
            yield "paired: its values go together one by one; lists of values belong under set"
    names = [str(group.get("name", _said(group))) for group in groups]
    yield from (f"paired: {name} stands there twice" for name in dict.fromkeys(names) if names.count(name) > 1)


def _said(changes: Changes) -> list[str]:
    """`learning_rate=1e-05`, with its table only where two keys end alike."""
    ends = [key.rpartition(".")[2] for key in changes]
    named = [end if ends.count(end) == 1 else key for key, end in zip(changes, ends, strict=True)]
    values = [f"{value:g}" if isinstance(value, float) else str(value) for value in changes.values()]
    return [f"{name}={value}" for name, value in zip(named, values, strict=True)]
