"""Loading what is trained or measured: device and dtype, the tokenizer, the weights (safetensors only)."""

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

ADAPTER = "adapter_config.json"


def is_adapter(folder: Path) -> bool:
    """Whether a folder holds a low-rank adapter alone, to be laid over its base."""
    return (folder / ADAPTER).is_file()


class WeightsUnavailable(ValueError):
    """The weights cannot be loaded as asked; the message says what to do."""


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


def model(folder: str, quantised: bool = False) -> Any:
    """The weights on their device, ready to be trained or measured.

    Args:
        folder: a model's, or an adapter's as `harness.trainers.adapters.save` writes it. An adapter is laid over the
            base that it names, which is quantised again where it was in training; to train on, take the merged model.
        quantised: linear layers in 4-bit nf4 with double quantisation (QLoRA, arXiv 2305.14314, section 3).

    Raises:
        WeightsUnavailable: bitsandbytes is missing, or an adapter's base is not where it was.
    """
    if is_adapter(Path(folder)):
        return _adapted(Path(folder))
    return _loaded(folder, _nf4() if quantised else None)


def _loaded(folder: str, quantisation: Any) -> Any:
    from transformers import AutoModelForCausalLM

    device, dtype = placement()
    if quantisation is None:
        return AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, use_safetensors=True).to(device)
    if find_spec("bitsandbytes") is None:
        raise WeightsUnavailable(
            "a base in 4 bits needs bitsandbytes: pip install 'reward-harness[qlora]', or set adapter.kind to lora"
        )
    # Quantised weights stay where they were loaded, so every process of a machine names its own device.
    place = int(os.environ.get("LOCAL_RANK", "0")) if device == "cuda" else device
    loaded = AutoModelForCausalLM.from_pretrained(
        folder, dtype=dtype, use_safetensors=True, quantization_config=quantisation, device_map={"": place}
    )
    for layer in loaded.modules():
        # On some CPUs the first inference would else lay the weights out anew, rounded to bfloat16, for a kernel that
        # has no gradient: measuring a model would change it, and end its training.
        if hasattr(layer, "support_avx512bf16_for_cpu"):
            layer.support_avx512bf16_for_cpu = False
    return loaded


def _nf4() -> Any:
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=placement()[1],
    )


def _adapted(folder: Path) -> Any:
    """The adapter over its base; `config.json` beside it is the base's, with the quantisation it was trained on."""
    from peft import PeftConfig, PeftModel
    from transformers import AutoConfig, BitsAndBytesConfig

    base = PeftConfig.from_pretrained(str(folder)).base_model_name_or_path
    if not (base and Path(base).is_dir()):
        raise WeightsUnavailable(
            f"{folder}: its base {base} is gone; take the merged model, or mend base_model_name_or_path in {ADAPTER}"
        )
    quantised = getattr(AutoConfig.from_pretrained(folder), "quantization_config", None)
    quantisation = BitsAndBytesConfig.from_dict(quantised) if quantised else None
    return PeftModel.from_pretrained(_loaded(base, quantisation), str(folder))
