"""The SmolLM2-135M-Instruct checkpoint: a minute to make, so it is made once and kept in the cache."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness import cache

SHARED = Path(os.environ.get("HARNESS_SHARED", Path(__file__).parents[1] / ".." / "shared")).resolve()
SCRIPT = SHARED / "tools" / "smollm2.py"

needed = pytest.mark.skipif(not SCRIPT.is_file(), reason=f"{SCRIPT} is missing: it makes the SmolLM2-135M checkpoint")


def checkpoint() -> Path:
    """The folder of the checkpoint."""

    def make(folder: Path) -> None:
        subprocess.run([sys.executable, str(SCRIPT), str(folder)], check=True)

    return cache.stage(f"SmolLM2-135M-Instruct-{cache.digest([], sources=[SCRIPT])}", make)
