"""Every misalignment is planted in a real tokenizer, and the check that is named for it finds it, alone."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from templated import BOS, CHATML, CLOCK, DEEPSEEK, END, EOS, GEMMA, LLAMA, PAD, QWEN, START, STRIPS, build

from harness import alignment, chat
from harness.alignment.checks import CHECKS
from harness.tiny import tokenizer as tiny_tokenizer

SHARED = Path(os.environ.get("HARNESS_SHARED", Path(__file__).parents[2] / ".." / "shared")).resolve()
SMOLLM2 = SHARED / "tools" / "smollm2.py"


class WithoutPins(type(build())):  # type: ignore[misc]
    """A tokenizer with a renderer of its own that asks the clock and takes no variables."""

    def apply_chat_template(self, conversation: Any, **settings: Any) -> str:
        del settings["date_string"], settings["strftime_now"]
        return str(super().apply_chat_template(conversation, **settings))


def of_class(tokenizer: Any, kind: type) -> Any:
    tokenizer.__class__ = kind
    return tokenizer


def special_thoughts() -> Any:
    tokenizer = build()
    tokenizer.add_special_tokens({"additional_special_tokens": ["<think>", "</think>"]})
    return tokenizer


def named(report: alignment.Report, *statuses: str) -> dict[str, str]:
    return {one.name: one.status for one in report.findings if one.status in statuses}


HEALTHY = {
    "chatml": lambda: build(),
    "bos by template": lambda: build("{{ bos_token }}" + CHATML),
    "bos by both, one in the prompt": lambda: build("{{ bos_token }}" + CHATML, adds_bos=True),
    "no bos at all": lambda: build(bos_token=None),
    "bos is the turn marker": lambda: build(bos_token=START),
    "stops by the generation config": lambda: build(eos_token=EOS),
    "the embedded tokenizer": tiny_tokenizer.build,
}


@pytest.mark.parametrize("make", HEALTHY.values(), ids=HEALTHY)
def test_nothing_is_found_where_nothing_is_wrong(make: Any) -> None:
    tokenizer = make()
    style = "bare" if make is tiny_tokenizer.build else "think"
    stop = tokenizer.convert_tokens_to_ids(END) if tokenizer.eos_token == EOS else None
    report = alignment.require(tokenizer, style, stop)
    assert [one.name for one in report.findings] == [check.__name__ for check in CHECKS]
    assert {one.status for one in report.findings} == {"ok"}


PLANTED = [
    pytest.param(
        lambda: build(CHATML.replace("{{ m.content }}", "{{ m.content }}{{ ' Think!' if loop.last }}")),
        {"prompt": "fail", "end_of_turn": "fail"},
        id="the last message is rendered otherwise than when an answer follows",
    ),
    pytest.param(
        lambda: build(CHATML.replace(chr(10) + "{% endif %}", ":{% endif %}")), {"prompt": "fail"}, id="header"
    ),
    pytest.param(
        lambda: build(CHATML[: CHATML.index("{% if add")]), {"prompt": "fail"}, id="the generation prompt is ignored"
    ),
    pytest.param(lambda: build("{{ bos_token }}" + BOS + CHATML), {"bos": "fail"}, id="two BOS"),
    pytest.param(lambda: build(adds_bos=True), {"bos": "fail"}, id="the tokenizer's BOS is not in the template"),
    pytest.param(lambda: build("{{ bos_token }}" + CHATML, bos_token=None), {"bos": "fail"}, id="BOS without a token"),
    pytest.param(
        lambda: build(CHATML.replace("<|stop|>", "")), {"end_of_turn": "fail", "stop": "fail"}, id="turns never end"
    ),
    pytest.param(
        lambda: build(CHATML.replace("<|stop|>", "{{ ' (end)' if m.role == 'assistant' }}<|stop|>")),
        {"end_of_turn": "fail"},
        id="answers get words that the model did not say",
    ),
    pytest.param(
        lambda: build(CHATML.replace("<|stop|>", "</s>")),
        {"end_of_turn": "fail", "stop": "fail"},
        id="turns end in text",
    ),
    pytest.param(lambda: build(eos_token=EOS), {"stop": "fail"}, id="generation stops at another token"),
    pytest.param(lambda: build(STRIPS), {"think": "fail"}, id="think is stripped from answers"),
    pytest.param(lambda: build(QWEN), {"think": "warn"}, id="think is laid out anew, and lost in earlier turns"),
    pytest.param(lambda: build(DEEPSEEK), {"prompt": "fail", "think": "fail"}, id="think is opened for the model"),
    pytest.param(special_thoughts, {"think": "fail"}, id="think is lost in decoding"),
    pytest.param(lambda: build(GEMMA), {"system": "fail"}, id="the system role is refused"),
    pytest.param(
        lambda: build(CHATML.replace("in messages", "in messages if m.role != 'system'")),
        {"system": "fail"},
        id="the system prompt is dropped",
    ),
    pytest.param(
        lambda: build("<|start|>system\nBe brief, always.<|stop|>\n" + CHATML),
        {"system": "warn"},
        id="a system prompt of the template's own",
    ),
    pytest.param(
        lambda: build("{% if not tools %}<|start|>system\n[{'type': 'function'}]<|stop|>\n{% endif %}" + CHATML),
        {"tools": "warn"},
        id="tools by default",
    ),
    pytest.param(lambda: build(LLAMA), {"system": "warn", "date": "warn"}, id="today's date by a variable, pinned"),
    pytest.param(lambda: build(CLOCK), {"date": "warn"}, id="today's date by the clock, pinned"),
    pytest.param(lambda: of_class(build(CLOCK), WithoutPins), {"date": "fail"}, id="today's date, not to be pinned"),
    pytest.param(
        lambda: build(CHATML.replace("assistant\n{% endif", "assistant\nAnswer: {% endif")),
        {"prompt": "fail", "boundary": "fail"},
        id="the prompt ends in a space that belongs to the completion's first token",
    ),
    pytest.param(lambda: build(padding_side="right"), {"padding": "warn"}, id="padding on the right"),
    pytest.param(lambda: build(pad_token=END), {"padding": "warn"}, id="padding is the end of a turn"),
    pytest.param(lambda: build(pad_token=None), {"padding": "warn"}, id="padding falls back on the end of a turn"),
    pytest.param(tiny_tokenizer.build, {"vocabulary": "fail"}, id="a system prompt in words the model does not have"),
    pytest.param(lambda: build(None), {"template": "fail"}, id="no chat template"),
    pytest.param(lambda: build("{{ raise_exception('never') }}"), {"template": "fail"}, id="nothing can be rendered"),
    pytest.param(
        lambda: build(CHATML.replace("in messages", "in messages if m.role != 'assistant'")),
        {"template": "fail"},
        id="answers are left out",
    ),
]


@pytest.mark.parametrize(("make", "finds"), PLANTED)
def test_a_planted_misalignment_is_named(make: Any, finds: dict[str, str]) -> None:
    report = alignment.check(make(), "think")
    assert named(report, "warn", "fail") == finds
    for one in report.findings:
        assert "\n" not in one.message
        assert one.status == "ok" or ":" in one.message, "the fix follows a colon"


def finding(report: alignment.Report, name: str) -> alignment.Finding:
    return next(one for one in report.findings if one.name == name)


@pytest.mark.parametrize(
    ("template", "name", "lines"),
    [
        (DEEPSEEK, "prompt", ["-'<think>'", "-'Ċ'"]),
        ("{{ bos_token }}" + BOS + CHATML, "bos", [f"-'{BOS}'"]),
        (STRIPS, "think", ["+'<think>'", "+'</think>'"]),
    ],
)
def test_the_diff_shows_the_tokens(template: str, name: str, lines: list[str]) -> None:
    assert set(lines) <= set(finding(alignment.check(build(template), "think"), name).diff)


def test_the_diff_of_a_boundary_shows_the_merge() -> None:
    spaced = build(CHATML.replace("assistant\n", "assistant: ").replace("{{ m.role }}\n", "{{ m.role }}: "))
    report = alignment.check(spaced, "think")
    assert named(report, "fail") == {"boundary": "fail"}
    assert [line for line in finding(report, "boundary").diff if line[0] in "-+"][2:] == ["-'Ġ'", "-'T'", "+'ĠT'"]


def test_all_failures_are_told_at_once_with_their_fixes() -> None:
    broken = build(STRIPS, adds_bos=True, eos_token=EOS)
    with pytest.raises(alignment.Misaligned) as caught:
        alignment.require(broken, "think")
    told = str(caught.value)
    for fix in (
        "begin the template with {{ bos_token }}",
        "add 258 to `eos_token_id`",
        "write the assistant's `content`",
    ):
        assert fix in told
    assert broken.convert_tokens_to_ids(END) == 258
    assert "warn" not in told and "ok " not in told


@pytest.mark.parametrize("stop", [258, [1, 258]], ids=["one", "several"])
def test_the_generation_config_may_name_the_stop(stop: int | list[int]) -> None:
    assert not alignment.require(build(eos_token=EOS), "think", stop).failures


def test_a_style_without_a_system_prompt_can_do_without_the_role() -> None:
    assert named(alignment.require(build(GEMMA), "bare"), "warn") == {"system": "warn"}


def test_the_data_of_the_run_is_what_is_checked() -> None:
    strict = build("{% if messages | length > 2 %}{{ raise_exception('one turn only') }}{% endif %}" + CHATML)
    talk = [{"role": role, "content": "a"} for role in ("user", "assistant", "user")]
    assert not alignment.require(strict, "bare").failures
    with pytest.raises(alignment.Misaligned, match="cannot render: one turn only"):
        alignment.require(strict, "bare", samples=[(talk, "#### 5")])


def test_cut_answers_are_counted() -> None:
    tokenizer, talk = build(), [{"role": "user", "content": "How many?"}]
    made = [chat.example(tokenizer, talk, "x" * length) for length in (1, 2, 10)]
    sizes = [len(one.prompt_ids) + len(one.completion_ids) for one in made]
    assert sizes[0] + 1 == sizes[1]
    assert [alignment.truncated(made, limit) for limit in (sizes[0] - 1, sizes[0], sizes[1], sizes[2])] == [3, 2, 1, 0]
    found = [alignment.truncation(made, limit) for limit in (sizes[0] - 1, sizes[1], sizes[2])]
    assert [one.status for one in found] == ["fail", "warn", "ok"]
    assert f"1 of 3 answers are cut at {sizes[1]} tokens" in found[1].message
    assert f"give max_length {sizes[2]}" in found[1].message


@pytest.mark.parametrize(
    ("files", "stops"),
    [
        pytest.param({"generation_config.json": '{"eos_token_id": [4, 7]}'}, [4, 7], id="generation config"),
        pytest.param({"generation_config.json": "{}", "config.json": '{"eos_token_id": 4}'}, [4], id="config"),
        pytest.param({}, [], id="none"),
    ],
)
def test_stop_tokens_of_a_folder(tmp_path: Path, files: dict[str, str], stops: list[int]) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert alignment.stop_tokens(tmp_path) == stops


def test_padding_with_the_end_of_a_turn_is_harmless_in_training() -> None:
    """What the warning says: TRL pads labels by length, so the end-of-turn token keeps its label."""
    from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

    tokenizer = build(pad_token=END)
    made = [chat.example(tokenizer, [{"role": "user", "content": "?"}], text) for text in ("#### 5", "long #### 5")]
    rows = [
        {
            "input_ids": one.prompt_ids + one.completion_ids,
            "labels": [-100] * len(one.prompt_ids) + one.completion_ids,
        }
        for one in made
    ]
    labels = DataCollatorForLanguageModeling(pad_token_id=tokenizer.pad_token_id)(rows)["labels"]
    trained = [[token for token in row if token != -100] for row in labels.tolist()]
    assert trained == [one.completion_ids for one in made]
    assert all(row[-1] == tokenizer.pad_token_id for row in trained)


@pytest.fixture(scope="module")
def smollm2(tmp_path_factory: pytest.TempPathFactory) -> Any:
    if not SMOLLM2.is_file():
        pytest.skip(f"{SMOLLM2} is missing: it makes the SmolLM2-135M checkpoint")
    from transformers import AutoTokenizer

    folder = tmp_path_factory.mktemp("smollm2") / "model"
    subprocess.run([sys.executable, str(SMOLLM2), str(folder)], check=True)
    return AutoTokenizer.from_pretrained(folder), alignment.stop_tokens(folder)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("style", "warns"),
    [
        pytest.param("think", {"padding"}, id="padding is its end of turn"),
        pytest.param("bare", {"padding", "system"}, id="and without a system prompt it adds its own"),
    ],
)
def test_smollm2_can_be_trained_and_its_habits_are_said(smollm2: Any, style: chat.Style, warns: set[str]) -> None:
    tokenizer, stop = smollm2
    assert set(named(alignment.require(tokenizer, style, stop), "warn")) == warns
    assert tokenizer.pad_token != PAD
