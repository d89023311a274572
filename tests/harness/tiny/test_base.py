"""The embedded base: trained once, cached by what decides it, an ordinary Hugging Face folder."""

import json
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from evals.data import load
from harness import chat, tiny
from harness.tiny.base import by_length, corpus
from harness.tiny.recipe import RECIPES, Phase, Recipe


@pytest.fixture(scope="module")
def cached(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[tuple[int, int]]]:
    """The smoke base, made in an empty cache, and what its progress said."""
    steps: list[tuple[int, int]] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HARNESS_CACHE", str(tmp_path_factory.mktemp("cache")))
        folder = tiny.base_folder("smoke", lambda step, total: steps.append((step, total)))
        again = tiny.base_folder("smoke", lambda step, total: pytest.fail("trained twice"))
    assert again == folder
    return folder, steps


def test_it_is_an_ordinary_folder_with_weights_tokenizer_and_template(
    cached: tuple[Path, list[tuple[int, int]]],
) -> None:
    folder, _ = cached
    model = AutoModelForCausalLM.from_pretrained(folder, use_safetensors=True)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert model.config.model_type == "llama"
    assert model.config.tie_word_embeddings
    assert model.dtype == torch.float32
    assert model.config.vocab_size == len(tokenizer)
    assert model.generation_config.eos_token_id == tokenizer.eos_token_id
    prompt = chat.encode(tokenizer, chat.messages("How many eggs?", "bare"))
    output = model.generate(torch.tensor([prompt]), max_new_tokens=4, do_sample=False)
    assert output.shape[1] <= len(prompt) + 4
    assert {path.name for path in folder.iterdir()} >= {"config.json", "model.safetensors", "tokenizer.json"}


def test_progress_counts_to_the_end(cached: tuple[Path, list[tuple[int, int]]]) -> None:
    _, steps = cached
    assert steps[-1] == (RECIPES["smoke"].steps, RECIPES["smoke"].steps)
    assert [step for step, _ in steps] == sorted(step for step, _ in steps)


def test_its_recipe_lies_beside_it(cached: tuple[Path, list[tuple[int, int]]]) -> None:
    folder, _ = cached
    assert json.loads((folder / "recipe.json").read_text())["hidden"] == RECIPES["smoke"].hidden


def test_corpus_goes_phase_by_phase_and_ordering_loses_no_row() -> None:
    recipe = Recipe(phases=(Phase(10, RECIPES["default"].phases[0].habits), RECIPES["default"].phases[-1]))
    rows = list(corpus(recipe))
    assert len(rows) == recipe.steps * recipe.batch
    assert all("<think>" in row["completion"][0]["content"] for row in rows[:160])
    texts = [{"question": "q" * (i % 7), "completion": str(i)} for i in range(200)]
    ordered = list(by_length(texts, recipe))
    assert sorted(map(str, ordered)) == sorted(map(str, texts))


def test_data_files_are_in_gsm8k_format_and_share_no_question(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    folder = tiny.data_folder()
    seen: set[str] = set()
    for split, count in tiny.SIZES.items():
        items = load(folder / f"{split}.jsonl")
        questions = {item.question for item in items}
        assert len(questions) == len(items) == count
        assert all("\n#### " in item.gold for item in items)
        assert not questions & seen
        seen |= questions
