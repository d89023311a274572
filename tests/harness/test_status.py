"""What a failed run says of its end."""

import json
from pathlib import Path

import pytest
import torch

from harness import status
from harness.status import StatusFile


def too_much() -> BaseException:
    """What the allocator of the CPU raises."""
    with pytest.raises(RuntimeError) as raised:
        torch.empty(10**16)
    return raised.value


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        pytest.param(MemoryError(), "OutOfMemory", id="of Python"),
        pytest.param(
            torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 3 GiB"), "OutOfMemory", id="of CUDA"
        ),
        pytest.param(too_much(), "OutOfMemory", id="of torch on the CPU"),
        pytest.param(RuntimeError("shapes differ"), "RuntimeError", id="another error"),
    ],
)
def test_lack_of_memory_has_one_name_and_says_what_helps(tmp_path: Path, error: BaseException, kind: str) -> None:
    file = StatusFile(tmp_path, 9)
    file.say(step=4)
    (tmp_path / status.LOG).write_text("first\nlast\n")
    file.failed(error)
    told = json.loads((tmp_path / status.FILE).read_text())["error"]
    assert (told["type"], told["step"], told["log"]) == (kind, 4, ["first", "last"])
    assert ("train.micro_batch" in told["message"]) == (kind == "OutOfMemory")


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        pytest.param(None, [], id="no log"),
        pytest.param("", [], id="empty"),
        pytest.param("a\n\nb", ["a", "", "b"], id="a line without its end"),
        pytest.param("\n".join(map(str, range(10**5))), [str(n) for n in range(10**5 - 20, 10**5)], id="long"),
        pytest.param("x" * 10**6, ["x" * status.LOG_CHARACTERS], id="one long line"),
    ],
)
def test_the_end_of_a_log_is_bounded(tmp_path: Path, text: str | None, lines: list[str]) -> None:
    if text is not None:
        (tmp_path / status.LOG).write_text(text)
    assert status.tail(tmp_path) == lines


def test_that_a_process_has_begun_never_hides_what_it_said(tmp_path: Path) -> None:
    status.begin(tmp_path, 17)
    assert status.read(tmp_path).items() >= {"state": "running", "phase": "start", "pid": 17}.items()
    StatusFile(tmp_path, 9).say(state="done")
    status.begin(tmp_path, 17)
    assert status.read(tmp_path)["state"] == "done"
    assert [path.name for path in tmp_path.iterdir()] == [status.FILE]


def test_the_time_of_an_earlier_attempt_counts(tmp_path: Path) -> None:
    status.replace(tmp_path / status.FILE, {"state": "running", "step": 7, "seconds": 100.0})
    status.set_aside(tmp_path)
    assert status.read(tmp_path) == {}
    told = status.StatusFile(tmp_path, steps=9)
    told.say(phase="train")
    found = status.read(tmp_path)
    assert found["step"] == 0
    assert 100 <= found["seconds"] < 110
    assert found["peak_bytes"] > 1_000_000
    told.say(state="done")
    assert [path.name for path in tmp_path.iterdir()] == [status.FILE]
