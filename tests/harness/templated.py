"""A byte-level tokenizer that knows every text, and chat templates in the manner of well-known families."""

from typing import Any

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

START, END, BOS, EOS, PAD = "<|start|>", "<|stop|>", "<|begin|>", "<|eos|>", "<|pad|>"

ASK = "{% if add_generation_prompt %}<|start|>assistant\n{% endif %}"
TURN = "<|start|>{{ m.role }}\n{{ m.content }}<|stop|>\n"
CHATML = "{% for m in messages %}" + TURN + "{% endfor %}" + ASK

# Says what day it is, in a block of its own in front, as Llama 3 does.
LLAMA = """{{- bos_token }}
{%- if not date_string is defined %}
    {%- if strftime_now is defined %}{% set date_string = strftime_now("%d %b %Y") %}
    {%- else %}{% set date_string = "26 Jul 2024" %}{% endif %}
{%- endif %}
{%- set told = messages[0].content if messages[0].role == "system" else "" %}
{{- "<|start|>system\nCutting Knowledge Date: March 2023\nToday Date: " + date_string + "\n" + told + "<|stop|>" }}
{%- for m in messages if m.role != "system" %}
    {{- "<|start|>" + m.role + "\n" + m.content | trim + "<|stop|>" }}
{%- endfor %}
{%- if add_generation_prompt %}{{ "<|start|>assistant\n" }}{% endif %}"""

# Asks the clock itself, which no variable can hide but the clock's own name.
CLOCK = "<|start|>system\n{{ strftime_now('%Y-%m-%d') }}<|stop|>\n" + CHATML

# Thoughts are laid out anew in the last turn, an empty one is put where there is none, earlier ones go: Qwen 3.
QWEN = """{%- set ns = namespace(last=-1) %}
{%- for m in messages %}{% if m.role == "user" %}{% set ns.last = loop.index0 %}{% endif %}{% endfor %}
{%- for m in messages %}
    {%- set said, thought = m.content, "" %}
    {%- if m.role == "assistant" and "</think>" in said %}
        {%- set thought = said.split("</think>")[0].split("<think>")[-1].strip() %}
        {%- set said = said.split("</think>")[-1].strip() %}
    {%- endif %}
    {%- if m.role == "assistant" and loop.index0 > ns.last %}
        {%- set said = "<think>\n" + thought + "\n</think>\n\n" + said %}
    {%- endif %}
    {{- "<|start|>" + m.role + "\n" + said + "<|stop|>\n" }}
{%- endfor %}
{%- if add_generation_prompt %}{{ "<|start|>assistant\n" }}{% endif %}"""

# Takes thoughts out of every answer, the last one too.
STRIPS = CHATML.replace("m.content", "m.content.split('</think>')[-1]")

# The same, and opens the next thought for the model: DeepSeek R1.
DEEPSEEK = STRIPS.replace("assistant\n{% endif %}", "assistant\n<think>\n{% endif %}")

# No system role: Gemma.
GEMMA = (
    "{{ bos_token }}{% if messages[0].role == 'system' %}{{ raise_exception('no system role here') }}{% endif %}"
    "{% for m in messages %}<|start|>{{ 'model' if m.role == 'assistant' else m.role }}\n"
    "{{ m.content | trim }}<|stop|>\n{% endfor %}{% if add_generation_prompt %}<|start|>model\n{% endif %}"
)


def build(template: str | None = CHATML, adds_bos: bool = False, **settings: Any) -> PreTrainedTokenizerFast:
    """A tokenizer with this chat template; `settings` are its own: `eos_token`, `padding_side` and the like.

    The one merge joins a space with the T after it, as every trained vocabulary joins spaces with letters.
    """
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: i for i, token in enumerate([*alphabet, "ĠT"])}
    inner = Tokenizer(models.BPE(vocabulary, [("Ġ", "T")]))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    inner.add_special_tokens([START, END, BOS, EOS, PAD])
    inner.add_tokens([AddedToken("<think>", special=False), AddedToken("</think>", special=False)])
    if adds_bos:
        inner.post_processor = processors.TemplateProcessing(f"{BOS} $A", None, [(BOS, inner.token_to_id(BOS))])
    known = {"bos_token": BOS, "eos_token": END, "pad_token": PAD, "padding_side": "left", "chat_template": template}
    return PreTrainedTokenizerFast(tokenizer_object=inner, **{**known, **settings})
