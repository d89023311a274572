"""Read what a model wrote: one text out of strings or chat messages, and its thinking apart from its answer."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["Completion", "split_think", "text_of"]

Completion = str | Sequence[Mapping[str, Any]]
"""A completion (or prompt) as TRL hands it over: a string, or a list of chat messages."""

OPEN, CLOSE = "<think>", "</think>"

# Some models shout their tags, or call them otherwise.
THINK_TAG = re.compile(r"<(/?)think(?:ing)?>", re.IGNORECASE)

# Whatever stands behind an end-of-turn token was sampled past the end and is nobody's answer.
END_OF_TURN = re.compile(r"<\|im_end\|>|<\|endoftext\|>|<\|eot_id\|>|<\|end_of_text\|>|</s>|<eos>|<end_of_turn>")


def text_of(completion: Completion) -> str:
    """Return the text of a completion.

    A string is returned as it is. Of chat messages the assistant's are joined by newlines, a `reasoning_content` field
    written as a think block; where no message is the assistant's (a prompt) all messages are joined.
    """
    if isinstance(completion, str):
        return completion
    own = [message for message in completion if message.get("role") == "assistant"] or list(completion)
    return "\n".join(map(_message_text, own))


def _message_text(message: Mapping[str, Any]) -> str:
    content = message.get("content") or ""
    if not isinstance(content, str):
        content = "".join(str(part.get("text", "")) for part in content)
    reasoning = message.get("reasoning_content")
    return f"{OPEN}{reasoning}{CLOSE}{content}" if reasoning else content


def split_think(text: str) -> tuple[str | None, str | None]:
    """Split a completion into `(think, visible)`; the answer is sought in `visible` alone.

    - no tag: `(None, text)`;
    - closed: everything after the *last* `</think>` is visible; a lone `</think>` means that the opening tag was in
      the prompt, so the text before it is thinking all the same;
    - a `<think>` that is never closed: visible is `None`, whatever stood before it.

    Text behind an end-of-turn token is dropped first.
    """
    if "<" not in text:
        return None, text
    end = END_OF_TURN.search(text)
    text = THINK_TAG.sub(lambda tag: CLOSE if tag[1] else OPEN, text[: end.start()] if end else text)
    before, closed, after = text.rpartition(CLOSE)
    if OPEN in after:
        return after.partition(OPEN)[2], None
    if not closed:
        return None, after
    return before.lstrip().removeprefix(OPEN), after
