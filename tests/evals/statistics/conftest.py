"""The means to ask packages that the project does not install what they say."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.overlay import overlay

ROOT = Path(__file__).parents[3]
SCRIPT = Path(__file__).parent / "peers" / "oracle.py"


@pytest.fixture(scope="session")
def oracle() -> Callable[[dict[str, Any]], Any]:
    """Runs `peers/oracle.py` with rliable and statsmodels laid over this environment; returns the JSON it prints."""

    def ask(task: dict[str, Any]) -> Any:
        # -P: the script's own folder must not come before the packages.
        done = subprocess.run(
            [sys.executable, "-P", str(SCRIPT)],
            input=json.dumps(task),
            env={**os.environ, "PYTHONPATH": f"{overlay('rliable')}{os.pathsep}{ROOT}"},
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return json.loads(done.stdout)

    return ask
