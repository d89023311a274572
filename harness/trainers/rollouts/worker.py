"""What is added to vLLM's worker by `--worker-extension-cls`: a reload of the weights that is right on a CPU too."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any

CLASS = "harness.trainers.rollouts.worker.Reload"


class Reload:
    """Methods of a vLLM worker, called by `collective_rpc`."""

    model_runner: Any

    def replace_weights(
        self, weights_path: str | None = None, weights_iterator: Iterator[tuple[str, Any]] | None = None
    ) -> None:
        """Takes weights from the safetensors files of a folder or, in the engine's own process, from an iterator."""
        self.model_runner.reload_weights(weights_path=weights_path, weights_iterator=weights_iterator)
        repack_output(self.model_runner.get_model())


def repack_output(model: Any) -> None:
    """Gives the output layer the matrix product of its current weights.

    On a CPU vLLM multiplies by a packed copy of a layer's weights. A reload packs every layer that it loads, but a tied
    output layer is not loaded: its weight is the embedding's and is new, its packed copy is of the weights before.
    """
    head = import_module("vllm.model_executor.layers.vocab_parallel_embedding").ParallelLMHead
    layers = import_module("vllm.model_executor.layers.utils")
    for module in model.modules():
        if isinstance(module, head) and hasattr(module, "cpu_linear"):
            layers.dispatch_cpu_unquantized_gemm(module, remove_weight=False)
