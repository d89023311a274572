"""What the kernel says of memory here: how much there may be, and how often it has killed for want of it. A leaf."""

import resource
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")
MACHINE = Path("/proc/vmstat")
INSTALLED = Path("/proc/meminfo")


def kills() -> int:
    """The counter `oom_kill` of this process's cgroup (version 2 or 1), else of the machine; 0 where none is kept."""
    for path in [*_files("memory.oom_control", "memory.events"), MACHINE]:
        if path.is_file():
            lines = (line.split() for line in path.read_text(encoding="utf-8").splitlines())
            return next((int(words[1]) for words in lines if words[0] == "oom_kill"), 0)
    return 0


def memory() -> int | None:
    """The most bytes that a process here may have: of the machine, its cgroup and `ulimit -v`; None where none is said.

    A process that is started here has the same limits.
    """
    found = [soft for soft in resource.getrlimit(resource.RLIMIT_AS)[:1] if soft != resource.RLIM_INFINITY]
    if INSTALLED.is_file():
        # "MemTotal:       24576000 kB"
        found.append(int(INSTALLED.read_text(encoding="utf-8").split()[1]) * 1024)
    for path in _files("memory.limit_in_bytes", "memory.max"):
        if path.is_file() and (text := path.read_text(encoding="utf-8").strip()).isdecimal():
            found.append(int(text))
    return min(found, default=None)


def _files(first: str, second: str) -> list[Path]:
    """A file of this process's group, by its name in version 1 and in version 2."""
    found = []
    rows = MEMBERSHIP.read_text(encoding="utf-8").splitlines() if MEMBERSHIP.is_file() else []
    for row in rows:
        _, controllers, path = row.split(":", 2)
        if "memory" in controllers.split(","):
            found.append(CGROUPS / "memory" / path.lstrip("/") / first)
        elif not controllers:
            found.append(CGROUPS / path.lstrip("/") / second)
    return found
