"""Runs of every method in folders of their own, and a process that starts them quickly."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness import threads
from harness.training import CheckpointConfig, DpoConfig, GrpoConfig, Method, PairsConfig, SftConfig, TrainRun

ROOT = Path(__file__).parents[3]
QUESTIONS = 24
Lay = Callable[..., Path]


@pytest.fixture(scope="session")
def rollouts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A right and a wrong answer to each of a few questions."""
    rows = [
        {
            "id": f"q{number}",
            "question": f"Tom has {number} eggs and finds {number + 1}. How many has he?",
            "gold": str(2 * number + 1),
            "completion": f"#### {2 * number + 1 if right else number}",
            "correct": right,
            "status": "correct" if right else "wrong",
            "strict": right,
            "flexible": right,
            "tokens": 5,
            "finish_reason": "stop",
            "sample": int(right),
            "seed": 0,
        }
        for number in range(QUESTIONS)
        for right in (False, True)
    ]
    path = tmp_path_factory.mktemp("rollouts") / "items.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def lay(run: TrainRun, rollouts: Path, tmp_path: Path) -> Lay:
    """Writes a run of a method into a new folder: six steps, a checkpoint after every second."""
    tables: dict[Method, dict[str, Any]] = {
        "sft": {"sft": SftConfig()},
        "dpo": {"dpo": DpoConfig(pairs=PairsConfig(rollouts=(str(rollouts),)))},
        # Of equal completions `random` says the same, and it varies in most groups.
        "grpo": {"grpo": GrpoConfig(reward="random", group_size=4, max_new_tokens=8)},
    }

    def lay(method: Method, name: str, **changes: Any) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        optimizer = run.optimizer.model_copy(update={"steps": 6, "micro_batch": 4})
        given = {"method": method, "optimizer": optimizer, "checkpoint": CheckpointConfig(every=2), "grpo": None}
        table = {**given, **tables[method], **changes}
        TrainRun.model_validate(run.model_copy(update=table).model_dump()).write(folder / "config.toml")
        return folder

    return lay


class Zygote:
    """`zygote.py`, which has imported everything that a run needs."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("zygote.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=threads.environment() | {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])},
        )
        assert self._line() == "ready"

    def start(self, folder: Path, **event: Any) -> int:
        """Starts a run and returns its process number."""
        assert self.process.stdin is not None
        print(json.dumps({"folder": str(folder), **event}), file=self.process.stdin, flush=True)
        return int(self._line())

    def end(self) -> int:
        """Waits for the run that was started and returns its exit code."""
        return int(self._line())

    def run(self, folder: Path, **event: Any) -> int:
        self.start(folder, **event)
        return self.end()

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()


@pytest.fixture(scope="session")
def zygote() -> Iterator[Zygote]:
    started = Zygote()
    yield started
    started.process.kill()
    started.process.wait()
