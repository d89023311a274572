"""Low-rank adapters by peft: LoRA, DoRA and QLoRA, and what a finished run leaves of its weights."""

from pathlib import Path
from typing import Any

from harness import chat
from harness.training import AdapterConfig, Prompt


def peft_config(adapter: AdapterConfig) -> Any:
    """The adapter on every linear layer but the output's (as QLoRA has it, arXiv 2305.14314, section 4)."""
    from peft import LoraConfig

    return LoraConfig(
        r=adapter.rank,
        lora_alpha=adapter.alpha,
        lora_dropout=adapter.dropout,
        use_dora=adapter.kind == "dora",
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )


def save(model: Any, tokenizer: Any, folder: Path, prompt: Prompt) -> Any:
    """Writes the trained weights as safetensors, with tokenizer and template hash, and returns what `model/` holds.

    A model trained in full goes to `model/`. Of an adapter, `adapter/` gets its own weights and `model/` the base with
    the adapter merged in, which every engine loads. In bfloat16 merging rounds the sum once more; in float32 both
    answer alike.
    """
    if not hasattr(model, "peft_config"):
        return _write(model, tokenizer, folder / "model", prompt)
    adapter = folder / "adapter"
    _write(model, tokenizer, adapter, prompt)
    # With the base's config beside it, the adapter can be measured like a model (`harness.weights.model`).
    model.config.save_pretrained(adapter)
    return _write(merged(model, adapter), tokenizer, folder / "model", prompt)


def merged(model: Any, adapter: Path) -> Any:
    """The base with the adapter added to its weights, in place.

    A quantised base is first made whole again in the dtype that it computes in: it is what the adapter was trained on,
    and adding to 4-bit weights would round the adapter away.
    """
    from peft import PeftModel

    if getattr(model, "is_loaded_in_4bit", False):
        quantisation = model.config.quantization_config
        base = model.unload().dequantize(dtype=quantisation.bnb_4bit_compute_dtype)
        model = PeftModel.from_pretrained(base, str(adapter))
    return model.merge_and_unload()


def _write(model: Any, tokenizer: Any, folder: Path, prompt: Prompt) -> Any:
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    chat.save_template_hash(folder, tokenizer, prompt)
    return model
