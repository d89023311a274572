"""The one place that renders prompts: training and inference get their token ids from here, so they cannot differ.

A leaf: it imports nothing of the project and works on any tokenizer with a chat template.
"""

import hashlib
from typing import Any, Literal

Style = Literal["bare", "think"]
Messages = list[dict[str, str]]

THINK = (
    "Solve the problem step by step inside <think> and </think>, "
    "then give only the final number after ####, like this:\n"
    "<think>2 + 3 = 5</think>\n#### 5"
)


def messages(question: str, style: Style) -> Messages:
    """The conversation before the answer: `bare` is the question alone, `think` tells the format in a system prompt."""
    user = {"role": "user", "content": question}
    return [user] if style == "bare" else [{"role": "system", "content": THINK}, user]


def render(tokenizer: Any, conversation: Messages) -> str:
    """The prompt text up to where the assistant's turn begins."""
    text = tokenizer.apply_chat_template(conversation, tokenize=False, add_generation_prompt=True)
    return str(text)


def encode(tokenizer: Any, conversation: Messages) -> list[int]:
    """Token ids of the rendered prompt. The template writes BOS itself where the model has one, so none is added."""
    ids: list[int] = tokenizer(render(tokenizer, conversation), add_special_tokens=False)["input_ids"]
    return ids


def template_hash(tokenizer: Any) -> str:
    """12 hex digits of the chat template, recorded with every run."""
    return hashlib.sha256(str(tokenizer.chat_template).encode()).hexdigest()[:12]
