"""Run a Python file of the user's as a module, and say in one line where it goes wrong."""

from __future__ import annotations

import hashlib
import sys
import traceback
from pathlib import Path
from types import ModuleType

from rewards.errors import RewardError

__all__ = ["line", "located", "module_name", "read", "run"]

MAX_BYTES = 1_000_000


def read(path: Path) -> bytes:
    """Return the bytes of a source file. Raises `RewardError` where it cannot be read or is over a megabyte."""
    try:
        with path.open("rb") as file:
            source = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise RewardError(f"{path}: cannot read it: {error.strerror}") from error
    if len(source) > MAX_BYTES:
        raise RewardError(f"{path}: give one Python file of at most {MAX_BYTES:,} bytes")
    return source


def module_name(source: bytes) -> str:
    """Return the name that the file's module goes by: equal contents are one module, wherever they lie."""
    return f"user_file_{hashlib.sha256(source).hexdigest()[:16]}"


def run(path: Path, source: bytes) -> ModuleType:
    """Run `source` as the module of the file `path`, in this process, as an import would.

    Raises `RewardError`, one line that begins with the file and the last of its lines that was reached.
    """
    module = ModuleType(module_name(source))
    module.__file__ = str(path.absolute())
    # Dataclasses and pickles look their module up by name, the first while the file still runs.
    sys.modules[module.__name__] = module
    try:
        exec(compile(source, str(path), "exec", dont_inherit=True), module.__dict__)
    except BaseException as error:
        del sys.modules[module.__name__]
        if isinstance(error, Exception | SystemExit):
            raise RewardError(_told(error, path)) from error
        raise
    return module


def _told(error: BaseException, path: Path) -> str:
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return f"{path}:{error.lineno}: {error.msg}"
    reached = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    return f"{path}:{reached[-1]}: {line(error)}" if reached else f"{path}: {line(error)}"


def located(error: BaseException) -> str:
    """Return an error as one line that begins with the file and line where it was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{frames[-1].filename}:{frames[-1].lineno}: {line(error)}" if frames else line(error)


def line(error: BaseException) -> str:
    """Return an error as one line; of the library's own, which say what to do, the message alone."""
    message = " ".join(str(error).split())
    return message if isinstance(error, RewardError) else f"{type(error).__name__}: {message}"
