"""The weights that a trainer holds, whole and under their checkpoint's names, with adapters merged."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
from peft.tuners.lora import LoraLayer
from peft.utils.integrations import dequantize_module_weight
from torch.distributed.tensor import DTensor
from trl.distributed import DistributedBackend


class UnsyncableWeights(ValueError):
    """The weights of this model cannot be handed to a rollout engine; the message says what can."""


@torch.no_grad()
def named_weights(model: Any, accelerator: Any) -> Iterator[tuple[str, torch.Tensor]]:
    """Every weight of the model once (tied ones too), under the name it has in the checkpoint of the unadapted model.

    A weight that ZeRO-3 or FSDP divides is gathered when it is its turn, by all processes together: each must read to
    the end. The tensors may be the parameters' own memory and must be copied before the next update.

    Raises:
        UnsyncableWeights: the model is sharded by the first version of FSDP, which flattens its parameters.
    """
    backend = DistributedBackend(accelerator)
    if backend.fsdp_version == 1:
        raise UnsyncableWeights("vLLM rollouts need shard.strategy ddp, a ZeRO stage, or version 2 of FSDP")
    return _gathered(model, backend.gather_params)


def _gathered(
    model: Any, gather: Callable[[Sequence[Any]], AbstractContextManager[None]]
) -> Iterator[tuple[str, torch.Tensor]]:
    adapted = {
        f"{name}.base_layer.weight": layer for name, layer in model.named_modules() if isinstance(layer, LoraLayer)
    }
    for name, parameter in model.named_parameters():
        if ".lora_" in name:
            continue
        layer = adapted.get(name)
        with gather([parameter] if layer is None else list(layer.parameters())):
            weight = parameter.data if layer is None else merged(layer)
            yield _checkpoint_name(name), weight.full_tensor() if isinstance(weight, DTensor) else weight


@torch.no_grad()
def merged(layer: Any) -> torch.Tensor:
    """A layer's weight with its active adapters: W + (alpha / rank) B A, with DoRA's magnitudes where it has them.

    The layer stays as it is. Merging in place and taking it back, as `merge_adapter` does, would leave the base weights
    with the rounding of every step. A 4-bit base is taken at full precision, as the layer's own forward pass does.
    """
    weight: torch.Tensor = dequantize_module_weight(layer.base_layer).data
    for adapter in layer.active_adapters:
        variant = layer.lora_variant.get(adapter)
        if variant is not None:
            weight = variant.merge_safe(layer, adapter, weight)
        elif adapter in layer.lora_A:
            weight = weight + layer.get_delta_weight(adapter)
    return weight


def _checkpoint_name(name: str) -> str:
    return name.removeprefix("base_model.model.").replace(".base_layer.", ".")


class Meter:
    """Passes weights on and counts their bytes."""

    def __init__(self, weights: Iterable[tuple[str, torch.Tensor]]) -> None:
        self.weights = weights
        self.bytes = 0

    def __iter__(self) -> Iterator[tuple[str, torch.Tensor]]:
        for name, tensor in self.weights:
            self.bytes += tensor.numel() * tensor.element_size()
            yield name, tensor
