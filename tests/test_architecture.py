"""The rooms' direction of imports, and that importing the command line stays cheap."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# A room may import itself and what stands to its right; leaves may be imported by all.
ORDER = ("harness.cli", "ablations", "harness.trainers", "evals", "rewards")
LEAVES = {
    "harness.advice",
    "harness.config",
    "harness.chat",
    "harness.threads",
    "harness.cache",
    "harness.kernel",
    "harness.nearest",
    "harness.status",
    "harness.trackers",
    "harness.training",
    "harness.weights",
    "harness.whole",
}
# What a cell trains, without a trainer: a plan says it before anything is loaded.
PLANNED = "harness.trainers.cells"
HEAVY = ("torch", "transformers", "vllm", "trl", "pandas", "sympy", "scipy", "matplotlib", "datasets")
MODULES = sorted(path for room in ("harness", "rewards", "evals", "ablations") for path in (ROOT / room).rglob("*.py"))


def imported(path: Path) -> set[str]:
    """Modules imported anywhere in a file, `from a import b` counted as both `a` and `a.b`."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def room(module: str) -> str | None:
    return next((name for name in ORDER if module == name or module.startswith(f"{name}.")), None)


@pytest.mark.parametrize("path", MODULES, ids=[str(path.relative_to(ROOT)) for path in MODULES])
def test_imports_point_to_the_right(path: Path) -> None:
    own = room(".".join(path.relative_to(ROOT).with_suffix("").parts))
    if own is None:
        return
    for module in imported(path):
        other = room(module)
        assert other is None or ORDER.index(other) >= ORDER.index(own), f"{path} imports {module}"
        if own in ("evals", "rewards", "ablations") and module.startswith("harness") and module != "harness":
            if own == "ablations" and f"{module}.".startswith(f"{PLANNED}."):
                continue
            assert any(module == leaf or module.startswith(f"{leaf}.") for leaf in LEAVES), f"{path} imports {module}"


def test_leaves_import_nothing_of_the_project_but_leaves() -> None:
    for leaf in LEAVES:
        path = ROOT / (leaf.replace(".", "/") + ".py")
        ours = {m for m in imported(path) if m.split(".")[0] in ("harness", "rewards", "evals", "ablations")}
        others = {m for m in ours if not any(m == other or m.startswith(f"{other}.") for other in LEAVES)}
        assert others <= {"harness"}, f"{leaf} imports {others}"


@pytest.mark.parametrize(
    "module",
    [
        "harness.cli",
        "rewards",
        "evals",
        "ablations.report",
        "ablations.run",
        "ablations.plan",
        PLANNED,
        "harness.trainers.objectives",
        "harness.export.folder",
    ],
)
def test_import_is_cheap(module: str) -> None:
    code = f"import sys, {module}; print(*sorted(set({HEAVY!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
