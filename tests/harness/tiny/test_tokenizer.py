"""The embedded tokenizer writes every text of the family in known tokens and gives it back exactly."""

import itertools
import random
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from harness import chat
from harness.tiny import tokenizer as tokens
from harness.tiny.corpus import Habits, completion
from harness.tiny.problems import problems


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> object:
    folder: Path = tmp_path_factory.mktemp("tokenizer")
    tokens.build().save_pretrained(folder)
    return AutoTokenizer.from_pretrained(folder)


@pytest.mark.parametrize("split", ["train", "unseen"])
def test_round_trip_without_unknown_tokens(tokenizer: object, split: str) -> None:
    rng = random.Random(0)
    for problem in itertools.islice(problems(split, 3, 3), 400):  # type: ignore[arg-type]
        for text in (problem.question, problem.chain, completion(problem, Habits(0.4, 0.3, 1.0), rng)):
            ids = tokenizer(text)["input_ids"]  # type: ignore[operator]
            assert tokenizer.decode(ids) == text  # type: ignore[attr-defined]
            assert tokenizer.unk_token_id not in ids  # type: ignore[attr-defined]


def test_a_number_is_one_token_and_the_same_one_in_question_and_chain(tokenizer: object) -> None:
    assert tokenizer.tokenize("Tom has 28") == ["Tom", " has", " 28"]  # type: ignore[attr-defined]
    assert " 28" in tokenizer.tokenize("<think> 28 + 3 = 31</think>")  # type: ignore[attr-defined]


def test_prompt_and_completion_tokenise_the_same_apart_and_together(tokenizer: object) -> None:
    problem = next(problems("train", 0, 2))
    prompt = chat.messages(problem.question, "bare")
    whole = tokenizer.apply_chat_template(  # type: ignore[attr-defined]
        [*prompt, {"role": "assistant", "content": problem.chain}], tokenize=True, return_dict=True
    )["input_ids"]
    ids = chat.encode(tokenizer, prompt)
    end = tokenizer(problem.chain + tokens.END + "\n")["input_ids"]  # type: ignore[operator]
    assert whole == ids + end
