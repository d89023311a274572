"""Loading what is trained or measured: device and dtype, the tokenizer, the weights (safetensors only)."""

from typing import Any


def placement() -> tuple[str, Any]:
    """Device and dtype of the weights: bfloat16 on a CUDA device, float32 on a CPU."""
    import torch

    return ("cuda", torch.bfloat16) if torch.cuda.is_available() else ("cpu", torch.float32)


def tokenizer(folder: str) -> Any:
    """The tokenizer of a model folder; a model without a padding token pads with its end token."""
    from transformers import AutoTokenizer

    loaded = AutoTokenizer.from_pretrained(folder)
    if loaded.pad_token_id is None:
        loaded.pad_token = loaded.eos_token
    return loaded


def model(folder: str) -> Any:
    """The weights on their device, ready to be trained in full or measured."""
    from transformers import AutoModelForCausalLM

    device, dtype = placement()
    return AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, use_safetensors=True).to(device)
