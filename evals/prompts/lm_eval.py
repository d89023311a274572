"""lm-eval's GSM8K tasks as styles: the prompts, stop texts and token limits of lm-eval 0.4.13.

Task versions: `gsm8k`, `gsm8k_cot` and `gsm8k_cot_zeroshot` 3.0, `gsm8k_cot_llama` 4.0. Generation is greedy in all.
"""

from collections.abc import Sequence
from typing import Any

from evals.prompts.shots import Fixed, Shot, Shots, drawn, exemplars
from evals.prompts.style import Form, Style, StyleError

NAMES = ("gsm8k", "gsm8k_cot", "gsm8k_cot_zeroshot", "gsm8k_cot_llama")

# No task sets a limit of its own: this is the default of lm-eval's hf and vllm backends.
MAX_NEW_TOKENS = 256

SHOTS = 5
"""Of `gsm8k`, out of the training file."""

_ENDS = ("</s>", "<|im_end|>")
_USER = {
    "gsm8k": "Question: {question}\nAnswer:",
    "gsm8k_cot": "Q: {question}\nA:",
    "gsm8k_cot_zeroshot": "Q: {question}\nA: Let's think step by step.",
    "gsm8k_cot_llama": (
        "Given the following problem, reason and give a final answer to the problem.\nProblem: {question}\n"
        'Your response should end with "The final answer is [answer]" where [answer] is the response to the problem.\n'
    ),
}
_STOP = {
    "gsm8k": ("Question:", *_ENDS),
    "gsm8k_cot": ("Q:", *_ENDS),
    "gsm8k_cot_zeroshot": ("Q:", *_ENDS),
    "gsm8k_cot_llama": ("<|eot_id|>", "<|start_header_id|>user<|end_header_id|>", "Q:", *_ENDS),
}


def style(name: str, train: Sequence[Shot] | None = None, form: Form = "none") -> Style:
    """The style of one of the tasks `NAMES`.

    Args:
        train: GSM8K's training file, for `gsm8k`.
        form: `single` is lm-eval's `--apply_chat_template --fewshot_as_multiturn false`, `multiturn` is
            `--apply_chat_template` alone, whose default it is.

    Raises:
        StyleError: `gsm8k` without a training file to draw from.
    """
    return Style(
        name=name,
        stop=_STOP[name],
        max_new_tokens=MAX_NEW_TOKENS,
        chat=form != "none",
        filters=name,
        user=_USER[name],
        shots=_shots(name, train),
        delimiter="" if name == "gsm8k_cot_llama" else " ",
        multiturn=form == "multiturn",
    )


def encode(tokenizer: Any, text: str) -> list[int]:
    """Token ids of a prompt, as lm-eval's hf and vllm backends take them.

    The tokenizer adds its special tokens, to the text of a chat template too, unless the text begins with its BOS.
    """
    begun = bool(tokenizer.bos_token) and text.startswith(tokenizer.bos_token)
    ids: list[int] = tokenizer(text, **({"add_special_tokens": False} if begun else {}))["input_ids"]
    return ids


def _shots(name: str, train: Sequence[Shot] | None) -> Shots:
    if name == "gsm8k_cot":
        return exemplars("The answer is {answer}.")
    if name == "gsm8k_cot_llama":
        return exemplars("The final answer is {answer}")
    if name == "gsm8k_cot_zeroshot":
        return Fixed()
    if train is None or len(train) < SHOTS:
        raise StyleError(
            f"gsm8k draws {SHOTS} worked examples for each question from GSM8K's training file: give a data folder "
            "with train.jsonl, or take gsm8k_cot, whose examples are fixed"
        )
    return drawn(train, SHOTS)
