"""Prompt styles: how a question becomes a prompt, where generation stops, and which filters grade it.

`gsm8k`, `gsm8k_cot`, `gsm8k_cot_zeroshot` and `gsm8k_cot_llama` give the prompts of lm-eval's tasks of those names,
byte for byte; `bare` and `think` are the chat prompts that the trainers use; anything else is a template file's path.
"""

from collections.abc import Sequence
from pathlib import Path

from evals.prompts import lm_eval
from evals.prompts.shots import Shot
from evals.prompts.style import Prompt, Style, StyleError
from evals.prompts.template import read
from harness.chat import THINK, Messages

__all__ = ["Messages", "Prompt", "Shot", "Style", "StyleError", "get", "names"]

_OURS = {
    "bare": Style("bare", chat=True),
    "think": Style("think", max_new_tokens=1024, chat=True, system=THINK),
}


def names() -> list[str]:
    """The built-in styles."""
    return [*lm_eval.NAMES, *_OURS]


def get(name: str, train: Sequence[Shot] | None = None, chat: bool | None = None, multiturn: bool = True) -> Style:
    """A style by name, or from a template file by path.

    Args:
        train: questions and answers of GSM8K's training file in its order; only `gsm8k` draws shots from it.
        chat: whether the prompt is a conversation for the model's chat template, lm-eval's `--apply_chat_template`;
            None leaves it to the style.
        multiturn: in a conversation, every shot is a turn of its own, lm-eval's `--fewshot_as_multiturn` (its default).

    Raises:
        StyleError: there is no such style or file, the file is malformed, or the style cannot be had as asked.
    """
    if name in lm_eval.NAMES:
        return lm_eval.style(name, train, bool(chat), multiturn)
    if name not in _OURS and not Path(name).is_file():
        raise StyleError(f"{name}: no such style or template file; styles are {', '.join(names())}")
    style = _OURS.get(name) or read(Path(name))
    if chat is not None and chat != style.chat:
        made = "a conversation" if style.chat else "plain text"
        raise StyleError(f"{name}: makes {made}; leave the chat option out, it is for lm-eval's styles")
    return style
