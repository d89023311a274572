"""torchrun on one machine; `torch.distributed.run`, so that it is the one of this Python."""

import sys
from pathlib import Path

from harness.launch.placement import Seat
from harness.training import TrainRun


def command(folder: Path, run: TrainRun, seat: Seat) -> list[str]:
    """What is executed on a machine; by hand it does the same. A single process needs no torchrun."""
    own = ["-m", run.module, str(folder)]
    if run.shard.processes == 1:
        return [sys.executable, *own]
    torchrun = [sys.executable, "-m", "torch.distributed.run"]
    if seat.machines == 1:
        return [*torchrun, "--standalone", "--nproc-per-node", str(seat.processes), *own]
    meeting = ["--master-addr", seat.address, "--master-port", str(seat.port)]
    place = ["--nnodes", str(seat.machines), "--node-rank", seat.rank, "--nproc-per-node", str(seat.processes)]
    return [*torchrun, *place, *meeting, *own]
