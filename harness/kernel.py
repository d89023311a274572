"""How often the kernel has killed a process here because memory ran out. A leaf."""

from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")
MACHINE = Path("/proc/vmstat")


def kills() -> int:
    """The counter `oom_kill` of this process's cgroup (version 2 or 1), else of the machine; 0 where none is kept."""
    for path in _counters():
        if path.is_file():
            lines = (line.split() for line in path.read_text(encoding="utf-8").splitlines())
            return next((int(words[1]) for words in lines if words[0] == "oom_kill"), 0)
    return 0


def _counters() -> list[Path]:
    found = []
    rows = MEMBERSHIP.read_text(encoding="utf-8").splitlines() if MEMBERSHIP.is_file() else []
    for row in rows:
        _, controllers, path = row.split(":", 2)
        if "memory" in controllers.split(","):
            found.append(CGROUPS / "memory" / path.lstrip("/") / "memory.oom_control")
        elif not controllers:
            found.append(CGROUPS / path.lstrip("/") / "memory.events")
    return [*found, MACHINE]
