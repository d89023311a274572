"""Chat files: JSON lines with `messages`, or with `prompt` and `completion`."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field, ValidationError, model_validator

from harness import chat
from harness.trainers.demonstrations import Demonstration, Demonstrations
from harness.training import Prompt

_SHOWN = 5


class BadConversations(ValueError):
    """Files cannot be read, or lines of them are malformed; each line of the message is one of them and the fix."""


class Message(BaseModel):
    role: Literal["system", "user", "assistant"]
    content: str = Field(min_length=1)


class Line(BaseModel):
    """A line of a chat file. Text alone as a prompt is a question, as a completion the assistant's answer."""

    messages: list[Message] | None = None
    prompt: str | list[Message] | None = None
    completion: str | list[Message] | None = None

    @model_validator(mode="after")
    def _one_form(self) -> "Line":
        if (self.messages is None) == (self.prompt is None) or (self.prompt is None) != (self.completion is None):
            raise ValueError("give `messages`, or `prompt` and `completion`")
        turns = self.messages if self.completion is None else self.completion
        if not turns or (not isinstance(turns, str) and turns[-1].role != "assistant"):
            raise ValueError("the last message must be the assistant's, and not empty")
        if not (self.messages or self.prompt) or (self.messages and self.messages[0].role == "assistant"):
            raise ValueError("something must stand before the first answer")
        return self

    def conversation(self, style: Prompt) -> tuple[chat.Messages, int]:
        """All messages, and how many of them are given; the assistant's after those are learnt."""
        if self.messages is not None:
            return _plain(self.messages), 0
        prompt, completion = self.prompt or "", self.completion or ""
        given = chat.messages(prompt, style) if isinstance(prompt, str) else _plain(prompt)
        answer = [{"role": "assistant", "content": completion}] if isinstance(completion, str) else _plain(completion)
        return given + answer, len(given)


def read(files: Sequence[Path], style: Prompt) -> Demonstrations:
    """Every answer of the assistant, each after the conversation before it, exactly as at inference.

    So a template that takes the thinking out of earlier turns does it in training as well.

    Args:
        style: how a `prompt` that is text alone becomes messages (`harness.chat.messages`).

    Raises:
        BadConversations: a file cannot be read, or lines are malformed (up to five are named, all are counted).
    """
    found: list[Demonstration] = []
    problems: list[str] = []
    for file in files:
        for number, text in _lines(file):
            try:
                messages, given = Line.model_validate_json(text).conversation(style)
            except ValidationError as error:
                problems.append(f"{file}:{number}: {_problem(error)}; mend or drop the line")
                continue
            found += _answers(messages, given)
    if problems:
        more = [f"... and {len(problems) - _SHOWN} more malformed lines"] if len(problems) > _SHOWN else []
        raise BadConversations("\n".join(problems[:_SHOWN] + more))
    return Demonstrations(tuple(found))


def _answers(messages: chat.Messages, given: int) -> Iterator[Demonstration]:
    for place, message in enumerate(messages):
        if place >= given and message["role"] == "assistant":
            yield Demonstration(messages[:place], message["content"])


def _plain(messages: Sequence[Message]) -> chat.Messages:
    return [message.model_dump() for message in messages]


def _lines(file: Path) -> Iterator[tuple[int, str]]:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadConversations(f"{file}: cannot be read as UTF-8 text ({error}); give a JSON-lines file") from error
    # Not splitlines: JSON texts may hold U+2028, which is no end of a line here.
    return ((number, line) for number, line in enumerate(text.split("\n"), start=1) if line.strip())


def _problem(error: ValidationError) -> str:
    first = error.errors()[0]
    place = ".".join(map(str, first["loc"]))
    message = first["msg"].removeprefix("Value error, ")
    return f"{place}: {message}" if place else message
