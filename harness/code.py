"""The fingerprint of the code that decides a run's numbers: it enters the identity of every cell."""

from pathlib import Path

from harness.cache import digest

# Reports, the command line and the scheduler of cells are left out: they change no number of a cell.
_ROOMS = ("rewards", "evals", "harness/trainers")
_FILES = ("harness/cell.py", "harness/chat.py", "harness/config.py", "harness/threads.py")
_PACKAGES = ("torch", "transformers", "trl")


def fingerprint() -> str:
    """12 hex digits over our sources and the versions of torch, transformers and TRL."""
    top = Path(__file__).parents[1]
    sources = [path for room in _ROOMS for path in (top / room).rglob("*.py")]
    return digest("code", [*sources, *(top / name for name in _FILES)], _PACKAGES)
