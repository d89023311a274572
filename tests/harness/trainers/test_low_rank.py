"""Low-rank adapters: the base stays as it was, and an adapter answers as the model that it is merged into."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, set_seed

from benchmarks.overlay import overlay
from evals.data import load
from evals.engines import Request, Sampling
from evals.engines.transformers import TransformersEngine
from harness import chat, sources, threads, weights
from harness.config import RunConfig
from harness.trainers import adapters, sft
from harness.training import AdapterConfig, OptimizerConfig, SftConfig, TrainRun

ROOT = Path(__file__).parents[3]


@pytest.fixture
def adapter_run(config: RunConfig) -> TrainRun:
    """Enough steps at a large rate that greedy completions are no longer the base's."""
    return TrainRun(
        method="sft",
        seed=3,
        prompt="bare",
        model=config.model,
        data=config.data,
        optimizer=OptimizerConfig(steps=20, batch_size=8, learning_rate=3e-2),
        adapter=AdapterConfig(rank=8, alpha=16),
        sft=SftConfig(),
    )


def of_kind(run: TrainRun, kind: str) -> TrainRun:
    assert run.adapter is not None
    return run.model_copy(update={"adapter": run.adapter.model_copy(update={"kind": kind})})


def trained(run: TrainRun, folder: Path) -> Any:
    set_seed(run.seed)
    assert run.data is not None
    model, tokenizer = weights.model(run.model.path), weights.tokenizer(run.model.path)
    return sft.train(run, model, tokenizer, load(Path(run.data.train)), folder, [])


def answers(folder: Path, run: TrainRun) -> list[str]:
    """Greedy completions of the test questions by what lies in a folder."""
    assert run.data is not None
    tokenizer = weights.tokenizer(str(folder))
    engine = TransformersEngine(weights.model(str(folder)), tokenizer)
    questions = [item.question for item in load(Path(run.data.test))]
    requests = [Request(chat.encode(tokenizer, chat.messages(q, "bare")), seed=0) for q in questions]
    completions = [c for batch in engine.generate(requests, Sampling(24, 0.0, 0)) for c in batch]
    return [each.text for each in sorted(completions, key=lambda each: each.index)]


@pytest.mark.parametrize("kind", ["lora", "dora"])
def test_adapter_and_merged_model_answer_alike(adapter_run: TrainRun, tmp_path: Path, kind: str) -> None:
    run = of_kind(adapter_run, kind)
    model = trained(run, tmp_path)
    kept = adapters.save(model, weights.tokenizer(run.model.path), tmp_path, "bare")
    alone, whole = answers(tmp_path / "adapter", run), answers(tmp_path / "model", run)
    assert alone == whole
    assert alone != answers(Path(run.model.path), run)
    ids = torch.arange(5, 25)[None]
    logits = [weights.model(str(tmp_path / name))(ids).logits for name in ("adapter", "model")]
    torch.testing.assert_close(*logits, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(kept(ids).logits, logits[1], atol=0, rtol=0)


@pytest.mark.parametrize("kind", ["lora", "dora"])
def test_only_the_adapter_is_trained(adapter_run: TrainRun, tmp_path: Path, kind: str) -> None:
    run = of_kind(adapter_run, kind)
    model = trained(run, tmp_path)
    learnt = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
    assert learnt
    assert all("lora_" in name for name in learnt)
    assert any("magnitude" in name for name in learnt) == (kind == "dora")
    assert any(weight.abs().max() > 0 for name, weight in learnt.items() if "lora_B" in name)
    before = AutoModelForCausalLM.from_pretrained(run.model.path).state_dict()
    after = {
        name.removeprefix("base_model.model.").replace(".base_layer", ""): weight
        for name, weight in model.state_dict().items()
        if "lora_" not in name
    }
    assert after.keys() == before.keys()
    assert all(before[name].equal(after[name]) for name in before)


def test_what_is_saved_can_be_measured_and_says_how_it_was_trained(adapter_run: TrainRun, tmp_path: Path) -> None:
    tokenizer = weights.tokenizer(adapter_run.model.path)
    adapters.save(trained(adapter_run, tmp_path), tokenizer, tmp_path, "bare")
    for folder in (tmp_path / "adapter", tmp_path / "model"):
        sources.check_model(folder)
        assert chat.trained_with(folder) == chat.Trained(chat.template_hash(tokenizer), "bare")
        assert not [path for path in folder.iterdir() if path.suffix in (".bin", ".pt", ".pkl")]
    assert not (tmp_path / "model" / weights.ADAPTER).exists()
    assert (tmp_path / "adapter/adapter_model.safetensors").stat().st_size < (
        tmp_path / "model/model.safetensors"
    ).stat().st_size


def test_a_model_trained_in_full_has_no_adapter(adapter_run: TrainRun, tmp_path: Path) -> None:
    model = trained(adapter_run.model_copy(update={"adapter": None}), tmp_path)
    assert adapters.save(model, weights.tokenizer(adapter_run.model.path), tmp_path, "bare") is model
    assert not (tmp_path / "adapter").exists()
    again = weights.model(str(tmp_path / "model")).state_dict()
    assert all(weight.equal(again[name]) for name, weight in model.state_dict().items())


def test_an_adapter_without_its_base_is_refused(adapter_run: TrainRun, tmp_path: Path) -> None:
    adapters.save(trained(adapter_run, tmp_path), weights.tokenizer(adapter_run.model.path), tmp_path, "bare")
    path = tmp_path / "adapter" / weights.ADAPTER
    path.write_text(json.dumps(json.loads(path.read_text()) | {"base_model_name_or_path": "/nowhere/base"}))
    with pytest.raises(weights.WeightsUnavailable, match="its base /nowhere/base is gone; take the merged model"):
        weights.model(str(tmp_path / "adapter"))


def test_without_bitsandbytes_a_quantised_base_is_refused(
    adapter_run: TrainRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "find_spec", lambda name: None)
    with pytest.raises(weights.WeightsUnavailable, match=r"pip install 'reward-harness\[qlora\]'"):
        weights.model(adapter_run.model.path, quantised=True)


@pytest.mark.slow
def test_qlora_trains_on_four_bits_and_merges_into_what_they_say(adapter_run: TrainRun, tmp_path: Path) -> None:
    run = of_kind(adapter_run, "qlora")
    run.write(tmp_path / "config.toml")
    done = subprocess.run(
        [sys.executable, Path(__file__).parent / "peers/qlora.py", tmp_path],
        env={**threads.environment(), "PYTHONPATH": f"{overlay('qlora')}{os.pathsep}{ROOT}", "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["quantised_layers"] == 7
    assert found["base_unchanged"]
    assert found["only_adapters_learnt"]
    assert found["losses"][-1] < found["losses"][0] - 1
    assert found["adapter"] == found["merged"]
    assert found["adapter"] != found["base"]
    assert found["difference"] < 1e-3
    # Over the unquantised base the same adapter is another model.
    assert found["difference_unquantised"] > 10 * found["difference"]
    merged = json.loads((tmp_path / "model/config.json").read_text())
    assert "quantization_config" not in merged
    assert merged["dtype"] == "float32"
