"""Where the sizes of a model come from: a folder, the hub's cache, or the table of common models here.

The table has what their `config.json` on the hub has, so that nothing has to be downloaded.
"""

from dataclasses import replace
from pathlib import Path

from harness.estimate.architecture import Architecture, UnknownArchitecture, from_config, read
from harness.nearest import hint

# id, family, layers, hidden, intermediate, heads, kv heads, head width, vocabulary, tied
_ROWS: tuple[tuple[str, str, int, int, int, int, int, int, int, bool], ...] = (
    ("HuggingFaceTB/SmolLM2-135M", "llama", 30, 576, 1536, 9, 3, 64, 49152, True),
    ("HuggingFaceTB/SmolLM2-360M", "llama", 32, 960, 2560, 15, 5, 64, 49152, True),
    ("HuggingFaceTB/SmolLM2-1.7B", "llama", 24, 2048, 8192, 32, 32, 64, 49152, True),
    ("Qwen/Qwen2.5-0.5B", "qwen2", 24, 896, 4864, 14, 2, 64, 151936, True),
    ("Qwen/Qwen2.5-1.5B", "qwen2", 28, 1536, 8960, 12, 2, 128, 151936, True),
    ("Qwen/Qwen2.5-3B", "qwen2", 36, 2048, 11008, 16, 2, 128, 151936, True),
    ("Qwen/Qwen2.5-7B", "qwen2", 28, 3584, 18944, 28, 4, 128, 152064, False),
    ("Qwen/Qwen2.5-14B", "qwen2", 48, 5120, 13824, 40, 8, 128, 152064, False),
    ("Qwen/Qwen2.5-32B", "qwen2", 64, 5120, 27648, 40, 8, 128, 152064, False),
    ("Qwen/Qwen2.5-72B", "qwen2", 80, 8192, 29568, 64, 8, 128, 152064, False),
    ("Qwen/Qwen3-0.6B", "qwen3", 28, 1024, 3072, 16, 8, 128, 151936, True),
    ("Qwen/Qwen3-1.7B", "qwen3", 28, 2048, 6144, 16, 8, 128, 151936, True),
    ("Qwen/Qwen3-4B", "qwen3", 36, 2560, 9728, 32, 8, 128, 151936, True),
    ("Qwen/Qwen3-8B", "qwen3", 36, 4096, 12288, 32, 8, 128, 151936, False),
    ("Qwen/Qwen3-14B", "qwen3", 40, 5120, 17408, 40, 8, 128, 151936, False),
    ("Qwen/Qwen3-32B", "qwen3", 64, 5120, 25600, 64, 8, 128, 151936, False),
    ("meta-llama/Llama-2-7b-hf", "llama", 32, 4096, 11008, 32, 32, 128, 32000, False),
    ("meta-llama/Llama-3.2-1B", "llama", 16, 2048, 8192, 32, 8, 64, 128256, True),
    ("meta-llama/Llama-3.2-3B", "llama", 28, 3072, 8192, 24, 8, 128, 128256, True),
    ("meta-llama/Llama-3.1-8B", "llama", 32, 4096, 14336, 32, 8, 128, 128256, False),
    ("meta-llama/Llama-3.1-70B", "llama", 80, 8192, 28672, 64, 8, 128, 128256, False),
    ("mistralai/Mistral-7B-v0.1", "mistral", 32, 4096, 14336, 32, 8, 128, 32000, False),
)


def _architecture(row: tuple[str, str, int, int, int, int, int, int, int, bool]) -> Architecture:
    name, family, layers, hidden, intermediate, heads, kv_heads, head_dim, vocab, tied = row
    config = {
        "model_type": family,
        "num_hidden_layers": layers,
        "hidden_size": hidden,
        "intermediate_size": intermediate,
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "head_dim": head_dim,
        "vocab_size": vocab,
        "tie_word_embeddings": tied,
    }
    return from_config(config, name)


ARCHITECTURES = {row[0]: _architecture(row) for row in _ROWS}


def find(name: str) -> Architecture:
    """The sizes of `tiny`, of a model folder or `config.json`, or of a hub id in the hub's cache or the table.

    An instruct version has the sizes of its base. Nothing is downloaded.

    Raises:
        UnknownArchitecture: the sizes are not at hand.
    """
    if name == "tiny":
        return _tiny()
    if Path(name).expanduser().exists():
        return read(Path(name).expanduser())
    if name.count("/") != 1 or name.startswith((".", "/", "~")):
        raise UnknownArchitecture(f"{name}: no such folder or file; give one, a hub id, or --params 7e9")
    cached = _cached(name)
    if cached:
        return replace(read(cached), name=name)
    base = name.removesuffix("-Instruct").removesuffix("-Base").removesuffix("-Chat")
    for known in ARCHITECTURES:
        if known.lower() == base.lower():
            return ARCHITECTURES[known]
    raise UnknownArchitecture(
        f"{name}: not in the hub's cache, and nothing is downloaded here. {hint(name, ARCHITECTURES)}"
        "Give its config.json, or --params, --layers and --hidden"
    )


def _cached(name: str) -> Path | None:
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        found = try_to_load_from_cache(name, "config.json")
    except HFValidationError as error:
        raise UnknownArchitecture(f"{name}: neither a folder nor a hub id; give one, or --params 7e9") from error
    return Path(found) if isinstance(found, str) else None


def _tiny() -> Architecture:
    """The embedded base, whether it has been made yet or not."""
    from harness.tiny.recipe import RECIPES
    from harness.tiny.tokenizer import vocabulary

    recipe = RECIPES["default"]
    width = recipe.hidden // recipe.heads
    tokens = len(vocabulary())
    return Architecture(
        "tiny", recipe.layers, recipe.hidden, recipe.mlp, recipe.heads, recipe.heads, width, tokens, tied=True
    )
