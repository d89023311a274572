"""One command at a time runs a study; the second one is told who has it."""

import contextlib
import getpass
import os
import shlex
import socket
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from ablations.files import write

COMMAND_CHARACTERS = 300


class StudyBusy(RuntimeError):
    """Another process is running this study."""


@contextlib.contextmanager
def held(folder: Path) -> Iterator[None]:
    """Holds the study's lock. Raises `StudyBusy` naming the process, host, user, time and command that has it."""
    lock, owner = FileLock(folder / ".lock"), folder / ".lock-owner"
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        who = owner.read_text(encoding="utf-8") if owner.is_file() else "another process"
        raise StudyBusy(f"{folder} is being run by {who}; wait for it, or stop it first") from error
    try:
        write(owner, _me().encode())
        yield
        owner.unlink(missing_ok=True)
    finally:
        lock.release()


def _me() -> str:
    since = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"
    command = shlex.join(sys.argv)[:COMMAND_CHARACTERS]
    return f"process {os.getpid()} on {socket.gethostname()} of user {_user()} since {since}: {command}"


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may run under a number that has no name
        return str(os.getuid())
