"""Who is told of every training step besides the records: tensorboard, wandb, trackio. A leaf."""

from collections.abc import Iterable
from importlib.util import find_spec
from typing import get_args

from harness.config import Tracker


def problems(report_to: Iterable[str]) -> list[str]:
    """What keeps these trackers from being told, a line each with its fix; nothing is imported."""
    known = get_args(Tracker)
    unknown = [f"report_to {name}: no such tracker; give {', '.join(known)}" for name in report_to if name not in known]
    # Each is the name of its package.
    absent = [name for name in report_to if name in known and find_spec(name) is None]
    return [
        *unknown,
        *(f"report_to {name}: {name} is not installed: pip install 'reward-harness[trackers]'" for name in absent),
    ]
