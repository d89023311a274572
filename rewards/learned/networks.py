"""The networks of process reward models: what is read at every token, and the head that judges what is read there.

Only safetensors are read, and no code that lies beside them: the heads of published models are few and known.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor, nn

from rewards.errors import RewardError

__all__ = ["Network", "classifier", "headed", "language_model"]


@dataclass(frozen=True)
class Network:
    """`body` gives features for every token in the field `output` of what it returns, `head` (n, d) -> (n, k)."""

    body: Any
    head: nn.Module
    output: str = "last_hidden_state"

    def to(self, device: str) -> None:
        """Move both to a device."""
        self.body.to(device)
        self.head.to(device)

    def judge(self, ids: Tensor, mask: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        """Return the head's output (n, k) at the n tokens [row, column] of the (B, T) ids; mask is 0 on padding."""
        features = getattr(self.body(input_ids=ids, attention_mask=mask), self.output)
        judged: Tensor = self.head(features[rows, columns])
        return judged.float()


def classifier(folder: Path, dtype: torch.dtype) -> Network:
    """A token classifier of transformers, with two classes."""
    from transformers import AutoModelForTokenClassification

    model = _pretrained(AutoModelForTokenClassification, folder, dtype)
    if model.num_labels != 2:
        raise RewardError(f"{folder}: judges tokens by {model.num_labels} classes; a step is bad or good: 2")
    return Network(model, nn.Identity(), "logits")


def language_model(folder: Path, dtype: torch.dtype) -> Network:
    """A causal language model; its head gives a logit for every word of the vocabulary."""
    model = causal(folder, dtype)
    return Network(model.base_model, model.get_output_embeddings())


def causal(folder: Path, dtype: torch.dtype) -> Any:
    """The causal language model in `folder`, whole."""
    from transformers import AutoModelForCausalLM

    return _pretrained(AutoModelForCausalLM, folder, dtype)


def headed(prefix: str, head: Callable[[int], nn.Module]) -> Callable[[Path, torch.dtype], Network]:
    """A backbone of transformers under a head of its authors' own: `head(hidden size)`, saved below `prefix`."""

    def load(folder: Path, dtype: torch.dtype) -> Network:
        from transformers import AutoModel

        body = _pretrained(AutoModel, folder, dtype)
        own = head(body.config.hidden_size)
        found = {name.removeprefix(prefix): tensor for name, tensor in _tensors(folder, prefix).items()}
        if {name: tensor.shape for name, tensor in own.state_dict().items()} != {k: v.shape for k, v in found.items()}:
            raise RewardError(f"{folder}: its weights {prefix}* are {sorted(found)}, not {sorted(own.state_dict())}")
        own.load_state_dict(found)
        return Network(body, own.to(dtype).eval())

    return load


def _pretrained(auto: Any, folder: Path, dtype: torch.dtype) -> Any:
    """The weights of a folder; refused where some would have to be invented."""
    model, told = auto.from_pretrained(
        folder, dtype=dtype, use_safetensors=True, trust_remote_code=False, output_loading_info=True
    )
    if told["missing_keys"]:
        missing = ", ".join(sorted(told["missing_keys"])[:3])
        raise RewardError(f"{folder}: no process reward model of this family: its weights lack {missing}")
    model.config.use_cache = False
    return model.eval()


def _tensors(folder: Path, prefix: str) -> dict[str, Tensor]:
    found = {}
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, framework="pt") as file:
            found.update({name: file.get_tensor(name) for name in file.keys() if name.startswith(prefix)})  # noqa: SIM118  # it is no mapping
    return found
