"""Predicted against actual peak memory of real TRL steps, on a model of SmolLM2-135M's sizes with random weights."""

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.memory import CASES, Case, actual, predicted
from harness.estimate import known


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from transformers import LlamaConfig, LlamaForCausalLM

    from harness.tiny import tokenizer

    sizes = known.find("HuggingFaceTB/SmolLM2-135M")
    config = LlamaConfig(
        vocab_size=sizes.vocab,
        hidden_size=sizes.hidden,
        intermediate_size=sizes.intermediate,
        num_hidden_layers=sizes.layers,
        num_attention_heads=sizes.heads,
        num_key_value_heads=sizes.kv_heads,
        tie_word_embeddings=sizes.tied,
    )
    made = tmp_path_factory.mktemp("sizes") / "model"
    LlamaForCausalLM(config).save_pretrained(made)
    tokenizer.build().save_pretrained(made)
    return made


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sft-full", "sft-lora", "grpo", "sft-full-ddp"])
def test_the_peak_is_predicted_within_15_percent(folder: Path, name: str) -> None:
    case: Case = replace(CASES[name], micro=2, tokens=128, completion=16)
    found = actual(folder, case)
    # Neither the weights alone nor everything twice would pass.
    assert predicted(folder, case)["total"] == pytest.approx(found, rel=0.15), f"actual {found:.2f} GB"
