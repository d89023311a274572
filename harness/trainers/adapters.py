"""Low-rank adapters: LoRA, DoRA and QLoRA by peft."""

from typing import Any

from harness.training import AdapterConfig


def peft_config(adapter: AdapterConfig) -> Any:
    """The adapter on every linear layer."""
    from peft import LoraConfig

    return LoraConfig(
        r=adapter.rank,
        lora_alpha=adapter.alpha,
        lora_dropout=adapter.dropout,
        use_dora=adapter.kind == "dora",
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )
