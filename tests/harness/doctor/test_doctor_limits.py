"""The machine's limits, each met for real where a test can: a full tmpfs, few files, folders that cannot be written."""

import os
import resource
import shutil
import subprocess
from collections import namedtuple
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness.doctor import limits

Usage = namedtuple("Usage", "total used free")


@contextmanager
def limited(which: int, soft: int) -> Iterator[None]:
    before = resource.getrlimit(which)
    resource.setrlimit(which, (soft, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(which, before)


def test_all_are_told_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_EXTENSIONS_DIR", str(tmp_path / "none"))
    names = [finding.name for finding in limits.checks(tmp_path)]
    assert names == [
        "cores", "memory", "shared memory", "open files", "processes", "results", "cache", "hub cache", "temporary"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("soft", "status"),
    [
        pytest.param(512, "fail", id="vLLM alone opens more"),
        pytest.param(2048, "warn", id="Ray wants more"),
        pytest.param(4096, "ok", id="enough"),
    ],
)
def test_open_files_with_the_command(soft: int, status: str) -> None:
    with limited(resource.RLIMIT_NOFILE, soft):
        found = limits.files()
    assert found.status == status
    assert found.message.startswith(f"{soft:,}") and ("ulimit -n " in found.message) == (status != "ok")


def test_processes_with_the_command() -> None:
    with limited(resource.RLIMIT_NPROC, 200):
        found = limits.processes()
    assert found.status == "fail" and "ulimit -u " in found.message


def test_more_threads_than_cores_are_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", str(len(os.sched_getaffinity(0)) + 1))
    assert limits.cores().status == "warn"
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert limits.cores().status == "ok"


def test_little_memory_is_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits.machine, "memory", lambda: 2_000_000_000)
    assert limits.memory().status == "warn"
    monkeypatch.setattr(limits.machine, "memory", lambda: 25_000_000_000)
    assert limits.memory().message == "25.0 GB"


@pytest.mark.parametrize(
    ("free", "status"),
    [
        pytest.param(64 << 20, "warn", id="what a container has unless told otherwise"),
        pytest.param(8 << 30, "ok", id="enough"),
    ],
)
def test_shared_memory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, free: int, status: str) -> None:
    monkeypatch.setattr(limits.shutil, "disk_usage", lambda path: Usage(free, 0, free))
    found = limits.shared(tmp_path)
    assert found.status == status
    assert ("--shm-size" in found.message) == (status == "warn")


def test_no_shared_memory_at_all(tmp_path: Path) -> None:
    assert limits.shared(tmp_path / "shm").status == "warn"


@pytest.mark.parametrize(
    ("free", "status"),
    [
        pytest.param(5e8, "fail", id="nothing could be written"),
        pytest.param(5e9, "warn", id="a few checkpoints fill it"),
        pytest.param(5e11, "ok", id="enough"),
    ],
)
def test_a_disk_by_what_is_free(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, free: float, status: str) -> None:
    monkeypatch.setattr(limits.shutil, "disk_usage", lambda path: Usage(1e12, 0, free))
    assert limits.folder("cache", tmp_path / "not" / "yet").status == status
    assert not (tmp_path / "not").exists()


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("mount") is None, reason="mounting needs root")
def test_a_disk_that_is_full_in_truth(tmp_path: Path) -> None:
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", tmp_path], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"no tmpfs can be mounted here: {mounted.stderr.decode().strip()}")
    try:
        found = limits.folder("temporary", tmp_path)
        assert found.status == "fail"
        assert "0.0 GB free" in found.message and "set TMPDIR" in found.message
        subprocess.run(["mount", "-o", "remount,ro", tmp_path], check=True)
        assert "cannot be written (Read-only file system)" in limits.folder("temporary", tmp_path).message
    finally:
        subprocess.run(["umount", tmp_path], check=True)


def test_a_folder_that_is_a_file_fails(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("")
    found = limits.folder("cache", tmp_path / "cache")
    assert found.status == "fail"
    assert "is a file; set HARNESS_CACHE" in found.message


def test_looking_leaves_nothing_behind(tmp_path: Path) -> None:
    limits.folder("results", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_lock_of_a_killed_compilation_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_EXTENSIONS_DIR", str(tmp_path))
    (tmp_path / "py311_cpu" / "deepspeed_shm_comm").mkdir(parents=True)
    assert limits.locks() == []
    (tmp_path / "py311_cpu" / "deepspeed_shm_comm" / "lock").touch()
    (found,) = limits.locks()
    assert found.status == "warn" and "deepspeed_shm_comm/lock" in found.message


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        pytest.param({"HF_HUB_CACHE": "/a/b"}, "/a/b", id="said itself"),
        pytest.param({"HF_HOME": "/a"}, "/a/hub", id="below its home"),
        pytest.param({"XDG_CACHE_HOME": "/c"}, "/c/huggingface/hub", id="below the user's caches"),
    ],
)
def test_the_hub_cache_is_where_the_hub_keeps_it(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], expected: str
) -> None:
    for name in ("HF_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert limits.hub() == Path(expected)
