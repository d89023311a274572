"""Objectives by name: each is an exact TRL `GRPOConfig` setting with its source. Cheap to import; no torch."""

import difflib
from dataclasses import dataclass
from typing import Any


class UnknownObjective(ValueError):
    """No objective by that name; the message lists the nearest ones."""


@dataclass(frozen=True)
class Objective:
    """`settings` are the `GRPOConfig` arguments that make the objective; `source` is its paper."""

    name: str
    settings: dict[str, Any]
    source: str


_OBJECTIVES = {
    objective.name: objective
    for objective in (
        Objective(
            "grpo",
            {"loss_type": "grpo", "scale_rewards": "group", "epsilon": 0.2},
            "DeepSeekMath, arXiv 2402.03300, eq. 3: mean over each completion's tokens, group-normalised advantage",
        ),
        Objective(
            "dr_grpo",
            {"loss_type": "dr_grpo", "scale_rewards": "none", "epsilon": 0.2},
            "Dr. GRPO, arXiv 2503.20783, section 3: constant length normaliser, advantage not divided by std",
        ),
    )
}


def objective(name: str) -> Objective:
    """Looks an objective up. Raises `UnknownObjective` with the nearest names."""
    if name not in _OBJECTIVES:
        near = difflib.get_close_matches(name, _OBJECTIVES, n=2)
        hint = f"did you mean {' or '.join(near)}? " if near else ""
        raise UnknownObjective(f"unknown objective {name!r}: {hint}There are {', '.join(_OBJECTIVES)}")
    return _OBJECTIVES[name]


def names() -> list[str]:
    return list(_OBJECTIVES)
