"""The fingerprint of the code that decides a run's numbers: it enters the identity of every cell."""

import ast
import functools
from pathlib import Path

from harness.cache import digest

# Reports, the command line and the scheduler of cells are left out: they change no number of a cell.
_ROOMS = ("rewards", "evals", "harness/trainers")
_FILES = ("harness/cell.py", "harness/chat.py", "harness/threads.py", "harness/training.py", "harness/weights.py")
_PACKAGES = ("torch", "transformers", "trl")


@functools.cache
def fingerprint() -> str:
    """12 hex digits over what our sources do and the versions of torch, transformers and TRL."""
    top = Path(__file__).parents[1]
    sources = [path for room in _ROOMS for path in (top / room).rglob("*.py")]
    sources += [top / name for name in _FILES]
    meanings = {str(path.relative_to(top)): meaning(path.read_text(encoding="utf-8")) for path in sources}
    return digest(meanings, packages=_PACKAGES)


def meaning(source: str) -> str:
    """The syntax tree without docstrings: a comment or a better sentence is no reason to run a study again."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and _documented(node):
            node.body = node.body[1:] or [ast.Pass()]
    return ast.dump(tree)


def _documented(node: ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    first = node.body[0] if node.body else None
    return isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)
