"""The transformers engine: padding changes nothing, draws are seeded, and training goes on as if nothing happened."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from evals.engines import Sampling
from evals.engines.transformers import TransformersEngine
from harness.tiny import base, tokenizer
from harness.tiny.recipe import Recipe

QUESTIONS = ["How many eggs?", "Tom has 3 apples. How many apples does Tom have now?", "Tom has 28 eggs."]


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    folder: Path = tmp_path_factory.mktemp("model")
    tokens = tokenizer.build()
    torch.manual_seed(0)
    base.model(Recipe(hidden=32, mlp=64, layers=2, heads=2), tokens).save_pretrained(folder)
    tokens.save_pretrained(folder)
    return AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)


def completions(loaded: tuple[Any, Any], sampling: Sampling, batch_size: int, count: int = 3) -> list[tuple[str, int]]:
    model, tokens = loaded
    prompts = [tokens(text)["input_ids"] for text in (QUESTIONS * count)[:count]]
    found = {}
    for batch in TransformersEngine(model, tokens, batch_size).generate(prompts, sampling):
        found |= {completion.index: (completion.text, completion.tokens) for completion in batch}
    return [found[index] for index in range(len(prompts))]


def test_greedy_output_does_not_depend_on_the_batch(loaded: tuple[Any, Any]) -> None:
    greedy = Sampling(max_new_tokens=12, temperature=0)
    assert completions(loaded, greedy, 3) == completions(loaded, greedy, 1)


def test_equal_seeds_sample_the_same_and_others_do_not(loaded: tuple[Any, Any]) -> None:
    first = completions(loaded, Sampling(12, 1.0, seed=1), 8, count=9)
    assert first == completions(loaded, Sampling(12, 1.0, seed=1), 8, count=9)
    assert first != completions(loaded, Sampling(12, 1.0, seed=2), 8, count=9)


def test_global_random_state_and_mode_are_left_alone(loaded: tuple[Any, Any]) -> None:
    model, _ = loaded
    model.train()
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    completions(loaded, Sampling(4), 2)
    assert torch.equal(torch.rand(3), expected)
    assert model.training


def test_tokens_are_bounded_and_the_reason_is_said(loaded: tuple[Any, Any]) -> None:
    model, tokens = loaded
    prompt = tokens(QUESTIONS[0])["input_ids"]
    (batch,) = TransformersEngine(model, tokens).generate([prompt] * 4, Sampling(5, 1.0))
    for completion in batch:
        assert completion.tokens <= 5
        assert completion.finish_reason == ("stop" if completion.tokens < 5 else completion.finish_reason)
