"""vLLM inside the training process: every process has an engine of its own and samples its own prompts."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from importlib import import_module
from typing import Any

import torch

from evals.engines import EngineError, Sampling, vllm
from harness.trainers.rollouts import Rollout, Sync, worker
from harness.trainers.rollouts.weights import Meter

# Of a GPU's memory, which training needs as well; a CPU's engine takes its cache from VLLM_CPU_KVCACHE_SPACE.
GPU_SHARE = 0.3
# Tokens of a cache block. Completions of a prompt share its full blocks; the CPU build's own 128 are longer than many.
CPU_BLOCK = 32


class VllmRollouts:
    """Loads a model folder, whose weights the first `sync` replaces.

    Args:
        context: the most tokens a prompt and its completion take together.
        dtype: as the trainer computes: `float32` on a CPU, `bfloat16` in mixed precision.
        seed: of the engine. Draws come from torch's global generator, which is part of a checkpoint, so a resumed run
            samples what the whole one did; processes must differ in it.
        processes: of the training; with several, vLLM joins their process group.

    Raises:
        evals.engines.EngineError: vLLM is not installed, or cannot hold the model with this context.
    """

    def __init__(self, folder: str, context: int, dtype: str = "float32", seed: int = 0, processes: int = 1) -> None:
        # Weights are handed over as tensors, which another process could not take.
        os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
        launcher = {"distributed_executor_backend": "external_launcher"} if processes > 1 else {}
        blocks = {} if torch.cuda.is_available() else {"block_size": CPU_BLOCK}
        self.llm = vllm.loaded(
            folder,
            context,
            dtype,
            seed,
            # After the temperature, as the trainer's are.
            logprobs_mode="processed_logprobs",
            worker_extension_cls=worker.CLASS,
            gpu_memory_utilization=GPU_SHARE,
            **launcher,
            **blocks,
        )

    def sync(self, weights: Iterable[tuple[str, torch.Tensor]]) -> Sync:
        """Replaces the engine's weights, layer by layer, and forgets what was computed with the old ones."""
        started = time.perf_counter()
        meter = Meter(weights)
        self.llm.collective_rpc("replace_weights", kwargs={"weights_iterator": iter(meter)})
        if not self.llm.reset_prefix_cache():
            raise EngineError("vLLM keeps what it computed with the old weights: requests are under way")
        return Sync(meter.bytes, time.perf_counter() - started)

    def generate(self, prompts: Sequence[Sequence[int]], sampling: Sampling) -> list[Rollout]:
        """One completion for each prompt, in their order; repeated prompts share their computation."""
        parameters = import_module("vllm").SamplingParams(
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            max_tokens=sampling.max_new_tokens,
            # Of the sampled token alone, in two lists instead of an object for each token.
            logprobs=0,
            flat_logprobs=True,
            detokenize=False,
        )
        asked = [{"prompt_token_ids": list(prompt)} for prompt in prompts]
        return [_rollout(output) for output in self.llm.generate(asked, parameters, use_tqdm=False)]


def _rollout(output: Any) -> Rollout:
    (choice,) = output.outputs
    return Rollout(list(choice.token_ids), list(choice.logprobs.logprobs))
