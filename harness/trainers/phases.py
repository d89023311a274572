"""Where the time of a step goes: seconds and tokens by phase (rollout, reward, process, train, sync)."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from transformers import TrainerCallback

PHASES = ("rollout", "reward", "process", "train", "sync")


class PhaseClock(TrainerCallback):  # type: ignore[misc]  # transformers ships no type information that mypy follows
    """Counts every second once: a phase that begins inside another stops the outer one's clock.

    >>> with phases("rollout"):
    ...     phases.tokens("rollout", 128)

    As a callback it counts the optimiser's own step to `train`.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self.clock = clock
        self.open: list[str] = []
        self.since = clock()
        self._clear()

    @contextmanager
    def __call__(self, phase: str) -> Iterator[None]:
        self._begin(phase)
        try:
            yield
        finally:
            self._end()

    def tokens(self, phase: str, count: int) -> None:
        """Counts tokens that went through a phase."""
        self.counted[phase] += count

    def take(self) -> dict[str, float]:
        """What passed since the last call: `<phase>` in seconds, and `<phase>/tokens_per_second` where tokens did."""
        self._pass()
        seconds = {phase: round(self.seconds[phase], 4) for phase in PHASES}
        rates = {
            f"{phase}/tokens_per_second": round(count / self.seconds[phase], 1)
            for phase, count in self.counted.items()
            if self.seconds[phase]
        }
        self._clear()
        return seconds | rates

    def on_pre_optimizer_step(self, *_: Any, **__: Any) -> None:
        self._begin("train")

    def on_optimizer_step(self, *_: Any, **__: Any) -> None:
        self._end()

    def _begin(self, phase: str) -> None:
        self._pass()
        self.open.append(phase)

    def _end(self) -> None:
        self._pass()
        self.open.pop()

    def _pass(self) -> None:
        now = self.clock()
        if self.open:
            self.seconds[self.open[-1]] += now - self.since
        self.since = now

    def _clear(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.counted: dict[str, int] = defaultdict(int)
        self.since = self.clock()
