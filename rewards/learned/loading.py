"""From a folder to a process reward model that can be asked.

Which family a folder belongs to is told by, in this order: the reward's `family`, the folder's `prm.json`
(`{"family": "steps"}`), the architecture in its `config.json`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from harness import chat, weights
from rewards.errors import RewardError
from rewards.learned.families import Family, Steps
from rewards.learned.implicit import Implicit
from rewards.learned.published import MathShepherd, Pure, QwenMathPrm, RlhFlow, Skywork

__all__ = ["FAMILIES", "family_of", "load"]

FAMILIES: dict[str, type[Family]] = {
    family.name: family for family in (Steps, Implicit, MathShepherd, RlhFlow, QwenMathPrm, Skywork, Pure)
}
RECORD = "prm.json"
UNBOUNDED = 1 << 30


@lru_cache(maxsize=2)  # two, for they may be compared
def load(folder: str, family: str = "") -> Family:
    """Return the model in `folder`, on the device that `harness.weights.placement` names.

    Raises `RewardError` where the folder is not there, is of no known family, or lacks weights of its family.
    """
    path, cls = Path(folder), family_of(folder, family)
    device, dtype = weights.placement()
    record = _read(path / RECORD) if (path / RECORD).is_file() else {}
    # An implicit model is an adapter; config and tokenizer are its base's.
    home = Path(record["base"]) if cls is Implicit else path
    with _quiet(), _told(path):
        network = cls.network(path, dtype)
        tokenizer = weights.tokenizer(str(home))
        style = chat.style_of(home, embedded=record.get("prompt") == "bare")
    network.to(device)
    limit = _read(home / "config.json").get("max_position_embeddings") or UNBOUNDED
    return cls(network, tokenizer, device, int(limit), style)


def family_of(folder: str, asked: str = "") -> type[Family]:
    """Return the family of the model in `folder` without loading it. Raises `RewardError` where it has none."""
    path = Path(folder)
    record = _read(path / RECORD) if (path / RECORD).is_file() else {}
    known = ", ".join(FAMILIES)
    if record.get("family") == Implicit.name:
        return _adapter(path, record)
    if not (path / "config.json").is_file():
        raise RewardError(f"{folder}: no model there (no config.json); give the folder of a process reward model")
    architectures = _read(path / "config.json").get("architectures") or []
    if name := asked or record.get("family"):
        if name not in FAMILIES:
            raise RewardError(f"{folder}: no family of process reward models is called {name!r}; there are {known}")
        return FAMILIES[name]
    matching = [family for family in FAMILIES.values() if any(map(family.is_architecture, architectures))]
    if len(matching) != 1:
        raise RewardError(
            f"{folder}: {', '.join(architectures) or 'its config.json'} does not tell the family; say "
            f'prm(model=..., family=...) or write {{"family": ...}} into its {RECORD}: {known}'
        )
    return matching[0]


def _adapter(path: Path, record: dict[str, Any]) -> type[Family]:
    base = Path(str(record.get("base")))
    if not (base / "config.json").is_file():
        raise RewardError(f"{path}: its base {base} is not there; put it back, or write its place into {RECORD}")
    return Implicit


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RewardError(f"{path}: cannot be read as JSON ({error}); copy the model again") from error
    if not isinstance(found, dict):
        raise RewardError(f"{path}: holds no JSON object; copy the model again")
    return found


@contextmanager
def _told(folder: Path) -> Iterator[None]:
    try:
        yield
    except RewardError:
        raise
    except (OSError, ValueError, SafetensorError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise RewardError(f"{folder}: cannot be loaded as a process reward model: {reason}") from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Without transformers' report of the weights that it leaves to others, which are the heads."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
