"""A cell that is killed and started again, as often as it takes, leaves the bytes of one that never was."""

import json
import os
import signal
import sys
from collections.abc import Iterator
from multiprocessing import get_context
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import pytest

from harness.cell import Cell
from harness.config import RunConfig, StageConfig
from harness.status import StatusFile, read
from harness.trainers.run import main

CONTEXT = get_context("forkserver")
# What a cell imports, once for all of them.
CONTEXT.set_forkserver_preload(["harness.trainers.grpo", "harness.trainers.preference"])

MOMENTS = [("load", 1), ("base", 3), ("base", 6), ("train", 8), ("train", 6), ("save", 1), ("test", 1), ("test", 4)]
"""The phase and how many times its status is written before the kill. A start goes on where the last one was killed."""


def start(folder: str, phase: str, times: int, number: int) -> None:
    """The cell in this process, which sends itself a signal when it has told `times` that it is in `phase`."""
    told, left = StatusFile.say, times

    def say(self: StatusFile, **changes: Any) -> None:
        nonlocal left
        told(self, **changes)
        left -= self.status.phase == phase
        if left == 0 and self.status.phase == phase:
            os.kill(os.getpid(), number)

    StatusFile.say = say  # type: ignore[method-assign]
    log = os.open(Path(folder) / "log.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    sys.argv = ["cell", folder]
    main(Cell)


def ended(folder: Path, phase: str = "", times: int = 0, number: int = signal.SIGKILL) -> int:
    """The exit code of the cell; negative is the signal that killed it."""
    process: ForkServerProcess = CONTEXT.Process(target=start, args=(str(folder), phase, times, number))
    process.start()
    process.join(120)
    assert process.exitcode is not None
    return process.exitcode


def records(folder: Path) -> dict[str, bytes]:
    """All that a cell leaves, but for how long it took and what it said on the way."""
    apart = {"status.json", "timing.jsonl", "log.txt"}
    files = (path for path in folder.rglob("*") if path.is_file() and path.name not in apart)
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def steps(path: Path) -> list[int]:
    return [json.loads(line)["step"] for line in path.read_text().splitlines()]


@pytest.fixture
def rollouts(tmp_path: Path, config: RunConfig) -> StageConfig:
    """A right and a wrong answer to each question of the training split."""
    lines = [json.loads(line) for line in Path(config.data.train).read_text().splitlines()]
    rows = [
        {
            "id": f"q{place}",
            "question": line["question"],
            "gold": line["answer"],
            "completion": line["answer"].rpartition("\n")[2] if right else "#### 1",
            "correct": right,
            "status": "correct" if right else "wrong",
            "tokens": 5,
            "finish_reason": "stop",
            "sample": int(right),
            "seed": 0,
        }
        for place, line in enumerate(lines)
        for right in (False, True)
    ]
    folder = tmp_path / "rollouts"
    folder.mkdir()
    (folder / "items.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return StageConfig(path=str(folder), fingerprint="r")


@pytest.fixture
def lay(config: RunConfig, rollouts: StageConfig, tmp_path: Path) -> Iterator[Any]:
    """Writes a cell into a folder: six steps, a point of the curve after every second, two batches a measurement."""

    def lay(name: str, **changes: Any) -> Path:
        plain = config.model_dump()
        plain["train"] |= {"steps": 6, "learning_rate": 0.05}
        plain["evaluation"] |= {"every": 2, "batch_size": 6}
        # Equal completions have one reward by any other; this one varies in most groups.
        plain["reward"] = "random"
        plain["model"]["lora_rank"] = changes.pop("lora_rank", 0)
        if changes.pop("pairs", False):
            changes["rollouts"] = rollouts
        folder = tmp_path / name
        folder.mkdir()
        RunConfig.model_validate(plain | changes).write(folder / "config.toml")
        return folder

    yield lay


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({}, id="all weights"),
        pytest.param(
            {"lora_rank": 2, "settings": {"grpo.updates": 3, "adapter.dropout": 0.1}},
            id="an adapter, whose dropout draws, and steps that share completions: saved where they begin anew",
            marks=pytest.mark.slow,
        ),
        pytest.param({"objective": "dpo", "pairs": True}, id="preference loss: pairs are read, the reference is kept"),
    ],
)
def test_killed_at_every_phase_it_ends_in_the_same_bytes(lay: Any, changes: dict[str, Any]) -> None:
    whole, killed = lay("whole", **changes), lay("killed", **changes)
    assert ended(whole) == 0, (whole / "log.txt").read_text()
    for phase, times in MOMENTS:
        assert ended(killed, phase, times) == -signal.SIGKILL, (killed / "log.txt").read_text()
        assert read(killed)["phase"] == phase
    assert ended(killed) == 0, (killed / "log.txt").read_text()
    expected, found = records(whole), records(killed)
    assert found.keys() == expected.keys()
    assert [name for name in expected if found[name] != expected[name]] == []
    assert steps(killed / "metrics.jsonl") == steps(killed / "timing.jsonl") == [1, 2, 3, 4, 5, 6]
    assert steps(killed / "curve.jsonl") == [0, 2, 4, 6]
    assert expected["items.jsonl"] != expected["items_base.jsonl"], "nothing was learned: equal bytes would say nothing"


def test_a_cell_that_is_done_keeps_no_checkpoint_and_nothing_half_written(lay: Any) -> None:
    folder = lay("cell")
    assert ended(folder, "save", 1) == -signal.SIGKILL
    assert [path.name for path in (folder / "checkpoints").iterdir()] == ["checkpoint-6"]
    assert ended(folder) == 0
    names = set(records(folder))
    assert not [name for name in names if "checkpoint" in name or "partial" in name]
    items = {f"items{suffix}.jsonl" for suffix in ("", "_greedy", "_base", "_base_greedy")}
    assert items | {"metrics.jsonl", "curve.jsonl", "model/model.safetensors"} <= names


def test_what_is_measured_is_not_measured_again_and_half_of_it_does_not_count(lay: Any) -> None:
    folder = lay("cell")
    assert ended(folder, "train", 4) == -signal.SIGKILL
    measured = {path: path.stat().st_mtime_ns for path in folder.glob("items_base*.jsonl")}
    assert len(measured) == 2
    torn = folder / "items.partial"
    torn.write_text('{"id": "q')
    with (folder / "curve.jsonl").open("a") as file:
        file.write('{"step": 2, "accur')
    assert ended(folder) == 0, (folder / "log.txt").read_text()
    assert {path: path.stat().st_mtime_ns for path in measured} == measured
    assert not torn.exists()
    assert steps(folder / "curve.jsonl") == [0, 2, 4, 6]


def test_ctrl_c_saves_and_the_next_start_goes_on(lay: Any) -> None:
    whole, stopped = lay("whole"), lay("stopped")
    assert ended(whole) == 0
    assert ended(stopped, "train", 5, signal.SIGINT) == 130
    told = read(stopped)
    assert (told["state"], told["error"]) == ("interrupted", None)
    assert 0 < told["step"] < 6
    assert (stopped / "checkpoints" / f"checkpoint-{told['step']}").is_dir()
    assert ended(stopped) == 0
    assert records(stopped) == records(whole)
