"""Tells a process that works from one that hangs, by whether its status file is ever replaced."""

import time
from pathlib import Path

from harness import status


class Watchdog:
    """Looks at the status files of running cells; a cell without one still waits for its place and does not count.

    It compares what it sees itself: the clocks of two machines and a machine that slept do not matter.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.seen: dict[Path, tuple[int, float]] = {}
        self.hung: set[Path] = set()

    def begin(self, folder: Path) -> None:
        """A new attempt begins in the folder."""
        self.seen.pop(folder, None)
        self.hung.discard(folder)

    def hangs(self, folder: Path) -> bool:
        """True, and only once, when its status has stayed the same for too long."""
        try:
            stamp = (folder / status.FILE).stat().st_mtime_ns
        except FileNotFoundError:
            return False
        now = time.monotonic()
        if folder not in self.seen or self.seen[folder][0] != stamp:
            self.seen[folder] = stamp, now
        if folder in self.hung or now - self.seen[folder][1] <= self.seconds:
            return False
        self.hung.add(folder)
        return True
