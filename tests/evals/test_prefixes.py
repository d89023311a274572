"""Values at prefixes: counts by hand on a scripted engine, and on a model draws that hang on nothing else."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from evals.engines import Completion, Request, Sampling
from evals.engines.transformers import TransformersEngine
from evals.prefixes import Prefix, Value, values
from harness.tiny import base, tokenizer
from harness.tiny.recipe import Recipe

SAMPLING = Sampling(max_new_tokens=6, seed=5)


class Scripted:
    """Says a prepared text for each request, all in one batch and backwards, as no engine promises an order."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.texts = texts
        self.requests: list[Request] = []

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> Iterator[list[Completion]]:
        self.requests += requests
        for index in reversed(range(len(requests))):
            yield [Completion(index, self.texts[index], 3, "stop")]


def prefix(
    name: str, text: str = "", gold: str = "31", prompt: Sequence[int] = (7, 8), limit: int | None = None
) -> Prefix:
    return Prefix(name, prompt, text, gold, limit)


def test_counts_are_those_of_text_and_continuation_together() -> None:
    engine = Scripted(["#### 31", "#### 30", "1", "2"])
    done: list[int] = []
    found = values(engine, [prefix("a", "28 + 3 = "), prefix("b", "#### 3")], SAMPLING, 2, done.append)
    assert found == [Value(1, 2, 6), Value(1, 2, 6)]
    assert done == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("value", "share", "some"),
    [
        pytest.param(Value(1, 4, 9), 0.25, True, id="one of four"),
        pytest.param(Value(0, 4, 9), 0.0, False, id="none of four"),
        pytest.param(Value(0, 0, 9), None, None, id="nothing could be judged: no zero"),
    ],
)
def test_soft_and_hard_estimate(value: Value, share: float | None, some: bool | None) -> None:
    assert value.share == share
    assert value.any is some


@pytest.mark.parametrize(
    ("limit", "tokens"),
    [
        pytest.param(None, 6, id="none: the sampling's"),
        pytest.param(2, 2, id="less"),
        pytest.param(99, 6, id="more changes nothing"),
    ],
)
def test_a_limit_only_shortens(limit: int | None, tokens: int) -> None:
    engine = Scripted(["#### 31"])
    values(engine, [prefix("a", limit=limit)], SAMPLING, 1)
    (request,) = engine.requests
    assert request.tokens(SAMPLING) == tokens


def test_an_unreadable_gold_is_not_wrong() -> None:
    (found,) = values(Scripted(["#### 31", "#### 1"]), [prefix("a", gold="many")], SAMPLING, 2)
    assert found == Value(0, 0, 6)


def test_equal_ids_are_refused() -> None:
    with pytest.raises(ValueError, match="an id of its own"):
        values(Scripted([]), [prefix("a"), prefix("a", "x")], SAMPLING, 1)


def test_nothing_asked_is_nothing_sampled() -> None:
    assert values(Scripted([]), [], SAMPLING, 4) == []


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    folder: Path = tmp_path_factory.mktemp("model")
    tokens = tokenizer.build()
    torch.manual_seed(0)
    base.model(Recipe(hidden=32, mlp=64, layers=1, heads=2), tokens).save_pretrained(folder)
    tokens.save_pretrained(folder)
    return AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)


class Heard(TransformersEngine):
    """Remembers the completions by seed."""

    heard: dict[int, Completion]

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> Iterator[list[Completion]]:
        self.heard = {}
        for batch in super().generate(requests, sampling):
            self.heard |= {one.seed: one for one in batch}
            yield batch


def test_draws_hang_on_the_id_and_not_on_what_else_is_asked(loaded: tuple[Any, Any]) -> None:
    model, tokens = loaded
    asked = [prefix(name, prompt=tokens(name)["input_ids"]) for name in ("Tom has 3", "Tom has 28 eggs", "How many")]
    together, alone = Heard(model, tokens), Heard(model, tokens)
    values(together, asked, SAMPLING, 3)
    values(alone, asked[1:2], SAMPLING, 3)
    assert len(together.heard) == 9
    assert len({one.text for one in alone.heard.values()}) > 1  # samples of one prefix differ
    assert {seed: one.text for seed, one in alone.heard.items()}.items() <= {
        seed: one.text for seed, one in together.heard.items()
    }.items()


def test_a_prefix_near_the_end_has_a_shorter_continuation(loaded: tuple[Any, Any]) -> None:
    model, tokens = loaded
    prompt = tokens("Tom has 28 eggs")["input_ids"]
    found = values(
        TransformersEngine(model, tokens),
        [prefix("a", prompt=prompt, limit=2), prefix("b", prompt=prompt, limit=99), prefix("c", prompt=prompt)],
        SAMPLING,
        4,
    )
    # An untrained model of 300 words hardly ever ends by itself.
    assert found[0].tokens == 8
    assert found[1].tokens == found[2].tokens == 24
