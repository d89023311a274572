"""The code's fingerprint follows what the code does, and nothing else."""

import pytest

from harness.code import fingerprint, meaning

SOURCE = '''"""Doc."""


def f(x: int) -> int:
    """Adds one."""
    # why
    return x + 1
'''


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ("# why", "# another why", True),
        ("Adds one.", "Gives the next number.", True),
        ('"""Doc."""', "", True),
        ("x + 1", "x+1", True),
        ("x + 1", "x + 2", False),
        ("def f", "def g", False),
    ],
    ids=["comment", "docstring", "no module docstring", "white space", "another constant", "another name"],
)
def test_meaning(old: str, new: str, same: bool) -> None:
    assert (meaning(SOURCE.replace(old, new)) == meaning(SOURCE)) is same


def test_fingerprint_is_stable() -> None:
    assert fingerprint() == fingerprint()
    assert len(fingerprint()) == 12
