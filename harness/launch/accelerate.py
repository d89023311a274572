"""`accelerate launch` on one machine, with a config that is made from the run.

launch/accelerate.yaml   what `accelerate launch --config_file` takes, the same on every machine
launch/deepspeed.json    with ZeRO, the config that training itself uses
"""

import json
import shlex
import sys
from pathlib import Path
from typing import Any

from harness import whole
from harness.launch.placement import Seat
from harness.training import TrainRun

FOLDER = "launch"
CONFIG = "accelerate.yaml"
DEEPSPEED = "deepspeed.json"
HEAD = """\
# By hand, in the working directory of the run, on every machine with its number:
#     accelerate launch --config_file {config} --machine_rank 0 -m {module} {folder}
# MULTI_GPU starts the processes on a CPU as well; told MULTI_CPU, accelerate starts one, and does not say so.
"""


def write(folder: Path, run: TrainRun, seat: Seat) -> Path:
    """Writes the config of a run on machines like this one that meet where `seat` says, and returns its path."""
    import torch

    from harness.trainers import sharding

    on_cpu = not torch.cuda.is_available()
    home = folder / FOLDER
    home.mkdir(exist_ok=True)
    path, divided = home / CONFIG, run.shard.strategy.startswith("zero")
    if divided:
        whole.write(home / DEEPSPEED, json.dumps(sharding.deepspeed(run, on_cpu), indent=1) + "\n")
    config = settings(run, seat, on_cpu, home / DEEPSPEED if divided else None)
    # JSON values are YAML values.
    lines = "".join(f"{name}: {json.dumps(value)}\n" for name, value in config.items())
    whole.write(
        path, HEAD.format(config=shlex.quote(str(path)), module=run.module, folder=shlex.quote(str(folder))) + lines
    )
    return path


def settings(run: TrainRun, seat: Seat, on_cpu: bool, deepspeed: Path | None) -> dict[str, Any]:
    """The content of the file. What FSDP divides, and how, the run itself says."""
    return {
        "compute_environment": "LOCAL_MACHINE",
        "distributed_type": "DEEPSPEED" if deepspeed else "MULTI_GPU" if run.shard.processes > 1 else "NO",
        "use_cpu": on_cpu,
        "num_machines": seat.machines,
        "num_processes": run.shard.processes,
        # 0: any free port of this machine.
        "main_process_port": seat.port,
        **({"main_process_ip": seat.address} if seat.machines > 1 else {}),
        "same_network": True,
        "rdzv_backend": "static",
        "machine_rank": 0,
        **(
            {"deepspeed_config": {"deepspeed_config_file": str(deepspeed), "deepspeed_multinode_launcher": "standard"}}
            if deepspeed
            else {}
        ),
    }


def command(folder: Path, run: TrainRun, seat: Seat) -> list[str]:
    """What is executed on a machine, once the config is written."""
    accelerate = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", str(folder / FOLDER / CONFIG)]
    return [*accelerate, "--machine_rank", seat.rank, "-m", run.module, str(folder)]
