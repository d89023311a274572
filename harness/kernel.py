"""What the kernel says of memory here: how much there may be, and how often it has killed for want of it. A leaf."""

import os
import resource
from collections.abc import Iterator
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")
MACHINE = Path("/proc/vmstat")


def kills() -> int:
    """The counter `oom_kill` of this process's cgroup (version 2 or 1), else of the machine; 0 where none is kept."""
    for path in [*_files("memory.oom_control", "memory.events"), MACHINE]:
        if path.is_file():
            lines = (line.split() for line in path.read_text(encoding="utf-8").splitlines())
            return next((int(words[1]) for words in lines if words[0] == "oom_kill"), 0)
    return 0


def ram() -> int:
    """Bytes of memory that the machine has."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def memory() -> int:
    """The most bytes that processes here may have: of the machine, of the cgroups around them, or of `ulimit -v`."""
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    found = [ram(), *([] if soft == resource.RLIM_INFINITY else [soft])]
    for path in _files("memory.limit_in_bytes", "memory.max", above=True):
        if path.is_file() and (text := path.read_text(encoding="utf-8").strip()).isdecimal():
            found.append(int(text))
    return min(found)


def _files(first: str, second: str, above: bool = False) -> Iterator[Path]:
    """A file of this process's groups, by its name in version 1 and in version 2; of those `above` them too."""
    rows = MEMBERSHIP.read_text(encoding="utf-8").splitlines() if MEMBERSHIP.is_file() else []
    for row in rows:
        _, controllers, path = row.split(":", 2)
        group = Path(path.lstrip("/"))
        for each in (group, *group.parents) if above else (group,):
            if "memory" in controllers.split(","):
                yield CGROUPS / "memory" / each / first
            elif not controllers:
                yield CGROUPS / each / second
