"""Thread settings, to be applied before torch is first imported.

OpenMP threads spin while they wait: two processes on two cores then run 10 to 30 times slower. One thread a process and
passive waiting; whoever sets the variables himself keeps his values.
"""

import os

SETTINGS = {
    "OMP_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "passive",
    "GOMP_SPINCOUNT": "0",
    "TOKENIZERS_PARALLELISM": "false",
}


def environment(count: int = 1) -> dict[str, str]:
    """The current environment with the settings filled in, for a child process of `count` threads."""
    return {**SETTINGS, "OMP_NUM_THREADS": str(count), **os.environ}


def apply() -> None:
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
