"""Prompt styles: the bytes of lm-eval's prompts, the trainers' own chat prompt, and a user's file."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
from real import pairs

from evals import prompts
from evals.gsm8k import FILTERS
from evals.prompts import Prompt, StyleError
from evals.prompts.lm_eval import NAMES
from harness.chat import messages

QUESTIONS = 20
# sha256 of the prompts of the first 20 test questions; test_parity.py finds the same in lm-eval 0.4.13's own requests.
REAL = {
    "gsm8k": "421f9ab0cfefc9642a60fb63585d364816c58d7c3e167f28ab9a999130523ec1",
    "gsm8k_cot": "d77af4bc380f5ab671550d112c6406f822aa9d117de94a0cc490b463a58742b2",
    "gsm8k_cot_zeroshot": "6e1eef9fb7228252bf4e7a7e101fa6a8ea790e76b81e64c6c2fc17341741abf4",
    "gsm8k_cot_llama": "db48b71512b828d8fc68dbbb6dce96ef88a5064e7f9ed9a0b98a4585f000d16f",
    "think": "674c49bf7fd8dc3b13ba2ecdbfcbe70365e6e805e5739e961dd69ed4eef90a2b",
}
# The same of one made-up question, which needs no data.
MADE_UP = {
    "gsm8k_cot": "9d056d0c1c5e633f6a52c5e6c91571a1f26d02ac3d23c7dfd3bd9284ef5a18a2",
    "gsm8k_cot_zeroshot": "55afa1eb47636ef2030935eecdca39303dc059f72e4e79e591928999f381f7c6",
    "gsm8k_cot_llama": "f9455e586bc8bb511dfac50ee39fb2ce5b2dd9bc2280ea26bd93e08c209bcfce",
    "think": "9288296494df4e34f3dcbe694baf985a74cd8b57cb7863017375910c623658ec",
}
POOL = [(f"Q{place}?", f"A{place}") for place in range(7473)]


def sha256(value: list[Prompt] | Prompt) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()


@pytest.mark.parametrize("name", REAL)
def test_prompts_of_real_questions(name: str) -> None:
    style = prompts.get(name, pairs("train.jsonl"))
    asked = [style.prompt(question, place) for place, (question, _) in enumerate(pairs("test.jsonl")[:QUESTIONS])]
    assert sha256(asked) == REAL[name]


@pytest.mark.parametrize("name", MADE_UP)
def test_prompts_of_a_made_up_question(name: str) -> None:
    assert sha256(prompts.get(name).prompt("How many?")) == MADE_UP[name]


@pytest.mark.parametrize(
    ("name", "stop"),
    [
        ("gsm8k", ["Question:", "</s>", "<|im_end|>"]),
        ("gsm8k_cot", ["Q:", "</s>", "<|im_end|>"]),
        ("gsm8k_cot_zeroshot", ["Q:", "</s>", "<|im_end|>"]),
        (
            "gsm8k_cot_llama",
            ["<|eot_id|>", "<|start_header_id|>user<|end_header_id|>", "Q:", "</s>", "<|im_end|>"],
        ),
    ],
)
def test_where_lm_evals_tasks_stop(name: str, stop: list[str]) -> None:
    style = prompts.get(name, POOL)
    assert (list(style.stop), style.max_new_tokens, style.filters) == (stop, 256, name)


# lm-eval's draws from 7,473 training questions, read off its requests.
@pytest.mark.parametrize(
    ("index", "places"),
    [(19, [3409, 2267, 5426, 6606, 329]), (0, [6374, 3610, 957, 61, 742]), (1, [7462, 6610, 4769, 286, 5501])],
)
def test_shots_are_drawn_by_position(index: int, places: list[int]) -> None:
    shots = "".join(f"Question: Q{place}?\nAnswer: A{place}\n\n" for place in places)
    style = prompts.get("gsm8k", POOL)
    assert style.prompt("Why?", index) == f"{shots}Question: Why?\nAnswer:"
    # Neither what was asked before nor asking again changes them.
    style.prompt("Why?", index + 7)
    assert style.prompt("Why?", index) == f"{shots}Question: Why?\nAnswer:"


def test_gsm8k_without_a_position_is_an_error_and_no_other_prompt() -> None:
    with pytest.raises(TypeError, match="position"):
        prompts.get("gsm8k", POOL).prompt("Why?")


@pytest.mark.parametrize("train", [None, POOL[:4]], ids=["none", "too few"])
def test_gsm8k_needs_the_training_file(train: list[tuple[str, str]] | None) -> None:
    with pytest.raises(StyleError, match=r"train\.jsonl"):
        prompts.get("gsm8k", train)


@pytest.mark.parametrize("name", ["bare", "think"])
def test_what_the_trainers_render(name: Literal["bare", "think"]) -> None:
    assert prompts.get(name).prompt("Why?") == messages("Why?", name)
    assert prompts.get(name).chat


def test_a_conversation_has_a_turn_for_every_shot() -> None:
    turns = prompts.get("gsm8k_cot_llama", form="multiturn").prompt("Why?")
    assert isinstance(turns, list)
    assert [turn["role"] for turn in turns] == ["user", "assistant"] * 8 + ["user"]
    assert turns[1]["content"].endswith("21 - 15 = 6. The final answer is 6")


def test_one_turn_holds_the_raw_text() -> None:
    raw = prompts.get("gsm8k_cot").prompt("Why?")
    assert prompts.get("gsm8k_cot", form="single").prompt("Why?") == [{"role": "user", "content": raw}]


def test_the_digest_tells_styles_apart() -> None:
    styles = [
        *(prompts.get(name, POOL) for name in prompts.names()),
        prompts.get("gsm8k", POOL[:-1]),
        prompts.get("gsm8k_cot", form="single"),
        prompts.get("gsm8k_cot", form="multiturn"),
        replace(prompts.get("gsm8k_cot"), max_new_tokens=257),
    ]
    assert len({style.digest for style in styles}) == len(styles)
    assert prompts.get("gsm8k_cot").digest == prompts.get("gsm8k_cot").digest


def test_every_style_names_filters_there_are() -> None:
    assert {prompts.get(name, POOL).filters for name in prompts.names()} == set(NAMES) == set(FILTERS)


def test_a_text_file_is_the_prompt(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("Solve {question} in \\boxed{}:\n")
    style = prompts.get(str(tmp_path / "mine.txt"))
    assert (style.name, style.chat, style.prompt("2+{2}?")) == ("mine", False, "Solve 2+{2}? in \\boxed{}:")


def test_a_toml_file(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(
        'prompt = "Solve {question}"\nsystem = "Be brief."\nchat = true\nstop = ["\\n\\n"]\n'
        'max_new_tokens = 9\nfilters = "gsm8k_cot"\n'
    )
    style = prompts.get(str(tmp_path / "mine.toml"))
    assert (style.stop, style.max_new_tokens, style.filters) == (("\n\n",), 9, "gsm8k_cot")
    assert style.prompt("2+2?") == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Solve 2+2?"},
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('prompt = "Solve"', r"mine\.toml: prompt: has no \{question\}"),
        ("stop = []", r"mine\.toml: prompt: Field required"),
        ('prompt = "{question}"\nstop = [""]', "stop: holds an empty text"),
        ('prompt = "{question}"\nstop = "Q:"', "stop: Input should be a valid list"),
        ('prompt = "{question}"\nmax_new_tokens = 0', "max_new_tokens: .*greater than or equal to 1"),
        ('prompt = "{question}"\nsystem = "x"', "set chat = true"),
        ('prompt = "{question}"\nfilters = "aime"', "filters: 'aime' is none of gsm8k"),
        ('prompt = "{question}"\ntemperature = 1', "temperature: there is no such setting; there are prompt, stop"),
        ("prompt = ", r"mine\.toml: not TOML"),
        ("prompt = '\\xff'", "has no {question}"),
    ],
)
def test_a_malformed_template_is_told(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "mine.toml").write_text(text)
    with pytest.raises(StyleError, match=says):
        prompts.get(str(tmp_path / "mine.toml"))


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text("chat = 1\nmax_new_tokens = 0\n")
    with pytest.raises(StyleError) as told:
        prompts.get(str(tmp_path / "mine.toml"))
    assert [line.split(": ")[1] for line in str(told.value).splitlines()] == ["prompt", "max_new_tokens", "chat"]


def test_a_binary_template_is_told(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_bytes(b"\xff{question}")
    with pytest.raises(StyleError, match="cannot be read as UTF-8"):
        prompts.get(str(tmp_path / "mine.txt"))


def test_an_unknown_style_lists_those_there_are() -> None:
    with pytest.raises(StyleError, match="gsm9k: no such style or template file; styles are gsm8k, gsm8k_cot"):
        prompts.get("gsm9k")


def test_a_style_cannot_be_made_what_it_is_not() -> None:
    with pytest.raises(StyleError, match="makes a conversation"):
        prompts.get("think", form="none")


def test_a_template_may_not_pass_for_a_built_in_style(tmp_path: Path) -> None:
    (tmp_path / "gsm8k_cot.txt").write_text("Mine: {question}")
    with pytest.raises(StyleError, match="named like the built-in style gsm8k_cot; rename the file"):
        prompts.get(str(tmp_path / "gsm8k_cot.txt"))
