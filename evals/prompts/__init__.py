"""Prompt styles: how a question becomes a prompt, where generation stops, and which filters grade it.

`gsm8k`, `gsm8k_cot`, `gsm8k_cot_zeroshot` and `gsm8k_cot_llama` give the prompts of lm-eval's tasks of those names,
byte for byte; `bare` and `think` are the chat prompts that the trainers use; anything else is a template file's path.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evals.prompts import lm_eval
from evals.prompts.shots import Shot
from evals.prompts.style import FORMS, Form, Prompt, Style, StyleError
from evals.prompts.template import read
from harness import chat
from harness.chat import THINK, Messages

__all__ = ["FORMS", "Form", "Messages", "Prompt", "Shot", "Style", "StyleError", "encode", "get", "names"]

_OURS = {
    "bare": Style("bare", chat=True),
    "think": Style("think", max_new_tokens=1024, chat=True, system=THINK),
}


def names() -> list[str]:
    """The built-in styles."""
    return [*lm_eval.NAMES, *_OURS]


def get(name: str, train: Sequence[Shot] | None = None, form: Form | None = None) -> Style:
    """A style by name, or from a template file by path.

    Args:
        train: questions and answers of GSM8K's training file in its order; only `gsm8k` draws shots from it.
        form: of lm-eval's styles, which are raw text (`none`) unless it says a conversation, `single` or `multiturn`.

    Raises:
        StyleError: there is no such style or file, the file is malformed, or the style cannot be had as asked.
    """
    if name in lm_eval.NAMES:
        return lm_eval.style(name, train, form or "none")
    if name not in _OURS and not Path(name).is_file():
        raise StyleError(f"{name}: no such style or template file; styles are {', '.join(names())}")
    style = _OURS.get(name) or read(Path(name))
    if name not in _OURS and style.name in names():
        raise StyleError(f"{name}: named like the built-in style {style.name}; rename the file")
    if form is not None and form != style.form:
        made = "a conversation" if style.chat else "plain text"
        raise StyleError(f"{name}: makes {made}; leave the chat option out, it is for lm-eval's styles")
    return style


def encode(tokenizer: Any, style: Style, prompt: Prompt) -> list[int]:
    """Token ids of one of the style's prompts: lm-eval's as lm-eval has them, other conversations as in training.

    Where a chat template writes today's date, lm-eval's prompts change from day to day; here it is `harness.chat.DATE`.
    """
    if isinstance(prompt, str):
        return lm_eval.encode(tokenizer, prompt)
    if style.name in lm_eval.NAMES:
        return lm_eval.encode(tokenizer, chat.render(tokenizer, prompt))
    return chat.encode(tokenizer, prompt)
