"""Stages: made once, even by processes that race; a killed maker leaves nothing that looks finished."""

import subprocess
import sys
from pathlib import Path

import pytest

from harness import cache

RACER = """
import sys, time
from pathlib import Path
from harness import cache
def make(folder):
    (Path(sys.argv[1]) / f"made-by-{sys.argv[2]}").touch()
    time.sleep(3)
    (folder / "done").write_text(sys.argv[2])
print((cache.stage("stage", make) / "done").read_text())
"""


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))


def test_racing_processes_make_a_stage_once(tmp_path: Path) -> None:
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACER, str(tmp_path), str(i)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for i in range(3)
    ]
    said = [racer.communicate(timeout=60) for racer in racers]
    assert len({out for out, _ in said}) == 1
    assert any("waiting for another process that makes stage" in err for _, err in said)
    assert len(list(tmp_path.glob("made-by-*"))) == 1


def test_a_killed_maker_leaves_no_stage_and_the_next_makes_it(tmp_path: Path) -> None:
    script = "from harness import cache; import os; cache.stage('stage', lambda f: os.kill(os.getpid(), 9))"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == -9
    assert not (cache.root() / "stage").exists()
    folder = cache.stage("stage", lambda scratch: (scratch / "done").touch())
    assert (folder / "done").is_file()


def test_a_failing_maker_is_heard_and_leaves_no_stage() -> None:
    with pytest.raises(ZeroDivisionError):
        cache.stage("stage", lambda _: print(1 / 0))
    assert not (cache.root() / "stage").exists()


def test_digest_follows_sources_and_parts(tmp_path: Path) -> None:
    source = tmp_path / "a.py"
    source.write_text("x = 1")
    before = cache.digest({"n": 1}, [source])
    assert cache.digest({"n": 1}, [source]) == before
    assert cache.digest({"n": 2}, [source]) != before
    source.write_text("x = 2")
    assert cache.digest({"n": 1}, [source]) != before


def test_folder_digest_follows_names_and_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1")
    before = cache.folder_digest(tmp_path)
    (tmp_path / "a").rename(tmp_path / "b")
    assert cache.folder_digest(tmp_path) != before
