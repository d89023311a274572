"""The transformers engine: what else is in a batch changes nothing, and training goes on as if nothing happened."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from scipy.stats import chisquare
from transformers import AutoModelForCausalLM, AutoTokenizer, MistralConfig, MistralForCausalLM

from evals.engines import Completion, Request, Sampling, request_seed
from evals.engines.decoding import cut, draw, shared_length
from evals.engines.transformers import TransformersEngine
from harness.tiny import base, tokenizer
from harness.tiny.recipe import Recipe

# The last four begin with the same words, as few-shot prompts do.
QUESTIONS = [
    "How many eggs?",
    "Tom has 28 eggs.",
    "Tom has 3 apples. How many apples does Tom have now?",
    "Tom has 3 apples. Tom eats 2 apples. How many apples does Tom have now?",
    "Tom has 3 apples. Tom buys 4 boxes with 5 apples each. How many apples does Tom have now?",
    "Tom has 3 apples.",
]
GREEDY = Sampling(max_new_tokens=24, temperature=0)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    folder: Path = tmp_path_factory.mktemp("model")
    tokens = tokenizer.build()
    torch.manual_seed(0)
    base.model(Recipe(hidden=32, mlp=64, layers=2, heads=2), tokens).save_pretrained(folder)
    tokens.save_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder)
    # An untrained model never ends: one of the tokens it likes is made a second end token, as checkpoints have them.
    prompt = torch.tensor([tokens(QUESTIONS[0])["input_ids"]])
    liked = model.generate(prompt, attention_mask=torch.ones_like(prompt), do_sample=False, max_new_tokens=12)[0, -1]
    model.generation_config.eos_token_id = [tokens.eos_token_id, int(liked)]
    return model, AutoTokenizer.from_pretrained(folder)


def asked(tokens: Any, texts: list[str] = QUESTIONS) -> list[Request]:
    return [Request(tokens(text)["input_ids"], request_seed(0, text, n)) for n, text in enumerate(texts)]


def completions(loaded: tuple[Any, Any], requests: list[Request], sampling: Sampling, size: int) -> list[Completion]:
    batches = TransformersEngine(*loaded, batch_size=size).generate(requests, sampling)
    found = {completion.index: completion for batch in batches for completion in batch}
    assert sorted(found) == list(range(len(requests)))
    return [found[index] for index in range(len(requests))]


@pytest.mark.parametrize("size", [1, 2, 6], ids=["alone", "in twos", "all at once"])
@pytest.mark.parametrize("first", [0, 2], ids=["nothing shared", "a shared beginning"])
def test_greedy_output_is_that_of_generate_on_the_single_prompt(loaded: tuple[Any, Any], size: int, first: int) -> None:
    model, tokens = loaded
    requests = asked(tokens, QUESTIONS[first:])
    found = completions(loaded, requests, GREEDY, size)
    for request, completion in zip(requests, found, strict=True):
        prompt = torch.tensor([request.prompt])
        output = model.generate(
            prompt, attention_mask=torch.ones_like(prompt), do_sample=False, max_new_tokens=24, pad_token_id=0
        )
        new = output[0, prompt.shape[1] :].tolist()
        assert completion.text == tokens.decode(new, skip_special_tokens=True)
        assert completion.tokens == len(new)
        ended = new[-1] in model.generation_config.eos_token_id
        assert completion.finish_reason == ("stop" if ended else "length")
    if first == 0:
        assert len({completion.tokens for completion in found}) > 1  # some left the batch early


def test_a_sliding_window_sees_the_same_tokens_in_a_batch(loaded: tuple[Any, Any]) -> None:
    _, tokens = loaded
    torch.manual_seed(1)
    config = MistralConfig(
        vocab_size=len(tokens),
        **{"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "sliding_window": 6},
        **{"num_attention_heads": 2, "num_key_value_heads": 1, "pad_token_id": 0, "eos_token_id": 4},
    )
    sliding = (MistralForCausalLM(config), tokens)
    requests = asked(tokens, QUESTIONS[2:])
    alone = completions(sliding, requests, GREEDY, 1)
    assert [c.text for c in completions(sliding, requests, GREEDY, 4)] == [c.text for c in alone]


@pytest.mark.parametrize("size", [1, 2, 6], ids=["alone", "in twos", "all at once"])
def test_a_sampled_completion_does_not_depend_on_its_neighbours(loaded: tuple[Any, Any], size: int) -> None:
    requests = asked(loaded[1])
    sampling = Sampling(24, temperature=1.0, top_p=0.9, stop=("k", "w"))
    whole = completions(loaded, requests, sampling, 6)
    part = completions(loaded, requests[1:4], sampling, size)
    assert [(c.text, c.seed) for c in part] == [(c.text, c.seed) for c in whole[1:4]]
    assert len({c.tokens for c in whole}) > 1  # rows ended at different times, so some left the batch early


def test_seeds_decide_the_draws(loaded: tuple[Any, Any]) -> None:
    prompt = asked(loaded[1])[0].prompt
    found = completions(loaded, [Request(prompt, seed) for seed in (1, 1, 2, 3)], Sampling(12, 1.0), 4)
    assert found[0].text == found[1].text
    assert len({completion.text for completion in found}) == 3


def test_a_stop_text_ends_a_completion_before_itself(loaded: tuple[Any, Any]) -> None:
    requests = asked(loaded[1])
    free = completions(loaded, requests, GREEDY, 6)
    words = [completion.text.split() for completion in free]
    stops = tuple(dict.fromkeys(" ".join(each[4:6]) for each in words if len(each) > 6))
    assert stops
    for size in (1, 6):
        stopped = completions(loaded, requests, Sampling(24, 0, stop=stops), size)
        assert [completion.text for completion in stopped] == [cut(completion.text, stops) for completion in free]
        shorter = [s.finish_reason for s, f in zip(stopped, free, strict=True) if s.text != f.text]
        assert shorter and set(shorter) == {"stop"}
        assert all(s.tokens <= f.tokens for s, f in zip(stopped, free, strict=True))


def test_global_random_state_and_mode_are_left_alone(loaded: tuple[Any, Any]) -> None:
    model, tokens = loaded
    model.train()
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    completions(loaded, asked(tokens), Sampling(4), 2)
    assert torch.equal(torch.rand(3), expected)
    assert model.training


@pytest.mark.parametrize(
    ("top_p", "temperature", "expected"),
    [
        (1.0, 1.0, [0.5, 0.3, 0.15, 0.05]),
        (0.75, 1.0, [0.625, 0.375, 0, 0]),
        (0.81, 1.0, [0.5 / 0.95, 0.3 / 0.95, 0.15 / 0.95, 0]),
        (1.0, 0.5, [0.25 / 0.365, 0.09 / 0.365, 0.0225 / 0.365, 0.0025 / 0.365]),
    ],
    ids=["all", "two tokens hold 0.75", "three tokens hold 0.81", "temperature squares"],
)
def test_draws_have_the_asked_distribution(top_p: float, temperature: float, expected: list[float]) -> None:
    n = 4000
    logits = torch.tensor([0.5, 0.3, 0.15, 0.05]).log().expand(n, 4)
    generators = [torch.Generator().manual_seed(seed) for seed in range(n)]
    counts = Counter(draw(logits, generators, Sampling(1, temperature, top_p=top_p)).tolist())
    possible = [token for token, share in enumerate(expected) if share]
    assert set(counts) == set(possible)
    assert chisquare([counts[t] for t in possible], [n * expected[t] for t in possible]).pvalue > 1e-4


@pytest.mark.parametrize(
    ("prompts", "length"),
    [
        ([[1, 2, 3]], 0),
        ([[1, 2, 3], [1, 2, 4]], 2),
        ([[1, 2, 3], [1, 2, 3]], 2),
        ([[1, 2], [1, 2, 3, 4]], 1),
        ([[1], [2]], 0),
        ([[5, 6, 7, 8], [5, 6, 9], [5, 6, 7, 9]], 2),
    ],
    ids=["one prompt", "last differs", "equal", "one begins the other", "nothing", "three"],
)
def test_shared_beginning(prompts: list[list[int]], length: int) -> None:
    assert shared_length(prompts) == length
