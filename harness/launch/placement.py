"""Where the processes of a run are, which is no part of what the run is: its config knows only how many there are."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Launcher = Literal["torchrun", "accelerate"]

# As the rank of a seat: only known on the node, where the guard puts its number.
NODE = "$SLURM_NODEID"
LINE = re.compile(r"(?P<name>[\w.:@-]+)(\s+slots\s*=\s*(?P<slots>[1-9]\d*))?\s*(#.*)?")


class NotPlaceable(ValueError):
    """The run cannot be placed as asked; each line of the message is one problem and its fix."""


@dataclass(frozen=True)
class Host:
    """A machine, by the name that ssh knows it by, and how many of the run's processes it has."""

    name: str
    slots: int = 1


@dataclass(frozen=True)
class Placement:
    """Who starts the processes, and where: on `hosts`, on `nodes` of the Slurm job that this is part of, or here."""

    launcher: Launcher = "torchrun"
    hosts: tuple[Host, ...] = ()
    nodes: int = 0


@dataclass(frozen=True)
class Seat:
    """The place of one machine among all of a run.

    Attributes:
        rank: its number from 0, as the launcher is told it.
        processes: how many it starts.
        address, port: where the launchers meet, on the first machine; nowhere for a single one.
    """

    processes: int
    machines: int = 1
    rank: str = "0"
    address: str = ""
    port: int = 0


def read(file: Path) -> tuple[Host, ...]:
    """The machines of a hostfile, `host slots=N` a line as DeepSpeed and Open MPI write it. Raises `NotPlaceable`."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no text"
        raise NotPlaceable(f"--hostfile {file}: {reason}; give a file of lines `host slots=N`") from error
    hosts, problems = [], []
    for number, line in enumerate(map(str.strip, lines), 1):
        if not line or line.startswith("#"):
            continue
        # A name that begins with a dash would be an option of ssh.
        if not (found := LINE.fullmatch(line)) or line.startswith("-"):
            problems.append(f"{file}:{number}: {line[:80]}: give `host slots=N`, as `node1 slots=8`")
            continue
        hosts.append(Host(found["name"], int(found["slots"] or 1)))
    names = [host.name for host in hosts]
    problems += [
        f"{file}: {name} stands there twice; add up its slots" for name in dict.fromkeys(names) if names.count(name) > 1
    ]
    if not (hosts or problems):
        problems.append(f"{file}: names no machine; give lines `host slots=N`")
    if problems:
        raise NotPlaceable("\n".join(problems))
    return tuple(hosts)
