"""The embedded tokenizer: one token a word, one token a number. Decoding an encoding returns the text exactly.

A number written after a space is one token (" 28"), so the numbers of the question and of the chain share their
embeddings; that is what lets a model this small learn arithmetic in minutes.
"""

import re

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from harness.tiny.templates import DISTRACTORS, NAMES, OBJECTS, SEEN, UNSEEN

PAD, UNKNOWN, USER, ASSISTANT, END = "<|pad|>", "<|unk|>", "<|user|>", "<|assistant|>", "<|end|>"
TOKEN = r"</?think>|####|\n| ?[A-Za-z]+| ?[0-9]+| ?[^A-Za-z0-9\s]| "
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|' + message['role'] + '|>\\n' + message['content'] + '<|end|>\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% endif %}"
)


def vocabulary() -> list[str]:
    """Special tokens, markup, numbers, then every word of every template, in a fixed order."""
    texts = [t.text for t in SEEN + UNSEEN] + list(DISTRACTORS)
    texts.append("The answer is")
    filled = " ".join(re.sub(r"\{\w+\}", " ", text) for text in texts)
    words = sorted({*re.findall(r"[A-Za-z]+", filled), *NAMES, *OBJECTS})
    markup = ["<think>", "</think>", "####", "\n", " ", *(f" {mark}" for mark in "+-*/="), ".", "?", ",", "%"]
    numbers = [f" {n}" for n in range(101)]
    # A text begins with a capital; every other word follows a space.
    spaced = [f" {word}" for word in words] + [word for word in words if word[0].isupper()]
    return list(dict.fromkeys([PAD, UNKNOWN, USER, ASSISTANT, END, *markup, *numbers, *spaced]))


def build() -> PreTrainedTokenizerFast:
    """A fast tokenizer with chat template; saved and loaded like any other."""
    tokens = vocabulary()
    tokenizer = Tokenizer(models.WordLevel({token: index for index, token in enumerate(tokens)}, unk_token=UNKNOWN))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(TOKEN), "isolated")
    tokenizer.decoder = decoders.Fuse()
    tokenizer.add_special_tokens([PAD, UNKNOWN, USER, ASSISTANT, END])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        unk_token=UNKNOWN,
        eos_token=END,
        padding_side="left",
        chat_template=CHAT_TEMPLATE,
        model_max_length=512,
        clean_up_tokenization_spaces=False,
    )
