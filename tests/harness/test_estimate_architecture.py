"""Parameters counted from sizes, against models that transformers builds and totals that were published."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.estimate import known
from harness.estimate.architecture import FAMILIES, Architecture, UnknownArchitecture, from_config, from_sizes, read

SIZES = {
    "hidden_size": 48,
    "intermediate_size": 80,
    "num_hidden_layers": 3,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "vocab_size": 97,
    "pad_token_id": 0,
}
# As the hub counts the safetensors of each.
PUBLISHED = {
    "HuggingFaceTB/SmolLM2-135M": 134_515_008,
    "HuggingFaceTB/SmolLM2-360M": 361_821_120,
    "HuggingFaceTB/SmolLM2-1.7B": 1_711_376_384,
    "Qwen/Qwen2.5-0.5B": 494_032_768,
    "Qwen/Qwen2.5-1.5B": 1_543_714_304,
    "Qwen/Qwen2.5-3B": 3_085_938_688,
    "Qwen/Qwen2.5-7B": 7_615_616_512,
    "Qwen/Qwen2.5-14B": 14_770_033_664,
    "Qwen/Qwen2.5-32B": 32_763_876_352,
    "Qwen/Qwen2.5-72B": 72_706_203_648,
    "Qwen/Qwen3-0.6B": 596_049_920,
    "Qwen/Qwen3-1.7B": 1_720_574_976,
    "Qwen/Qwen3-4B": 4_022_468_096,
    "Qwen/Qwen3-8B": 8_190_735_360,
    "Qwen/Qwen3-14B": 14_768_307_200,
    "Qwen/Qwen3-32B": 32_762_123_264,
    "meta-llama/Llama-2-7b-hf": 6_738_415_616,
    "meta-llama/Llama-3.2-1B": 1_235_814_400,
    "meta-llama/Llama-3.2-3B": 3_212_749_824,
    "meta-llama/Llama-3.1-8B": 8_030_261_248,
    "meta-llama/Llama-3.1-70B": 70_553_706_496,
    "mistralai/Mistral-7B-v0.1": 7_241_732_096,
}


def built(kind: str, **changes: Any) -> tuple[Any, Architecture]:
    """A model of the family without memory for its weights, and what is counted from its config."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.for_model(kind, **{**SIZES, **changes})
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    return model, from_config(json.loads(config.to_json_string(use_diff=False)), kind)


@pytest.mark.parametrize("tied", [pytest.param(tied, id="tied" if tied else "untied") for tied in (True, False)])
@pytest.mark.parametrize("kind", FAMILIES)
def test_counts_are_those_of_the_real_model(kind: str, tied: bool) -> None:
    from peft import LoraConfig, get_peft_model

    model, counted = built(kind, tie_word_embeddings=tied)
    assert counted.parameters == sum(weight.numel() for weight in model.parameters())
    adapted = get_peft_model(model, LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM"))
    assert counted.adapter(4) == adapted.get_nb_trainable_parameters()[0]


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        pytest.param("llama", {"attention_bias": True, "mlp_bias": True}, id="every bias"),
        pytest.param("qwen3", {"attention_bias": True}, id="biases beside query norms"),
        pytest.param("llama", {"num_key_value_heads": 6}, id="as many key heads as query heads"),
        pytest.param("qwen3", {"head_dim": 16}, id="heads wider than the model"),
    ],
)
def test_variants_of_a_family(kind: str, changes: dict[str, Any]) -> None:
    model, counted = built(kind, **changes)
    assert counted.parameters == sum(weight.numel() for weight in model.parameters())


@pytest.mark.parametrize("name", known.ARCHITECTURES)
def test_the_table_has_the_published_totals(name: str) -> None:
    assert known.find(name).parameters == PUBLISHED[name]


@pytest.mark.parametrize(
    ("name", "kib"),
    [
        pytest.param("Qwen/Qwen2.5-0.5B", 12, id="2 key heads of 64"),
        pytest.param("Qwen/Qwen2.5-7B-Instruct", 56, id="the instruct version has its base's sizes"),
        pytest.param("meta-llama/Llama-3.1-8B", 128, id="8 key heads of 128"),
        pytest.param("meta-llama/Llama-2-7b-hf", 512, id="no grouped heads"),
    ],
)
def test_cache_of_a_token_in_bf16(name: str, kib: int) -> None:
    assert known.find(name).kv_bytes(2) == kib * 1024


def test_tiny_has_the_sizes_of_the_embedded_base() -> None:
    from harness.tiny import base, tokenizer
    from harness.tiny.recipe import RECIPES

    real = base.model(RECIPES["default"], tokenizer.build())
    assert known.find("tiny").parameters == sum(weight.numel() for weight in real.parameters())


def test_a_folder_and_its_config_say_the_same(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"model_type": "llama", **SIZES}))
    assert read(folder) == read(folder / "config.json")
    assert read(folder).name == "mine"


def test_a_config_in_the_hub_cache_goes_before_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    snapshot = tmp_path / "models--Qwen--Qwen2.5-7B" / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_text(json.dumps({"model_type": "llama", **SIZES}))
    (snapshot.parents[1] / "refs").mkdir()
    (snapshot.parents[1] / "refs" / "main").write_text("abc")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    found = known.find("Qwen/Qwen2.5-7B")
    assert (found.name, found.hidden) == ("Qwen/Qwen2.5-7B", 48)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        pytest.param("Qwen/Qwen2.5-7X", "did you mean Qwen/Qwen2.5-7B", id="a typing error"),
        pytest.param("someone/else", "nothing is downloaded", id="a model that is not at hand"),
        pytest.param("no-such-folder", "no such folder", id="neither a folder nor an id"),
        pytest.param("bad id/with space", "neither a folder nor a hub id", id="no valid id"),
    ],
)
def test_what_is_said_of_a_model_that_is_not_at_hand(name: str, says: str) -> None:
    with pytest.raises(UnknownArchitecture, match=says):
        known.find(name)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param('{"model_type": "mixtral"}', "mixtral are not counted", id="a family that is not counted"),
        pytest.param('{"model_type": "llama", "hidden_size": 8}', "no num_attention_heads", id="a size is missing"),
        pytest.param("{", "not JSON", id="broken"),
        pytest.param("[]", "not a model's config.json", id="a list"),
    ],
)
def test_what_is_said_of_a_bad_config(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(UnknownArchitecture, match=says):
        read(tmp_path)


@given(st.floats(3e7, 2e11))
def test_stated_parameters_are_laid_out_to_the_same_sum(parameters: float) -> None:
    made = from_sizes(int(parameters))
    laid_out = replace(made, stated=None).parameters
    assert made.parameters == int(parameters)
    assert abs(laid_out - made.parameters) <= 3 * made.hidden * made.layers


def test_sizes_that_exceed_the_parameters_are_refused() -> None:
    with pytest.raises(UnknownArchitecture, match="give a smaller --layers"):
        from_sizes(1_000_000, layers=100, hidden=4096)
