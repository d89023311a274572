"""What a prompt style is made of, and the one way it is put together."""

import hashlib
import json
from dataclasses import dataclass, field
from typing import Literal, get_args

from evals.prompts.shots import Fixed, Shots
from harness.chat import Messages

Prompt = str | Messages
"""Raw text, to be tokenised with the tokenizer's own special tokens, or a conversation for the chat template."""

PLACEHOLDER = "{question}"

Form = Literal["none", "single", "multiturn"]
FORMS: tuple[Form, ...] = get_args(Form)
"""Raw text, a conversation of one user turn, or one with a turn for every shot and for its answer."""


class StyleError(ValueError):
    """A prompt style cannot be had; the message says what to do."""


@dataclass(frozen=True)
class Style:
    """A prompt style.

    Attributes:
        stop: texts before which a completion is cut off.
        max_new_tokens: the token limit of a completion.
        chat: whether `prompt` gives a conversation.
        filters: the lm-eval filters for its completions, a key of `evals.gsm8k.FILTERS`.
        user: the text that asks a question, with `{question}` where it stands.
        system: the system prompt of a conversation.
        delimiter: what stands between a shot's question and its answer, and `separator` after its answer, in raw text.
        multiturn: whether the shots of a conversation are turns of their own, or raw text in the one that asks.
    """

    name: str
    stop: tuple[str, ...] = ()
    max_new_tokens: int = 512
    chat: bool = False
    filters: str = "gsm8k"
    user: str = PLACEHOLDER
    system: str | None = None
    shots: Shots = field(default_factory=Fixed)
    delimiter: str = " "
    separator: str = "\n\n"
    multiturn: bool = False

    def prompt(self, question: str, index: int | None = None) -> Prompt:
        """The prompt of one question.

        Args:
            index: the question's position in its file, from 0. `gsm8k` needs it, for it has other shots at each.
        """
        shots = self.shots.at(index)
        if not self.chat:
            return self._text(question, shots)
        system = [{"role": "system", "content": self.system}] if self.system else []
        if not self.multiturn:
            return [*system, {"role": "user", "content": self._text(question, shots)}]
        turns = [
            turn for asked, answer in shots for turn in (_turn("user", self._asked(asked)), _turn("assistant", answer))
        ]
        return [*system, *turns, _turn("user", self._asked(question))]

    @property
    def form(self) -> Form:
        """The form of its prompts, one of `FORMS`."""
        if not self.chat:
            return "none"
        return "multiturn" if self.multiturn else "single"

    @property
    def digest(self) -> str:
        """12 hex digits that change whenever any prompt, stop text or limit of the style does."""
        parts = {**vars(self), "shots": self.shots.describe()}
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]

    def _text(self, question: str, shots: "tuple[tuple[str, str], ...]") -> str:
        done = (self._asked(asked) + self.delimiter + answer + self.separator for asked, answer in shots)
        return "".join(done) + self._asked(question)

    def _asked(self, question: str) -> str:
        # Not str.format: a template may hold other braces, and a question too.
        return self.user.replace(PLACEHOLDER, question)


def _turn(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}
