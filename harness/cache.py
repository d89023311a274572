"""Content-addressed stages on disk: made once, by one process at a time, and never seen half made."""

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from importlib.metadata import version
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout


def root() -> Path:
    """`$HARNESS_CACHE`, else `~/.cache/harness`."""
    return Path(os.environ.get("HARNESS_CACHE") or Path.home() / ".cache" / "harness")


def digest(parts: Any, sources: Iterable[Path] = (), packages: Iterable[str] = ()) -> str:
    """12 hex digits over JSON-able parts, the bytes of source files and the versions of installed packages."""
    hashed = hashlib.sha256(json.dumps(parts, sort_keys=True).encode())
    for source in sorted(sources):
        hashed.update(source.name.encode() + b"\0" + source.read_bytes())
    for package in sorted(packages):
        hashed.update(f"{package}=={version(package)}\n".encode())
    return hashed.hexdigest()[:12]


_MAKES: ContextVar[bool] = ContextVar("makes", default=True)


class NotMade(LookupError):
    """A stage is not there, and none is made now."""


@contextmanager
def only_made() -> Iterator[None]:
    """Within it no stage is made: one that is missing raises `NotMade`."""
    token = _MAKES.set(False)
    try:
        yield
    finally:
        _MAKES.reset(token)


def stage(name: str, make: Callable[[Path], None]) -> Path:
    """The folder `name` in the cache; where it is missing, `make` fills a scratch folder that then takes the name.

    Two processes that need one stage at once: the second waits for the first and uses its result. A killed `make`
    leaves only a scratch folder, which the next one removes.
    """
    folder = root() / name
    if folder.is_dir():
        return folder
    if not _MAKES.get():
        raise NotMade(f"{name} is not made yet")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _acquired(FileLock(f"{folder}.lock"), name):
        if not folder.is_dir():
            scratch = folder.with_name(f"{folder.name}.partial")
            shutil.rmtree(scratch, ignore_errors=True)
            scratch.mkdir()
            make(scratch)
            scratch.replace(folder)
    return folder


def _acquired(lock: FileLock, name: str) -> AbstractContextManager[object]:
    """Acquires the lock until the context ends; whoever has to wait for another process is told why."""
    try:
        return lock.acquire(timeout=0)
    except Timeout:
        print(f"waiting for another process that makes {name}", file=sys.stderr)
        return lock.acquire()


def folder_digest(folder: Path) -> str:
    """12 hex digits over the names and bytes of all files of a folder."""
    hashed = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        hashed.update(str(path.relative_to(folder)).encode() + b"\0")
        with path.open("rb") as file:
            hashed.update(hashlib.file_digest(file, "sha256").digest())
    return hashed.hexdigest()[:12]
