"""The sizes of a decoder-only transformer with gated feed-forward layers, and what can be counted from them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal


class UnknownArchitecture(ValueError):
    """The sizes of a model are not at hand, or its parameters are not counted here; the message says what to give."""


@dataclass(frozen=True)
class Architecture:
    """Sizes as `config.json` has them.

    Attributes:
        intermediate: width of the gated feed-forward layer.
        tied: the output projection is the embedding.
        qkv_bias, output_bias, mlp_bias: which linear layers have biases.
        norms: weight vectors of `hidden` per layer.
        query_norm: norms of queries and keys, one vector for all heads (`head`) or over all of them (`full`).
        fused: one matrix for queries, keys and values, and one for gate and up.
        stated: the number of parameters where somebody gave it; the sizes then only say how they are laid out.
    """

    name: str
    layers: int
    hidden: int
    intermediate: int
    heads: int
    kv_heads: int
    head_dim: int
    vocab: int
    tied: bool = False
    qkv_bias: bool = False
    output_bias: bool = False
    mlp_bias: bool = False
    norms: int = 2
    query_norm: Literal["", "head", "full"] = ""
    fused: bool = False
    stated: int | None = None

    @property
    def query_width(self) -> int:
        return self.heads * self.head_dim

    @property
    def kv_width(self) -> int:
        return self.kv_heads * self.head_dim

    @property
    def parameters(self) -> int:
        """N = V h (once where tied, else twice) + the layers + the last norm, unless it was stated."""
        return self.stated or self.embedding + self.layers * self._layer + self.hidden

    @property
    def embedding(self) -> int:
        """Parameters of embedding and output projection."""
        return self.vocab * self.hidden * (1 if self.tied else 2)

    @property
    def linear(self) -> int:
        """Parameters of the linear layers that an adapter sits on and QLoRA quantises: all but the output's."""
        if self.stated:
            return self.stated - self.embedding
        return self.layers * sum(rows * columns for rows, columns in self.matrices)

    @property
    def matrices(self) -> list[tuple[int, int]]:
        """(in, out) of every linear layer of one layer."""
        wide, narrow, out = self.query_width, self.kv_width, (self.query_width, self.hidden)
        down = (self.intermediate, self.hidden)
        if self.fused:
            return [(self.hidden, wide + 2 * narrow), out, (self.hidden, 2 * self.intermediate), down]
        attention = [(self.hidden, width) for width in (wide, narrow, narrow)]
        return [*attention, out, (self.hidden, self.intermediate), (self.hidden, self.intermediate), down]

    def adapter(self, rank: int) -> int:
        """Parameters of LoRA on every linear layer: r * sum(in + out) (arXiv 2106.09685, section 4.2)."""
        return rank * self.layers * sum(rows + columns for rows, columns in self.matrices)

    def kv_bytes(self, element: int) -> int:
        """Bytes that one token leaves in the key-value cache: 2 L n_kv d, `element` bytes each."""
        return 2 * self.layers * self.kv_width * element

    @property
    def _layer(self) -> int:
        weights = sum(rows * columns for rows, columns in self.matrices)
        norms = self.norms * self.hidden
        if self.query_norm:
            norms += 2 * self.head_dim if self.query_norm == "head" else self.query_width + self.kv_width
        biases = (self.query_width + 2 * self.kv_width) * self.qkv_bias + self.hidden * self.output_bias
        biases += (2 * self.intermediate + self.hidden) * self.mlp_bias
        return weights + norms + biases


# What a family's `config.json` leaves unsaid, by `model_type`.
FAMILIES: dict[str, dict[str, Any]] = {
    "llama": {},
    "mistral": {},
    "granite": {},
    "smollm3": {"tied": True},
    "qwen2": {"qkv_bias": True},
    "qwen3": {"query_norm": "head"},
    "olmo2": {"query_norm": "full"},
    "phi3": {"fused": True},
    "gemma2": {"norms": 4, "tied": True},
    "gemma3_text": {"norms": 4, "tied": True, "query_norm": "head"},
}


def from_config(config: Mapping[str, Any], name: str) -> Architecture:
    """The sizes in a `config.json`. Raises `UnknownArchitecture` for a family that is not counted here."""
    config = config.get("text_config") or config
    kind = config.get("model_type", "")
    if kind not in FAMILIES:
        raise UnknownArchitecture(
            f"{name}: parameters of {kind or 'this model type'} are not counted here (only of {', '.join(FAMILIES)}); "
            "give --params, --layers and --hidden"
        )
    try:
        return _read(config, FAMILIES[kind], name)
    except KeyError as error:
        raise UnknownArchitecture(f"{name}: its config.json has no {error.args[0]}; give --params instead") from error


def _read(config: Mapping[str, Any], family: dict[str, Any], name: str) -> Architecture:
    heads, hidden = config["num_attention_heads"], config["hidden_size"]
    bias = bool(config.get("attention_bias", False))
    said = {"qkv_bias": bias, "output_bias": bias, "mlp_bias": bool(config.get("mlp_bias", False)), **family}
    said["tied"] = config.get("tie_word_embeddings", said.get("tied", False))
    return Architecture(
        name=name,
        layers=config["num_hidden_layers"],
        hidden=hidden,
        intermediate=config["intermediate_size"],
        heads=heads,
        kv_heads=config.get("num_key_value_heads") or heads,
        head_dim=config.get("head_dim") or hidden // heads,
        vocab=config["vocab_size"],
        **said,
    )


def read(path: Path) -> Architecture:
    """The sizes of a model folder, or of a `config.json` itself. Raises `UnknownArchitecture`."""
    file = path / "config.json" if path.is_dir() else path
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UnknownArchitecture(f"{file}: {error.strerror}; give a model folder or its config.json") from error
    except ValueError as error:
        raise UnknownArchitecture(f"{file}: not JSON; give a model folder or its config.json") from error
    if not isinstance(config, dict):
        raise UnknownArchitecture(f"{file}: not a model's config.json")
    name = path.resolve().name if path.is_dir() else path.resolve().parent.name
    return from_config(config, name)


def from_sizes(
    parameters: int,
    layers: int | None = None,
    hidden: int | None = None,
    heads: int | None = None,
    kv_heads: int | None = None,
    vocab: int | None = None,
) -> Architecture:
    """A model of `parameters`, with usual values for what is not given.

    Width and depth follow N = 12 L h^2 (arXiv 2001.08361, section 2.1) and h = 128 L, heads are 128 wide, at most 8 are
    for keys and values, the vocabulary has 128,000 tokens, fewer where they would be more than a third of the model;
    the feed-forward width is what the rest amounts to.

    Raises:
        UnknownArchitecture: attention and embeddings alone are larger than `parameters`.
    """
    if hidden is None:
        wanted = (parameters / (12 * layers)) ** 0.5 if layers else (128 * parameters / 12) ** (1 / 3)
        hidden = max(128, round(wanted / 128) * 128)
    layers = layers or max(1, round(parameters / (12 * hidden**2)))
    heads = heads or max(1, hidden // 128)
    head_dim = max(1, hidden // heads)
    tokens = vocab or min(128_000, parameters // (3 * hidden))
    # Small models share the embedding: twice, it would be most of them.
    tied = 2 * tokens * hidden > parameters / 4
    sizes = Architecture(
        f"{parameters / 1e9:.3g}B", layers, hidden, 0, heads, kv_heads or min(8, heads), head_dim, tokens, tied
    )
    rest = parameters - sizes.parameters
    if rest < 0:
        raise UnknownArchitecture(
            f"--params {parameters:,}: attention and embeddings of {layers} layers of {hidden} are larger "
            f"({sizes.parameters:,}); give a smaller --layers, --hidden or --vocab"
        )
    return replace(sizes, intermediate=max(1, rest // (3 * hidden * layers)), stated=parameters)
