"""A user's own rewards: a file whose `@rewards.register` classes join the registry, or a plain function.

`load` runs the file of `--plugin FILE`; `from_function` reads `module:function`.
"""

from __future__ import annotations

import hashlib
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from rewards import files, registry
from rewards.composite import Composite
from rewards.errors import RewardError
from rewards.function import Function, from_function
from rewards.reward import Reward
from rewards.spec import parse

__all__ = ["Function", "Plugin", "from_function", "load", "resolve", "used"]

FUNCTION = re.compile(r"\s*[\w./-]+:[A-Za-z_][\w.]*\s*")


@dataclass(frozen=True)
class Plugin:
    """A loaded file: `sha256` of its bytes, which is what identifies it, its module and the names it registered."""

    path: Path
    sha256: str
    module: str
    names: tuple[str, ...]


_loaded: dict[str, Plugin] = {}


def load(path: str | Path, sha256: str | None = None) -> Plugin:
    """Run the plugin file `path` and return what it registered; the same bytes are run once.

    Raises `RewardError`, one line that begins with file and line, where the file cannot be read or run, registers what
    is no reward, takes a name that exists, or registers nothing; and where its bytes are not those of `sha256`.
    """
    path = Path(path).absolute()
    source = files.read(path)
    digest = hashlib.sha256(source).hexdigest()
    if sha256 not in (None, digest):
        raise RewardError(f"{path}: the plugin has changed since this run was planned; plan it again")
    if digest not in _loaded:
        _loaded[digest] = Plugin(path, digest, files.module_name(source), _registered(path, source))
    return _loaded[digest]


def resolve(text: str) -> Reward:
    """Return the reward that a command's argument names: a spec, or `module:function`. Raises `RewardError`."""
    return from_function(text.strip()) if FUNCTION.fullmatch(text) else parse(text)


def used(reward: Reward) -> tuple[Plugin, ...]:
    """Return the plugins that `reward` or a term of it comes from, in the order of loading."""
    terms = [term.reward for term in reward.terms] if isinstance(reward, Composite) else [reward]
    modules = {type(term).__module__ for term in terms}
    return tuple(plugin for plugin in _loaded.values() if plugin.module in modules)


def _registered(path: Path, source: bytes) -> tuple[str, ...]:
    before = registry.snapshot()
    try:
        module = files.run(path, source)
    except BaseException:
        # Half a plugin must not stay behind, whatever ended it.
        registry.restore(before)
        raise
    names = tuple(sorted(registry.snapshot().keys() - before.keys()))
    if not names:
        del sys.modules[module.__name__]
        raise RewardError(f'{path}: it registers no reward: decorate one with @rewards.register("mine")')
    return names
