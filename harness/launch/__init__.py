"""Starting a training run: one process, or several by torchrun or accelerate, on one machine or on many.

log.txt        what the processes print, of every attempt and every machine
status.json    how it goes and how it ended, also where a process died without a word
launch/        with accelerate or Slurm, the configs and scripts made for it
"""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from harness import advice, kernel, status
from harness.launch import accelerate, endings, hosts, slurm, torchrun
from harness.launch.placement import NotPlaceable, Placement, Seat
from harness.launch.session import Launcher, Session
from harness.training import TrainRun

POLL_SECONDS = 0.25
HERE = Placement()

Watch = Callable[[dict[str, Any]], None]


def start(folder: Path, run: TrainRun, watch: Watch = lambda status: None, placement: Placement = HERE) -> int:
    """Runs `folder/config.toml` to its end, from its last checkpoint where it has one, and returns the exit code.

    `watch` is called several times a second with the status. The code is 0, or 1 where `status.json` names a failure.

    Raises:
        NotPlaceable: a machine cannot be reached, or has not what is here; nothing has been started.
        KeyboardInterrupt: Ctrl-C ended it. The first one lets the run finish its step and save, the second does not.
    """
    folder = folder.resolve() if placement.hosts or placement.nodes else folder
    started = launchers(folder, run, placement)
    status.set_aside(folder)
    kills = kernel.kills()
    with Session(started, folder / status.LOG) as session:
        asked = _follow(session, folder, watch, placement)
    told = status.read(folder)
    if told.get("state") == "done":
        return 0
    if asked:
        _record(folder, told | {"state": "interrupted"})
        raise KeyboardInterrupt
    killed = endings.killed(run, placement, session, kernel.kills() > kills)
    if killed or told.get("state") not in ("failed", "interrupted"):
        kind, message = killed or advice.ended(
            session.ends[0].code, session.said().splitlines()[-endings.LAST :], False
        )
        died = status.describe(folder, kind, message, told.get("step"))
        _record(folder, told | {"state": "failed", "error": died})
    return 1


def launchers(folder: Path, run: TrainRun, placement: Placement) -> list[Launcher]:
    """What is executed here, one for each machine. Raises `NotPlaceable`."""
    if placement.nodes:
        seat = slurm.seat(run, placement.nodes)
        arguments = commands(folder, run, [seat], placement)[0]
        return [Launcher(slurm.command(arguments, placement.nodes), guarded=True)]
    if len(placement.hosts) < 2:
        return [Launcher(commands(folder, run, [Seat(run.shard.processes)], placement)[0])]
    first, *others = placement.hosts
    if lines := hosts.unreachable(others, folder):
        raise NotPlaceable("\n".join(lines))
    address = hosts.address(first.name)
    port = hosts.port(address)
    seats = [
        Seat(host.slots, len(placement.hosts), str(rank), address, port) for rank, host in enumerate(placement.hosts)
    ]
    here, *there = commands(folder, run, seats, placement)
    guarded = [
        Launcher(hosts.command(host.name, arguments), host.name, guarded=True)
        for host, arguments in zip(others, there, strict=True)
    ]
    return [Launcher(here, first.name), *guarded]


def commands(folder: Path, run: TrainRun, seats: list[Seat], placement: Placement) -> list[list[str]]:
    """What is executed on each machine; by hand it does the same."""
    if placement.launcher == "torchrun":
        return [torchrun.command(folder, run, seat) for seat in seats]
    accelerate.write(folder, run, seats[0])
    return [accelerate.command(folder, run, seat) for seat in seats]


def _follow(session: Session, folder: Path, watch: Watch, placement: Placement) -> bool:
    """Waits for the end and passes Ctrl-C on; True when there was one."""
    asked = False
    while True:
        try:
            if session.over():
                return asked
            time.sleep(POLL_SECONDS)
            if told := status.read(folder):
                watch(told)
        except KeyboardInterrupt:
            if asked:
                return True
            asked = True
            _interrupt(session, folder, placement)


def _interrupt(session: Session, folder: Path, placement: Placement) -> None:
    """Tells the run's first process, which decides for all; torchrun would kill them after half a minute."""
    process = status.read(folder).get("pid")
    if process and placement.nodes:
        slurm.interrupt(process)
        return
    with contextlib.suppress(ProcessLookupError):
        os.kill(process or session.first, signal.SIGINT)


def _record(folder: Path, told: Mapping[str, Any]) -> None:
    """Says how it ended; on a full disk the exit code alone does."""
    with contextlib.suppress(OSError):
        status.replace(folder / status.FILE, asdict(status.Status()) | dict(told))
