"""The one dict of rewards: `register` puts a family in, `get` builds one, `names` lists them.

Other packages add rewards by an entry point of group `harness.rewards` that names a module (or anything in it); loading
the module runs its `register` decorators. They are loaded when a name is not known here, or when all are listed.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Callable, Mapping
from functools import cache
from importlib.metadata import entry_points
from typing import Any, TypeVar

from rewards.errors import RewardError, UnknownReward
from rewards.files import located
from rewards.reward import Reward

__all__ = ["family", "get", "names", "register"]

GROUP = "harness.rewards"

R = TypeVar("R", bound=Reward)

_families: dict[str, type[Reward]] = {}


def register(name: str) -> Callable[[type[R]], type[R]]:
    """Register a frozen dataclass below `Reward` under `name` (an identifier); a name is given once.

    Raises `RewardError` where the class is of another shape or the name is taken.
    """

    def add(cls: type[R]) -> type[R]:
        if not (isinstance(cls, type) and issubclass(cls, Reward) and dataclasses.is_dataclass(cls)):
            raise RewardError(f"reward {name!r} must be a frozen dataclass that inherits from rewards.Reward")
        if not name.isidentifier():
            raise RewardError(f"{name!r} cannot name a reward: use letters, digits and underscores")
        rival = _families.get(name, cls)
        # The same class again is its module run again, as a notebook's cell is.
        if (rival.__module__, rival.__qualname__) != (cls.__module__, cls.__qualname__):
            raise RewardError(f"two rewards are named {name!r}: {rival.__module__} and {cls.__module__}")
        cls.name = name
        _families[name] = cls
        return cls

    return add


def snapshot() -> dict[str, type[Reward]]:
    """Return the families registered so far, by name."""
    return dict(_families)


def restore(families: Mapping[str, type[Reward]]) -> None:
    """Go back to an earlier `snapshot`."""
    _families.clear()
    _families.update(families)


def names() -> list[str]:
    """Return the names of all rewards, plugins included, sorted."""
    _load_plugins()
    return sorted(_families)


def family(name: str) -> type[Reward]:
    """Return the class registered under `name`. Raises `UnknownReward`."""
    if name not in _families:
        _load_plugins()
    if name not in _families:
        raise UnknownReward(name, _families)
    return _families[name]


def get(name: str, **parameters: Any) -> Reward:
    """Build a reward, e.g. `get("format_answer", format=0.2)`.

    Raises `UnknownReward`, and `RewardError` for a parameter that does not exist, is missing or has the wrong type.
    """
    cls = family(name)
    fields = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    if unknown := sorted(parameters.keys() - fields.keys()):
        raise RewardError(f"{name} has no parameter {', '.join(unknown)}: it takes {', '.join(fields) or 'none'}")
    if missing := [f.name for f in fields.values() if f.default is dataclasses.MISSING and f.name not in parameters]:
        raise RewardError(f"{name} needs {', '.join(missing)}: write {name}({missing[0]}=...)")
    types = typing.get_type_hints(cls)
    return cls(**{key: _coerced(name, key, value, types[key]) for key, value in parameters.items()})


def _coerced(name: str, key: str, value: object, kind: type) -> object:
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:
        raise RewardError(f"{name}({key}={value!r}): {key} is {kind.__name__}, not {type(value).__name__}")
    return value


@cache
def _load_plugins() -> None:
    for plugin in entry_points(group=GROUP):
        try:
            plugin.load()
        except Exception as error:
            named = f"{plugin.name} = {plugin.value}"
            raise RewardError(f"the installed reward plugin `{named}` cannot be loaded: {located(error)}") from error
