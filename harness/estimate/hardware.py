"""Accelerators by name, with the speeds that the makers' data sheets give and the share of them that is assumed."""

from dataclasses import dataclass

from harness.duration import TRAINING_FLOPS
from harness.nearest import hint

# The rest is left to the CUDA context, communication buffers and what the allocator cannot use.
USABLE = 0.9


class UnknownAccelerator(ValueError):
    """No accelerator by that name; the message lists what there is."""


@dataclass(frozen=True)
class Accelerator:
    """One GPU, or one CPU core.

    Attributes:
        memory_gb: 1e9 bytes.
        flops: dense bf16 operations a second.
        bandwidth: bytes a second from its memory.
        link: bytes a second to a neighbour in the same machine, one way.
        mfu: share of `flops` that training and the reading of prompts reach.
        decoding: share of `bandwidth` that generation reaches.
        own_gb: what a process holds before it loads a model; a GPU's context is in the tenth that is left free.
        tile_copies: copies of a tile of logits that live at once in the backward pass of the output.
    """

    name: str
    memory_gb: float
    flops: float
    bandwidth: float
    link: float
    mfu: float = 0.4
    decoding: float = 0.6
    own_gb: float = 0.0
    # TRL's kernel works in place; its fallback in torch holds tile, logits, their scaled form, log p, p, gradient, the
    # one-hot target (bool), target - p and its product at once: 8.25.
    tile_copies: float = 1.0

    @property
    def usable_gb(self) -> float:
        """What a run may fill, in 1e9 bytes."""
        return USABLE * self.memory_gb - self.own_gb

    @property
    def is_cpu(self) -> bool:
        return self.name == "cpu"


ACCELERATORS = {
    each.name: each
    for each in (
        Accelerator("a100", 80, 312e12, 2.04e12, 300e9),
        Accelerator("a100-40gb", 40, 312e12, 1.555e12, 300e9),
        Accelerator("h100", 80, 989e12, 3.35e12, 450e9),
        Accelerator("h200", 141, 989e12, 4.8e12, 450e9),
        Accelerator("b200", 180, 2250e12, 7.7e12, 900e9),
        Accelerator("l40s", 48, 362e12, 0.864e12, 32e9),
        Accelerator("rtx4090", 24, 165e12, 1.008e12, 32e9),
        # One AVX2 core in float32, as measured: its figures are speeds reached, not peaks; `own_gb` is what a process
        # holds once torch, transformers, TRL and peft are imported.
        Accelerator("cpu", 16, TRAINING_FLOPS, 3.2e9, 5e9, mfu=1.0, decoding=1.0, own_gb=0.5, tile_copies=8.25),
    )
}


def accelerator(name: str) -> Accelerator:
    """Looks an accelerator up. Raises `UnknownAccelerator`."""
    if name not in ACCELERATORS:
        raise UnknownAccelerator(
            f"--gpu {name}: {hint(name, ACCELERATORS)}There are {', '.join(ACCELERATORS)}; "
            "--gpu-gb sets the memory of another"
        )
    return ACCELERATORS[name]
