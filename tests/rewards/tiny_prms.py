"""Process reward models small enough to know by heart: the published architectures, a few hundred weights each.

Attention and feed-forward parts add nothing here unless asked for, so what stands at a token is its own embedding, and
a score can be told from the token that is read.
"""

import json
import string
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers
from torch import nn
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    LlamaForTokenClassification,
    MistralConfig,
    MistralForCausalLM,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen2ForTokenClassification,
    Qwen2Tokenizer,
)

WIDTH = 16
UNKNOWN = "<|unk|>"
SPECIAL = ["<|pad|>", UNKNOWN, "<|system|>", "<|user|>", "<|assistant|>", "<|end|>", "<extra_0>"]
TEMPLATE = (
    "{% for message in messages %}{{ '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)
CLASSES: dict[str, tuple[Any, Any]] = {
    "steps": (LlamaForTokenClassification, LlamaConfig),
    "math_shepherd": (MistralForCausalLM, MistralConfig),
    "rlhflow": (LlamaForCausalLM, LlamaConfig),
    "qwen_math_prm": (Qwen2ForCausalLM, Qwen2Config),
    "skywork": (Qwen2ForCausalLM, Qwen2Config),
    "pure": (Qwen2ForTokenClassification, Qwen2Config),
}
# Shapes of the families' own heads; W is the width.
W = -1
HEADS = {
    "qwen_math_prm": {"score.0.weight": (W, W), "score.0.bias": (W,), "score.2.weight": (2, W), "score.2.bias": (2,)},
    "skywork": {"v_head.summary.weight": (1, W), "v_head.summary.bias": (1,)},
}
ARCHITECTURES = {"qwen_math_prm": "Qwen2ForProcessRewardModel", "skywork": "Qwen2ForPrmModel"}


def characters() -> PreTrainedTokenizerFast:
    """A token a character, so that places in the text and in the tokens are easily compared."""
    vocabulary = {token: place for place, token in enumerate([*SPECIAL, *string.printable])}
    return _fast(Tokenizer(models.WordLevel(vocabulary, UNKNOWN)), pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated"))


def bytes_of_qwen() -> Qwen2Tokenizer:
    """The tokenizer class of the Qwen models, with a token a byte."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: place for place, token in enumerate([*SPECIAL, *alphabet])}
    tokenizer = Qwen2Tokenizer(
        vocab=vocabulary, merges=[], pad_token="<|pad|>", unk_token=UNKNOWN, eos_token="<|end|>", chat_template=TEMPLATE
    )
    tokenizer.add_special_tokens({"extra_special_tokens": [token for token in SPECIAL if token != "<extra_0>"]})
    # As in the published model, where it is an added token like any other.
    tokenizer.add_tokens([AddedToken("<extra_0>", special=False)])
    return tokenizer


def words(texts: Sequence[str]) -> PreTrainedTokenizerFast:
    """A token a word with the blank before it, as SentencePiece writes them: `▁ки`, `▁+`; a newline is a token."""
    found = sorted({"▁" + word for text in texts for word in text.split()})
    # What follows a newline has no blank before it.
    own = ["\n", "▁ки", "▁+", "▁-", "▁Step", "Step", *(f"▁{number}:" for number in range(1, 9))]
    vocabulary = dict.fromkeys([*SPECIAL, *own, *found])
    tokenizer = Tokenizer(models.WordLevel({token: place for place, token in enumerate(vocabulary)}, UNKNOWN))
    split = [pre_tokenizers.Split("\n", "isolated"), pre_tokenizers.Metaspace(prepend_scheme="first")]
    return _fast(tokenizer, pre_tokenizers.Sequence(split))


def _fast(tokenizer: Tokenizer, cut: Any) -> PreTrainedTokenizerFast:
    tokenizer.pre_tokenizer = cut
    tokenizer.decoder = decoders.Fuse()
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in SPECIAL])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<|pad|>", unk_token=UNKNOWN, eos_token="<|end|>", chat_template=TEMPLATE
    )  # fmt: skip


def save(folder: Path, family: str, tokenizer: Any, head: dict[str, torch.Tensor] | None = None, **config: Any) -> Path:
    """A model of the family's architecture in `folder`, random or (`head` given) reading its own token through `head`.

    The embedding of token t is then the unit vector e_(t % 16), times 4 as the last norm leaves it.
    """
    cls, settings = CLASSES[family]
    torch.manual_seed(0)
    width = config.pop("width", WIDTH)
    model = cls(
        settings(
            vocab_size=len(tokenizer), hidden_size=width, intermediate_size=width, num_hidden_layers=2,
            num_attention_heads=2, num_key_value_heads=2, tie_word_embeddings=False, initializer_range=0.3,
            max_position_embeddings=config.pop("max_position_embeddings", 2048), num_labels=2,
            eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id, bos_token_id=None, **config,
        )
    )  # fmt: skip
    if head is not None:
        _read_itself(model)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    _rewrite(folder, family, head)
    return folder


def _read_itself(model: Any) -> None:
    with torch.no_grad():
        for layer in model.model.layers:
            layer.self_attn.o_proj.weight.zero_()
            layer.mlp.down_proj.weight.zero_()
        size = model.model.embed_tokens.weight.shape[0]
        model.model.embed_tokens.weight.copy_(nn.functional.one_hot(torch.arange(size) % WIDTH, WIDTH).float())


def _rewrite(folder: Path, family: str, head: dict[str, torch.Tensor] | None) -> None:
    """Puts the family's own head and architecture into what transformers saved."""
    config = json.loads((folder / "config.json").read_text())
    width = config["hidden_size"]
    tensors = load_file(folder / "model.safetensors")
    if family in ARCHITECTURES:
        config["architectures"] = [ARCHITECTURES[family]]
        tensors = {name: value for name, value in tensors.items() if not name.startswith("lm_head")}
        shapes = {name: [width if size == W else size for size in shape] for name, shape in HEADS[family].items()}
        tensors.update({name: torch.randn(shape) / 4 for name, shape in shapes.items()})
    tensors.update(head or {})
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(config))
