"""What torchrun starts in the sharding tests: the runs of several folders one after the other, in the same processes.

Completions are no samples here but a function of prompt and place in its group: processes draw from generators of their
own, so that sampled runs of one and of two processes are different runs.
"""

import random
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness import threads

threads.apply()

from harness.trainers import sharding  # noqa: E402
from harness.trainers.run import Run  # noqa: E402

WORDS = range(10, 60)


def written(prompt: Sequence[int], member: int, end: int) -> list[int]:
    """The completion of the `member`-th of a prompt's group."""
    draw = random.Random(f"{member}/{prompt}")
    return [*draw.choices(WORDS, k=draw.randint(2, 7)), end]


def write_instead_of_sampling() -> None:
    from harness.trainers import grpo

    def write(self: Any, prompt_ids: list[list[int]], *_: Any) -> tuple[list[list[int]], None]:
        start = self.accelerator.process_index * len(prompt_ids)
        members = [(start + i) % self.num_generations for i in range(len(prompt_ids))]
        ends = self.processing_class.eos_token_id
        return [written(prompt, member, ends) for prompt, member in zip(prompt_ids, members, strict=True)], None

    grpo.Trainer._generate_single_turn = write


def forget() -> None:
    """Undoes what accelerate and transformers keep of a run for the rest of the process."""
    from accelerate.state import AcceleratorState
    from transformers.integrations.deepspeed import unset_hf_deepspeed_config

    AcceleratorState._reset_state()
    unset_hf_deepspeed_config()


def main() -> None:
    for number, folder in enumerate(map(Path, sys.argv[1:])):
        run = Run(folder)
        if not number:
            sharding.join(run.config)
            write_instead_of_sampling()
        run.run()
        forget()


if __name__ == "__main__":
    main()
