"""A prompt style from a user's file.

A `.toml` file:

    prompt = "Problem: {question}\\nSolution:"   # required, with {question} in it
    stop = ["Problem:"]
    max_new_tokens = 512
    chat = false                                # true: a user turn for the model's chat template
    system = "You are a careful tutor."         # with chat = true
    filters = "gsm8k"                           # whose strict-match grades it, a task of lm-eval

Any other file is the prompt itself, as raw text; the newline that editors leave at the end of a file is not part of it.
"""

import tomllib
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from evals.gsm8k import FILTERS
from evals.prompts.style import PLACEHOLDER, Style, StyleError


class Template(BaseModel):
    """The settings of a template file."""

    model_config = ConfigDict(extra="forbid", strict=True)

    prompt: str
    stop: list[str] = []
    max_new_tokens: int = Field(default=512, ge=1)
    chat: bool = False
    system: str | None = None
    filters: str = "gsm8k"

    @field_validator("prompt")
    @classmethod
    def _asks(cls, prompt: str) -> str:
        if PLACEHOLDER not in prompt:
            raise ValueError(f"has no {PLACEHOLDER}; put it where the question belongs")
        return prompt

    @field_validator("stop")
    @classmethod
    def _not_empty(cls, stop: list[str]) -> list[str]:
        if not all(stop):
            raise ValueError("holds an empty text, which would stop every completion before it begins; drop it")
        return stop

    @field_validator("filters")
    @classmethod
    def _known(cls, filters: str) -> str:
        if filters not in FILTERS:
            raise ValueError(f"{filters!r} is none of {', '.join(FILTERS)}")
        return filters

    @model_validator(mode="after")
    def _system_in_chat(self) -> "Template":
        if self.system is not None and not self.chat:
            raise ValueError("a system prompt needs a conversation; set chat = true")
        return self


def read(path: Path) -> Style:
    """The style of a template file, named by the file's stem.

    Raises:
        StyleError: the file cannot be read, or is malformed; every fault is named, one a line.
    """
    try:
        text = path.read_text(encoding="utf-8")
        settings = tomllib.loads(text) if path.suffix == ".toml" else {"prompt": text.removesuffix("\n")}
        template = Template(**settings)
    except (OSError, UnicodeDecodeError) as error:
        raise StyleError(f"{path}: cannot be read as UTF-8 text ({error}); give a template file") from error
    except tomllib.TOMLDecodeError as error:
        raise StyleError(f"{path}: not TOML ({error}); mend the line") from error
    except ValidationError as error:
        faults = [_fault(path, fault["loc"], fault["type"], fault["msg"]) for fault in error.errors()]
        raise StyleError("\n".join(faults)) from error
    return Style(
        name=path.stem,
        stop=tuple(template.stop),
        max_new_tokens=template.max_new_tokens,
        chat=template.chat,
        filters=template.filters,
        user=template.prompt,
        system=template.system,
    )


def _fault(path: Path, place: tuple[int | str, ...], kind: str, says: str) -> str:
    key = ".".join(map(str, place)) or "template"
    if kind == "extra_forbidden":
        return f"{path}: {key}: there is no such setting; there are {', '.join(Template.model_fields)}"
    return f"{path}: {key}: {says.removeprefix('Value error, ')}"
