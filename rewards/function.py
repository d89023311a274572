"""A user's plain function, `module:function`, as a reward."""

from __future__ import annotations

import importlib
import inspect
import math
import operator
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

from rewards import files
from rewards.batch import Batch
from rewards.errors import RewardError
from rewards.reward import Components, Reward, Scores

__all__ = ["Function", "from_function"]


def from_function(target: str) -> Reward:
    """Return the function `module:function`, called as TRL calls a reward, as a `Reward`.

    `function(completions, **columns)` gets those of `prompts`, `completions`, `completion_ids` and the dataset's
    columns that it accepts, and returns one number or None per completion. Modules of the current directory are found,
    and `file.py:function` names a file. Raises `RewardError` where it is not found or cannot be called.
    """
    reward = Function(target)
    _function(target)
    return reward


@dataclass(frozen=True)
class Function(Reward):
    """A user's plain function as a reward; range unknown, component `function`, parameters none."""

    name = "function"
    target: str

    @property
    def spec(self) -> str:
        """`module:function`, which `from_function` reads back."""
        return self.target

    @property
    def __name__(self) -> str:
        return self.target

    def score(self, batch: Batch) -> Components:
        """Return the only component, `function`. Raises `RewardError` where the function fails or returns no scores."""
        function = _function(self.target)
        offered = {
            **batch.columns,
            "prompts": batch.prompts,
            "completions": batch.completions,
            "completion_ids": batch.completion_ids,
        }
        try:
            scores = function(**_accepted(function, offered))
        except Exception as error:
            raise RewardError(f"{self.target} failed at {files.located(error)}") from error
        return {self.name: _scores(self.target, scores, len(batch.completions))}


def _accepted(function: Callable[..., Any], offered: dict[str, Any]) -> dict[str, Any]:
    try:
        parameters = inspect.signature(function).parameters
    except ValueError:  # a builtin may have no signature
        return offered
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return offered
    return {name: value for name, value in offered.items() if name in parameters}


def _scores(target: str, scores: object, size: int) -> Scores:
    if inspect.iscoroutine(scores):
        scores.close()
        raise RewardError(f"{target} is async: give a plain function")
    try:
        numbers = [None if score is None else float(score) for score in _listed(scores)]
    except (TypeError, ValueError) as error:
        raise RewardError(f"{target} must return a list of numbers or None, one per completion: {error}") from error
    if len(numbers) != size:
        raise RewardError(f"{target} returned {len(numbers)} scores for {size} completions")
    # A trainer reads NaN as None.
    return [None if number is None or math.isnan(number) else number for number in numbers]


def _listed(scores: object) -> Iterable[Any]:
    if isinstance(scores, str) or not isinstance(scores, Iterable):
        raise TypeError(f"it returned {type(scores).__name__}")
    return scores


@lru_cache(maxsize=64)
def _function(target: str) -> Callable[..., Any]:
    module, colon, path = target.rpartition(":")
    if not (colon and module and path):
        raise RewardError(f"{target!r} names no function: write module:function")
    try:
        function = operator.attrgetter(path)(_module(module))
    except AttributeError as error:
        raise RewardError(f"{target}: {error}") from error
    if not callable(function):
        raise RewardError(f"{target} is {type(function).__name__}, not a function")
    return function  # type: ignore[no-any-return]  # `callable` says no more than that


def _module(name: str) -> ModuleType:
    if name.endswith(".py"):
        return files.run(Path(name), files.read(Path(name)))
    if str(Path.cwd()) not in sys.path and "" not in sys.path:
        sys.path.append(str(Path.cwd()))
    try:
        return importlib.import_module(name)
    except Exception as error:
        # A missing module is the caller's spelling; whatever else fails is a line of the module.
        told = files.line(error) if isinstance(error, ModuleNotFoundError) else files.located(error)
        raise RewardError(f"cannot import {name}: {told}") from error
