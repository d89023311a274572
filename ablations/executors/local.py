"""Cells as processes of this machine, its CUDA devices dealt out among them."""

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

from ablations.executors.process import Process

VISIBLE = "CUDA_VISIBLE_DEVICES"


def devices() -> tuple[str, ...]:
    """The CUDA devices this process may use, as `CUDA_VISIBLE_DEVICES` names them; read without importing torch."""
    if (given := os.environ.get(VISIBLE)) is not None:
        names = (name.strip() for name in given.split(","))
        return tuple(name for name in names if name and name != "-1")
    try:
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=20, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return ()
    return tuple(re.findall(r"^GPU (\d+):", listed, re.MULTILINE))


class Local:
    """`slots` cells at a time. A cell is one process and gets one device: the one that fewest cells have now."""

    def __init__(self, slots: int, environment: Mapping[str, str], cuda: tuple[str, ...] | None = None) -> None:
        self.slots = slots
        self.environment = environment
        self.cuda = devices() if cuda is None else cuda
        self.dealt: list[tuple[Process, str]] = []

    def start(self, folder: Path, module: str) -> Process:
        if not self.cuda:
            return Process(folder, module, self.environment)
        self.dealt = [(job, device) for job, device in self.dealt if not job.over]
        device = min(self.cuda, key=[device for _, device in self.dealt].count)
        job = Process(folder, module, {**self.environment, VISIBLE: device})
        self.dealt.append((job, device))
        return job
