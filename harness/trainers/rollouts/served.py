"""vLLM as a server of its own, on this machine or on one that sees the same folder, as where training needs all GPUs.

Start it with the run's starting weights and point the run to it:

    VLLM_SERVER_DEV_MODE=1 python -m vllm.entrypoints.openai.api_server --model FOLDER --dtype float32 \\
        --generation-config vllm --logprobs-mode processed_logprobs \\
        --worker-extension-cls harness.trainers.rollouts.worker.Reload

with the dtype that the trainer computes in. Dev mode opens calls that change the engine: such a server must not be
reachable by others.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from safetensors.torch import save_file

from evals.engines import EngineError, Sampling
from evals.engines.server import ServerEngine, served
from harness.trainers.rollouts import Rollout, Sync, worker
from harness.trainers.rollouts.weights import Meter

# Seconds; a batch of completions is one answer, without a byte before all are done.
LONGEST_BATCH = 3600


class ServedRollouts:
    """A client.

    Args:
        base_url: with the version path, as `http://127.0.0.1:8000/v1`.
        folder: where the weights of a sync lie while the server reads them, on its machine under the same path. A
            folder in memory (`/dev/shm`) makes a sync fastest.

    Raises:
        EngineError: no server answers, or it was not started as above.
    """

    def __init__(self, base_url: str, folder: Path) -> None:
        self.client = ServerEngine(base_url, served(base_url, ""), timeout=LONGEST_BATCH)
        self.root = base_url.removesuffix("/v1")
        self.folder = folder
        self._check()

    def sync(self, weights: Iterable[tuple[str, torch.Tensor]]) -> Sync:
        """The first process writes the weights to a file, which the server loads; the others help gather, and wait."""
        started = time.perf_counter()
        meter = Meter(weights)
        if dist.is_initialized() and dist.get_rank() > 0:
            for _ in meter:
                pass
        else:
            self._send({name: tensor.contiguous() for name, tensor in meter})
        if dist.is_initialized():
            dist.barrier()
        return Sync(meter.bytes, time.perf_counter() - started)

    def generate(self, prompts: Sequence[Sequence[int]], sampling: Sampling) -> list[Rollout]:
        """One completion for each prompt, in their order. The server draws: two runs differ."""
        body = {
            "model": self.client.model,
            "prompt": [list(prompt) for prompt in prompts],
            "max_tokens": sampling.max_new_tokens,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "logprobs": 0,
            "return_token_ids": True,
        }
        choices = self._post("v1/completions", body)["choices"]
        ordered = sorted(choices, key=lambda choice: int(choice["index"]))
        return [Rollout(choice["token_ids"], choice["logprobs"]["token_logprobs"]) for choice in ordered]

    def _send(self, tensors: dict[str, torch.Tensor]) -> None:
        with tempfile.TemporaryDirectory(dir=self.folder) as folder:
            save_file(tensors, Path(folder) / "model.safetensors", metadata={"format": "pt"})
            self._post("collective_rpc", {"method": "replace_weights", "kwargs": {"weights_path": folder}})
        if not self._post("reset_prefix_cache", {})["success"]:
            raise EngineError(f"{self.root}: is answering others, so it keeps what it computed with the old weights")

    def _post(self, path: str, body: dict[str, Any]) -> Any:
        return self.client.asked("POST", f"{self.root}/{path}", body)

    def _check(self) -> None:
        """Whether the server takes weights and tells the log-probabilities that the trainer compares with its own."""
        try:
            found = self.client.asked("GET", f"{self.root}/server_info?config_format=json", None)["vllm_config"]
            extension = found["parallel_config"]["worker_extension_cls"]
            mode = found["model_config"]["logprobs_mode"]
        except (EngineError, KeyError, TypeError) as error:
            fix = "start vLLM's server with VLLM_SERVER_DEV_MODE=1"
            raise EngineError(f"{self.root}: does not tell its settings; {fix}") from error
        for flag, value, wanted in (
            ("--worker-extension-cls", extension, worker.CLASS),
            ("--logprobs-mode", mode, "processed_logprobs"),
        ):
            if value != wanted:
                raise EngineError(f"{self.root}: runs with {flag} {value or 'unset'}; start it with {flag} {wanted}")
