"""The one place that renders prompts: training and inference get their token ids from here, so they cannot differ.

A leaf: it works on any tokenizer with a chat template.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from harness import whole

Style = Literal["bare", "think"]
STYLES: tuple[Style, ...] = ("bare", "think")
Messages = list[dict[str, Any]]

THINK = (
    "Solve the problem step by step inside <think> and </think>, "
    "then give only the final number after ####, like this:\n"
    "<think>2 + 3 = 5</think>\n#### 5"
)
# Templates that write "today" get this day: the one the Llama 3 templates fall back to.
DAY = datetime(2024, 7, 26)
DATE = "26 Jul 2024"
RECORD = "harness.json"
_ANSWER = "the answer in the probe"


class OtherTemplate(ValueError):
    """A model is to be prompted in another way than it was trained; each line is one difference and its fix."""


class NoAnswer(ValueError):
    """The chat template leaves out what the assistant says."""


@dataclass(frozen=True)
class Example:
    """A prompt and the completion to learn, as token ids.

    Attributes:
        prompt_ids: the inference prompt, always `encode(tokenizer, conversation)`.
        completion_ids: the assistant's turn up to and with its end-of-turn token.
        joint_differs: tokenising the whole text at once merges characters of the prompt with the completion. The ids
            here are then those of the two parts apart, because inference never sees the parts joined.
    """

    prompt_ids: list[int]
    completion_ids: list[int]
    joint_differs: bool


@dataclass(frozen=True)
class Trained:
    """How the prompts of a model's training were made: the chat template's hash and the prompt style."""

    template: str
    prompt: str


def messages(question: str, style: Style) -> Messages:
    """The conversation before the answer: `bare` is the question alone, `think` tells the format in a system prompt."""
    user = {"role": "user", "content": question}
    return [user] if style == "bare" else [{"role": "system", "content": THINK}, user]


def render(tokenizer: Any, conversation: Messages, prompt: bool = True) -> str:
    """The text up to where the assistant's turn begins; without `prompt`, the conversation as it is.

    What a template would otherwise take from its surroundings is fixed: no tools, and `DATE` as today's date.
    """
    text = tokenizer.apply_chat_template(
        conversation,
        tools=None,
        tokenize=False,
        add_generation_prompt=prompt,
        date_string=DATE,
        strftime_now=DAY.strftime,  # a variable of this name hides the clock that templates are given
    )
    return str(text)


def tokenise(tokenizer: Any, text: str) -> list[int]:
    """Token ids of rendered text. The template writes BOS itself where the model has one, so none is added."""
    ids: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    return ids


def encode(tokenizer: Any, conversation: Messages) -> list[int]:
    """Token ids of the rendered prompt."""
    return tokenise(tokenizer, render(tokenizer, conversation))


def decode(tokenizer: Any, ids: Sequence[int]) -> str:
    """The text of a completion's token ids, as it is graded: special tokens write nothing."""
    return str(tokenizer.decode(list(ids), skip_special_tokens=True))


def example(tokenizer: Any, conversation: Messages, completion: str) -> Example:
    """The prompt, and `completion` ended as the template ends an assistant's turn.

    `prompt_ids + completion_ids` is the tokenisation of the rendered conversation with its answer, up to the
    end-of-turn token: what a template writes after it is never generated. A template that rewrites answers (as those
    that take `<think>` out) does not get to: what is learnt is what generation has to produce.

    Raises:
        NoAnswer: the template leaves out what the assistant says.
    """
    prompt, answer = render(tokenizer, conversation), completion + end_of_turn(tokenizer)
    prompt_ids, joint = tokenise(tokenizer, prompt), tokenise(tokenizer, prompt + answer)
    differs = joint[: len(prompt_ids)] != prompt_ids
    return Example(prompt_ids, tokenise(tokenizer, answer) if differs else joint[len(prompt_ids) :], differs)


def end_of_turn(tokenizer: Any) -> str:
    """What the template writes after an answer, up to and with the first token of its own: the end-of-turn token."""
    return _end_of_turn(tokenizer, template_hash(tokenizer))


@lru_cache(maxsize=8)  # a data set asks once for every example
def _end_of_turn(tokenizer: Any, _template: str) -> str:
    turn = [{"role": "user", "content": "?"}, {"role": "assistant", "content": _ANSWER}]
    _, found, tail = render(tokenizer, turn, prompt=False).rpartition(_ANSWER)
    if not found:
        raise NoAnswer("the chat template leaves out the assistant's messages: write their `content` in it")
    own = [token for token in tokenizer.get_added_vocab() if token.strip() and token in tail]
    if not own:
        return tail
    first = min(own, key=lambda token: (tail.index(token), -len(token)))
    return tail[: tail.index(first) + len(first)]


def template_hash(tokenizer: Any) -> str:
    """12 hex digits of the chat template, recorded with every run."""
    return hashlib.sha256(str(tokenizer.chat_template).encode()).hexdigest()[:12]


def save_template_hash(folder: Path, tokenizer: Any, prompt: str) -> None:
    """Writes beside a model's weights which template and prompt style it was trained with."""
    whole.write(folder / RECORD, json.dumps(asdict(Trained(template_hash(tokenizer), prompt))) + "\n")


def trained_with(folder: Path) -> Trained | None:
    """What `save_template_hash` wrote, `None` for a model from elsewhere; raises `OtherTemplate` if unreadable."""
    path = folder / RECORD
    if not path.is_file():
        return None
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        return Trained(str(told["template"]), str(told["prompt"]))
    except (ValueError, KeyError, TypeError) as error:
        raise OtherTemplate(f"{path}: not readable; copy it again from where the model was trained") from error


def style_of(folder: Path, embedded: bool) -> Style:
    """The prompt style of a model when nobody says: what it was trained with, where that is known, else `think`.

    The embedded base knows bare questions only. Raises `OtherTemplate` where the record of a training is unreadable.
    """
    if embedded:
        return "bare"
    trained = trained_with(folder)
    return next((style for style in STYLES if trained and style == trained.prompt), "think")


def check_trained(folder: Path, tokenizer: Any, prompt: str) -> None:
    """Raises `OtherTemplate` where the model in `folder` was trained with another template or prompt style."""
    trained, template = trained_with(folder), template_hash(tokenizer)
    if trained is None:
        return
    problems = []
    if trained.template != template:
        problems.append(
            f"{folder}: trained with chat template {trained.template}, the tokenizer has {template}; "
            "put back the tokenizer files that were saved with the model"
        )
    if trained.prompt != prompt:
        problems.append(f"{folder}: trained with prompt style {trained.prompt}, asked for {prompt}; give the first")
    if problems:
        raise OtherTemplate("\n".join(problems))
