"""Measure a model: prompts, generation, grading, metrics and statistics. Names are loaded on first use."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from evals.comparison import Comparison, compare
    from evals.gsm8k import Grades, grade, has_format

__all__ = ["Comparison", "Grades", "compare", "grade", "has_format"]

_ROOMS = {
    "Comparison": "evals.comparison",
    "Grades": "evals.gsm8k",
    "compare": "evals.comparison",
    "grade": "evals.gsm8k",
    "has_format": "evals.gsm8k",
}


def __getattr__(name: str) -> object:
    if name not in _ROOMS:
        raise AttributeError(f"module 'evals' has no attribute {name!r}")
    return getattr(import_module(_ROOMS[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_ROOMS])
