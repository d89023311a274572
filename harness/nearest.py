"""The hint for a name that nobody knows. A leaf: it imports nothing of the project."""

import difflib
from collections.abc import Iterable


def hint(name: str, known: Iterable[str]) -> str:
    """`did you mean a or b? ` with the nearest of the known names; empty where none is near."""
    near = difflib.get_close_matches(name, known, n=2)
    return f"did you mean {' or '.join(near)}? " if near else ""
