"""Which process of a run, on which machine, was killed or lost; what the others say of it is no cause."""

import re
import signal

from harness import advice
from harness.launch import hosts
from harness.launch.placement import Placement
from harness.launch.session import End, Session
from harness.training import TrainRun

# A line of torchrun's summary for each process that ended badly; accelerate starts torchrun.
DEAD = re.compile(r"^\s*host\s*: (\S+)\n\s*rank\s*: (\d+) .*\n\s*exitcode\s*: -(\d+)", re.MULTILINE)
LOST = "MachineLost"
# Lines of the log in which the cause is looked for, where nobody said it.
LAST = 60


def killed(run: TrainRun, placement: Placement, session: Session, by_kernel: bool) -> tuple[str, str] | None:
    """Kind and message; None where no process was killed by a signal and no machine was lost.

    The others of its run fail as well when it is gone, or torchrun ends them with SIGTERM: what they say is no cause.
    """
    log = session.said()
    if run.shard.processes == 1 and not placement.nodes:
        code = session.ends[0].code
        if code >= 0 or code == -signal.SIGTERM:
            return None
        return advice.ended(code, log.splitlines()[-LAST:], by_kernel)
    for machine, rank, number in DEAD.findall(log):
        if int(number) != signal.SIGTERM:
            place = _host(placement, int(rank)) or (machine if placement.nodes > 1 else "")
            which = f"process {rank} of {run.shard.processes}" + (f", on {place}," if place else "")
            return advice.ended(-int(number), (), by_kernel, which)
    return next((found for end in session.ends if (found := _lost(end, placement, log))), None)


def _host(placement: Placement, rank: int) -> str:
    """The machine of a hostfile that a process was started on."""
    for host in placement.hosts if len(placement.hosts) > 1 else ():
        if rank < host.slots:
            return host.name
        rank -= host.slots
    return ""


def _lost(end: End, placement: Placement, log: str) -> tuple[str, str] | None:
    """A machine whose launcher ended as none does by itself."""
    if len(placement.hosts) < 2 or end.code == 0:
        return None
    if end.code < 0:
        how = f"its launcher was killed by {signal.Signals(-end.code).name}"
    elif (how := hosts.lost(end.code, log) or "") == "":
        return None
    return LOST, f"the machine {end.host} is lost: {how}; {advice.GOES_ON}"
