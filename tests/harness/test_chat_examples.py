"""Rendering and training examples: what is learnt is what generation sees, whatever the template does."""

from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from templated import CHATML, CLOCK, DEEPSEEK, END, GEMMA, LLAMA, QWEN, STRIPS, build

from harness import chat

THOUGHT = "<think>2 + 3 = 5</think>\n#### 5"
VERBATIM = {"chatml": CHATML, "llama": LLAMA, "gemma": GEMMA}
ALL = {**VERBATIM, "clock": CLOCK, "qwen": QWEN, "strips": STRIPS, "deepseek": DEEPSEEK}
TALKS = {
    "one question": [{"role": "user", "content": "How many?"}],
    "three turns": [
        {"role": "user", "content": "How many?"},
        {"role": "assistant", "content": THOUGHT},
        {"role": "user", "content": "And now?"},
    ],
}
TOOL_TALK = [
    {"role": "system", "content": "Use the calculator."},
    {"role": "user", "content": "2 + 3?"},
    {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "add", "arguments": {"a": 2, "b": 3}}}]},
    {"role": "tool", "content": "5"},
]


@pytest.mark.parametrize("talk", TALKS.values(), ids=TALKS)
@pytest.mark.parametrize("template", VERBATIM.values(), ids=VERBATIM)
def test_prompt_and_completion_are_the_tokens_of_the_whole(template: str, talk: chat.Messages) -> None:
    tokenizer = build(template)
    made = chat.example(tokenizer, talk, THOUGHT)
    whole = chat.render(tokenizer, [*talk, {"role": "assistant", "content": THOUGHT}], prompt=False)
    assert made.prompt_ids + made.completion_ids == chat.tokenise(tokenizer, whole.removesuffix("\n"))
    assert not made.joint_differs


@pytest.mark.parametrize("talk", TALKS.values(), ids=TALKS)
@pytest.mark.parametrize("template", ALL.values(), ids=ALL)
def test_every_template_trains_on_the_inference_prompt_and_the_completion_as_it_is(
    template: str, talk: chat.Messages
) -> None:
    tokenizer = build(template)
    made = chat.example(tokenizer, talk, THOUGHT)
    assert made.prompt_ids == chat.encode(tokenizer, talk)
    assert tokenizer.decode(made.completion_ids) == THOUGHT + END


def test_conversations_with_tools_are_taken() -> None:
    tokenizer = build()
    made = chat.example(tokenizer, TOOL_TALK, "#### 5")
    assert "<|start|>tool\n5<|stop|>" in tokenizer.decode(made.prompt_ids)
    assert tokenizer.decode(made.completion_ids) == "#### 5" + END


@given(completion=st.text(), question=st.text(min_size=1), spaced=st.booleans())
def test_no_text_can_make_the_two_sides_differ(completion: str, question: str, spaced: bool) -> None:
    """With the boundary at a token of the template's own or inside ordinary text, for any completion at all."""
    tokenizer = SPACED if spaced else PLAIN
    talk = [{"role": "user", "content": question}]
    made = chat.example(tokenizer, talk, completion)
    assert made.prompt_ids == chat.encode(tokenizer, talk)
    assert tokenizer.decode(made.prompt_ids + made.completion_ids) == (chat.render(tokenizer, talk) + completion + END)
    assert tokenizer.decode(made.completion_ids) == completion + END


PLAIN, SPACED = build(), build(CHATML.replace("assistant\n{% endif", "assistant: {% endif"))


def test_a_prompt_that_merges_with_the_completion_is_said_and_tokenised_apart() -> None:
    talk = TALKS["one question"]
    made = chat.example(SPACED, talk, "The answer")
    assert made.joint_differs
    assert SPACED.convert_ids_to_tokens(made.prompt_ids[-1:] + made.completion_ids[:1]) == ["Ġ", "T"]
    assert not chat.example(SPACED, talk, "an answer").joint_differs


@pytest.mark.parametrize(
    ("template", "ends"),
    [
        pytest.param(CHATML, END, id="a newline after the token is never generated"),
        pytest.param(CHATML.replace("<|stop|>", " <|eos|><|stop|>"), " <|eos|>", id="the first of two tokens"),
        pytest.param(CHATML.replace("<|stop|>", "</s>"), "</s>\n", id="text that is no token"),
        pytest.param(CHATML.replace("<|stop|>\n", ""), "", id="nothing"),
    ],
)
def test_the_end_of_a_turn_is_read_from_the_template(template: str, ends: str) -> None:
    assert chat.end_of_turn(build(template)) == ends


def test_another_template_on_the_same_tokenizer_has_its_own_end() -> None:
    tokenizer = build()
    assert chat.end_of_turn(tokenizer) == END
    tokenizer.chat_template = CHATML.replace("<|stop|>", "<|eos|>")
    assert chat.end_of_turn(tokenizer) == "<|eos|>"


def test_a_template_without_answers_is_refused() -> None:
    tokenizer = build(CHATML.replace(" in messages", " in messages if m.role != 'assistant'"))
    with pytest.raises(chat.NoAnswer, match="leaves out the assistant's messages"):
        chat.example(tokenizer, TALKS["one question"], "#### 5")


@pytest.mark.parametrize("template", [LLAMA, CLOCK], ids=["a date variable", "the clock itself"])
def test_dates_are_pinned(template: str) -> None:
    tokenizer, talk = build(template), TALKS["one question"]
    free = tokenizer.apply_chat_template(talk, tokenize=False, add_generation_prompt=True)
    assert str(datetime.now().year) in free
    pinned = chat.render(tokenizer, talk)
    assert chat.DATE in pinned or "2024-07-26" in pinned
    assert str(datetime.now().year) not in pinned


def test_the_pinned_date_is_one_date() -> None:
    assert chat.DAY.strftime("%d %b %Y") == chat.DATE


@pytest.mark.parametrize(
    ("change", "prompt", "says"),
    [
        pytest.param({}, "think", [], id="the same"),
        pytest.param({"chat_template": CLOCK}, "think", ["trained with chat template"], id="another template"),
        pytest.param({}, "bare", ["trained with prompt style think, asked for bare"], id="another style"),
        pytest.param({"chat_template": CLOCK}, "bare", ["chat template", "prompt style"], id="both are told at once"),
    ],
)
def test_a_model_is_prompted_as_it_was_trained(
    tmp_path: Any, change: dict[str, str], prompt: str, says: list[str]
) -> None:
    tokenizer = build()
    chat.save_template_hash(tmp_path, tokenizer, "think")
    tokenizer.save_pretrained(tmp_path)
    again = type(tokenizer).from_pretrained(tmp_path)
    for name, value in change.items():
        setattr(again, name, value)
    if not says:
        chat.check_trained(tmp_path, again, prompt)
        return
    with pytest.raises(chat.OtherTemplate) as caught:
        chat.check_trained(tmp_path, again, prompt)
    lines = str(caught.value).splitlines()
    assert len(lines) == len(says)
    assert all(part in line for part, line in zip(says, lines, strict=True))


def test_the_record_travels_and_is_overwritten_whole(tmp_path: Any) -> None:
    assert chat.trained_with(tmp_path) is None
    chat.check_trained(tmp_path, build(), "think")  # a model from elsewhere has no record to differ from
    for style in ("bare", "think"):
        chat.save_template_hash(tmp_path, build(), style)
        assert chat.trained_with(tmp_path) == chat.Trained(chat.template_hash(build()), style)
    assert [path.name for path in tmp_path.iterdir()] == [chat.RECORD]


@pytest.mark.parametrize("text", ["", "[]", '{"template": "a"}'], ids=["empty", "a list", "half"])
def test_a_spoilt_record_is_one_line(tmp_path: Any, text: str) -> None:
    (tmp_path / chat.RECORD).write_text(text)
    with pytest.raises(chat.OtherTemplate, match="not readable; copy it again"):
        chat.trained_with(tmp_path)
