"""A low-rank adapter that learns beside the policy, on a base that it shares with the policy where it can.

Where the policy is itself an adapter (LoRA, QLoRA, DoRA), its frozen base serves both and no second copy is loaded.
Whatever is done here, the policy comes out as it went in: its weights, its active adapter, which of its parameters are
trainable, and whether it is in training mode.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import torch
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict
from safetensors.torch import save_file

from harness import weights
from harness.training import TrainRun

NAME = "implicit"
WEIGHTS = "adapter_model.safetensors"
ALPHA_PER_RANK = 2
"""As `AdapterConfig` has it: alpha 32 at rank 16."""


class SecondAdapter:
    """The adapter `NAME` of a `PeftModel`; new, it changes no output.

    Attributes:
        model: the `PeftModel`, which is the policy's own where `shared`.
        parameters: the adapter's, in float32 whatever the base has.
        checkpointing: activations are computed again in the backward pass, as the trainer does for the policy.
    """

    def __init__(self, model: Any, shared: bool, checkpointing: bool) -> None:
        self.model = model
        self.shared = shared
        self.checkpointing = checkpointing
        self.parameters = [each for name, each in model.named_parameters() if f".{NAME}." in name]

    @classmethod
    def on(cls, run: TrainRun, policy: Any, rank: int, checkpointing: bool) -> Self:
        """The adapter on the base of `policy` where that is frozen and whole, else on a copy of the starting model.

        The random numbers of the run are the same as without it, and `run.seed` alone decides its first weights.
        """
        # DeepSpeed lays out anew what it trains, and may round the adapter to its own precision.
        shared = run.adapter is not None and run.shard.strategy == "ddp"
        with torch.random.fork_rng():
            torch.manual_seed(run.seed)
            if shared:
                first = policy.peft_config[policy.active_adapter]
                with _as_it_was(policy):
                    policy.add_adapter(NAME, _config(run, rank, first.target_modules))
                model = policy
            else:
                model = _copy(run, rank, checkpointing)
        made = cls(model, shared, checkpointing)
        for parameter in made.parameters:
            parameter.requires_grad_(not shared)
        return made

    @contextmanager
    def applied(self, learning: bool = False) -> Iterator[None]:
        """Inside, the model is the base with this adapter; with `learning`, gradients reach it and nothing else."""
        with _as_it_was(self.model):
            self.model.set_adapter(NAME, inference_mode=not learning)
            # Without dropout also when it learns, but transformers recomputes activations in training mode only.
            self.model.train(learning and self.checkpointing)
            yield

    @contextmanager
    def absent(self) -> Iterator[None]:
        """Inside, the model is the base alone."""
        with _as_it_was(self.model), self.model.disable_adapter():
            self.model.eval()
            yield

    def state(self) -> dict[str, torch.Tensor]:
        """The adapter's weights, under the names that an adapter's file has."""
        return dict(get_peft_model_state_dict(self.model, adapter_name=NAME))

    def load(self, state: dict[str, torch.Tensor]) -> None:
        set_peft_model_state_dict(self.model, state, adapter_name=NAME)

    def save(self, folder: Path) -> None:
        """Writes a folder that `peft.PeftModel.from_pretrained` lays over the starting model."""
        folder.mkdir(exist_ok=True)
        save_file({name: each.cpu().contiguous() for name, each in self.state().items()}, folder / WEIGHTS)
        self.model.peft_config[NAME].save_pretrained(folder)

    def remove(self) -> None:
        """Leaves the policy as if it had never been; the adapter is gone."""
        if self.shared:
            with _as_it_was(self.model):
                self.model.delete_adapter(NAME)


def _copy(run: TrainRun, rank: int, checkpointing: bool) -> Any:
    """The starting model once more, frozen, with the adapter on it."""
    base = weights.model(run.model.path, run.adapter is not None and run.adapter.kind == "qlora")
    if checkpointing:
        base.gradient_checkpointing_enable({"use_reentrant": False})
    return get_peft_model(base, _config(run, rank, "all-linear"), adapter_name=NAME)


def _config(run: TrainRun, rank: int, layers: Any) -> LoraConfig:
    return LoraConfig(
        r=rank,
        lora_alpha=ALPHA_PER_RANK * rank,
        target_modules=layers,
        task_type="CAUSAL_LM",
        base_model_name_or_path=run.model.path,
    )


@contextmanager
def _as_it_was(model: Any) -> Iterator[None]:
    """Restores what peft and torch would else leave changed."""
    active, training = model.active_adapter, model.training
    trainable = [(parameter, parameter.requires_grad) for parameter in model.parameters()]
    try:
        yield
    finally:
        model.set_adapter(active)
        model.train(training)
        for parameter, before in trainable:
            parameter.requires_grad_(before)
