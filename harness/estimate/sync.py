"""What it costs to bring new weights from the trainer to the engine that samples."""

from harness.estimate.architecture import Architecture

# Shares of the nominal bandwidth that a broadcast reaches: assumed, and the range around it.
EFFICIENCY, BEST, WORST = 0.8, 1.0, 0.5


def weight_bytes(model: Architecture, element: int = 2) -> int:
    """Bytes of one copy of all weights: 2 N in bf16. TRL merges an adapter and sends all of them too."""
    return element * model.parameters


def seconds(size: float, gigabits: float, efficiency: float = EFFICIENCY) -> float:
    """Seconds to send `size` bytes over a link of `gigabits` a second: t = 8 bytes / (bandwidth * efficiency)."""
    return 8 * size / (gigabits * 1e9 * efficiency)


def share(rollout: float, train: float, sync: float) -> float:
    """Share of a step that is synchronisation, all three in seconds and one after the other."""
    return sync / (rollout + train + sync)
