"""The embedded default: a family of word problems and a model small enough to learn on a laptop, made on first use."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from harness import cache, threads
from harness.tiny.problems import SPLITS, write_split
from harness.tiny.recipe import RECIPES

SIZES = {"train": 4000, "dev": 200, "test": 500, "unseen": 200}
_SOURCES = tuple(Path(__file__).parent.glob("*.py"))
# What decides the weights besides our own sources; another version may round differently.
_PACKAGES = ("torch", "transformers", "trl", "tokenizers")


def data_folder() -> Path:
    """A folder with `train`, `dev`, `test` and `unseen.jsonl` in GSM8K's format."""
    difficulty = RECIPES["default"].difficulty
    key = cache.digest({"sizes": SIZES, "difficulty": difficulty}, _SOURCES)

    def make(folder: Path) -> None:
        # Seeds apart from the corpus's own, so that the training problems of RL are not those of SFT.
        for number, split in enumerate(SPLITS):
            write_split(folder / f"{split}.jsonl", split, SIZES[split], 1000 + number, difficulty)

    return cache.stage(f"tiny-data-{key}", make)


def base_folder(recipe: str, progress: Callable[[int, int], None] = lambda step, steps: None) -> Path:
    """The folder of the trained base; trained in a process of its own where the cache does not hold it.

    Args:
        recipe: a name in `RECIPES`.
        progress: called with the step and the number of steps while it trains.
    """
    key = cache.digest(asdict(RECIPES[recipe]), _SOURCES, _PACKAGES)
    return cache.stage(f"tiny-base-{key}", lambda folder: _train(recipe, folder, progress))


def _train(recipe: str, folder: Path, progress: Callable[[int, int], None]) -> None:
    command = [sys.executable, "-m", "harness.tiny.base", recipe, str(folder)]
    with tempfile.TemporaryFile("w+", encoding="utf-8") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=threads.environment())
        try:
            assert process.stdout is not None
            for line in process.stdout:
                if line.startswith('{"step"'):
                    row = json.loads(line)
                    progress(row["step"], row["steps"])
            if process.wait():
                log.seek(0)
                raise RuntimeError(f"training the embedded base failed:\n{log.read()[-3000:]}")
        finally:
            process.kill()
