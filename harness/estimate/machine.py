"""The memory of this machine: of its GPUs, or what a training process on its CPU may take."""

import os
import subprocess
from dataclasses import replace

from harness.estimate.hardware import ACCELERATORS, Accelerator
from harness.estimate.memory import GB
from harness.kernel import memory, ram

__all__ = ["cpu", "gpus", "here", "measured", "memory", "vllm_cache"]

MIB, GIB = 1 << 20, 1 << 30
ASKED = ["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits"]


def here(processes: int) -> Accelerator:
    """What one of `processes` training processes has here: a whole GPU, the smallest of them, or a share of the RAM."""
    found = gpus()
    return measured(min(found)) if found else cpu(processes)


def measured(memory: float) -> Accelerator:
    """A GPU with `memory` bytes and, since nothing but its memory was measured, the speeds of an H100."""
    return replace(ACCELERATORS["h100"], name="gpu", memory_gb=memory / GB)


def cpu(processes: int) -> Accelerator:
    """One core for each of `processes` that divide the memory evenly."""
    return replace(ACCELERATORS["cpu"], memory_gb=memory() / processes / GB)


def gpus() -> list[int]:
    """Bytes of every GPU, as the driver says; none where no driver answers or this process may use none."""
    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        return []
    try:
        listed = subprocess.run(ASKED, capture_output=True, text=True, timeout=20, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    # A GPU whose memory is the machine's own answers with words.
    return [int(line) * MIB for line in listed.split() if line.isdigit()]


def vllm_cache() -> int:
    """Bytes of keys and values that vLLM's CPU build takes here: what `VLLM_CPU_KVCACHE_SPACE` says, or our default."""
    said = os.environ.get("VLLM_CPU_KVCACHE_SPACE", "")
    return GIB * (int(said) if said.isdigit() else max(1, ram() // 6 // GIB))
