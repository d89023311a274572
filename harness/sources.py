"""From what a user names (`tiny`, a folder, a hub id, data files) to files on disk with a fingerprint."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness import advice, cache, tiny
from harness.config import DataConfig, ModelConfig

Progress = Callable[[int, int], None]
# The test file of each: `tiny-unseen` measures on templates that no training problem has.
EMBEDDED_DATA = {"tiny": "test.jsonl", "tiny-unseen": "unseen.jsonl"}
HUB_DATA = {"gsm8k": ("openai/gsm8k", "main")}


class SourceError(ValueError):
    """A model or data set cannot be used as named; the message says what to do."""


def model(name: str, recipe: str, progress: Progress, chat: bool = True) -> ModelConfig:
    """Resolves a model.

    Args:
        recipe: the embedded base to make where `name` is `tiny`.
        chat: whether its prompts are conversations, for which it needs a chat template.
    """
    local = Path(name).expanduser()
    if name == "tiny":
        folder, label = tiny.base_folder(recipe, progress), "tiny"
    elif local.is_dir():
        folder = local.resolve()
        # Of what `harness train` leaves, the run's name says more.
        label = folder.parent.name if folder.name in ("model", "adapter") else folder.name
    else:
        folder, label = _downloaded(name), name
    check_model(folder, chat)
    return ModelConfig(name=label, path=str(folder), fingerprint=cache.folder_digest(folder))


def tokenizer(name: str, progress: Progress) -> ModelConfig:
    """Resolves a model as far as its prompts go: of one on the hub no weights are downloaded."""
    if name == "tiny" or Path(name).expanduser().is_dir():
        return model(name, "default", progress)
    folder = _downloaded(name, allow=["*.json", "*.jinja", "*.txt", "*.model"])
    if not _has_chat_template(folder):
        raise SourceError(f"{name}: no chat template; take the instruct version of the model")
    return ModelConfig(name=name, path=str(folder), fingerprint=cache.folder_digest(folder))


def check_model(folder: Path, chat: bool = True) -> None:
    """Raises `SourceError` where a config, safetensors weights, a tokenizer or (`chat`) a chat template is missing."""
    if not (folder / "config.json").is_file():
        raise SourceError(f"{folder}: no config.json; give a folder written by `save_pretrained`, or a hub id")
    if not any(folder.glob("*.safetensors")):
        raise SourceError(f"{folder}: no weights; expected *.safetensors (pickled weights are not loaded)")
    if not any((folder / name).is_file() for name in ("tokenizer.json", "tokenizer.model", "vocab.json")):
        raise SourceError(f"{folder}: no tokenizer; save it beside the weights with `tokenizer.save_pretrained`")
    if chat and not _has_chat_template(folder):
        raise SourceError(
            f"{folder}: no chat template; set `tokenizer.chat_template` and save the tokenizer again, "
            "or take the instruct version of the model; `harness eval` measures it as it is with --style gsm8k_cot"
        )


def _has_chat_template(folder: Path) -> bool:
    if (folder / "chat_template.jinja").is_file() or (folder / "chat_template.json").is_file():
        return True
    config = folder / "tokenizer_config.json"
    return config.is_file() and bool(json.loads(config.read_text(encoding="utf-8")).get("chat_template"))


def _downloaded(name: str, allow: list[str] | None = None) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        pickled = ["*.bin", "*.pt", "*.pth", "*.gguf", "*.onnx"]
        return Path(snapshot_download(name, allow_patterns=allow, ignore_patterns=pickled))
    except HFValidationError as error:
        raise SourceError(f"{name}: neither a folder nor a hub id; give a model folder, owner/name or tiny") from error
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise SourceError(
            f"{name}: no such folder, and not to be had from the hub ({type(error).__name__}); {advice.HUB}"
        ) from error


def data(name: str, paths: list[Path]) -> DataConfig:
    """Resolves a data set: an embedded one, original files under any name, a folder of them, or a hub id."""
    if name in EMBEDDED_DATA and not paths:
        folder = tiny.data_folder()
        return _from_files(name, folder / "train.jsonl", folder / EMBEDDED_DATA[name], folder / "dev.jsonl")
    if not paths and Path(name).is_dir():
        paths, name = [Path(name)], Path(name).resolve().name
    if len(paths) == 1 and paths[0].is_dir():
        paths = [paths[0] / "train.jsonl", paths[0] / "test.jsonl"]
    if len(paths) == 1:
        raise SourceError(
            f"{paths[0]}: not a folder; --data-path takes one with train.jsonl and test.jsonl, or both files"
        )
    if not paths:
        folder = _from_hub(name)
        paths = [folder / "train.jsonl", folder / "test.jsonl"]
    return _from_files(name, *paths[:2])


def _from_files(name: str, train: Path, test: Path, dev: Path | None = None) -> DataConfig:
    files = [path for path in (train, test, dev) if path is not None]
    for path in files:
        if not path.is_file():
            raise SourceError(f"{path}: no such file; --data-path takes a folder with train.jsonl and test.jsonl")
    joined = "".join(hashlib.sha256(path.read_bytes()).hexdigest() for path in files)
    return DataConfig(
        name=name,
        train=str(train.resolve()),
        test=str(test.resolve()),
        dev=str(dev.resolve()) if dev else None,
        fingerprint=hashlib.sha256(joined.encode()).hexdigest()[:12],
    )


def _from_hub(name: str) -> Path:
    """Downloads the `train` and `test` splits with `datasets` and keeps them as JSON lines in the cache."""
    repository, subset = HUB_DATA.get(name, (name, None))

    def make(folder: Path) -> None:
        from datasets import load_dataset

        for split in ("train", "test"):
            _write_split(folder / f"{split}.jsonl", load_dataset(repository, subset, split=split))

    key = cache.digest({"repository": repository, "subset": subset})
    try:
        return cache.stage(f"hub-data-{key}", make)
    except (OSError, ValueError) as error:
        shutil.rmtree(cache.root() / f"hub-data-{key}.partial", ignore_errors=True)
        raise SourceError(
            f"{name}: not to be had from the hub ({type(error).__name__}); "
            "give the original files by --data-path FOLDER"
        ) from error


def _write_split(path: Path, rows: Any) -> None:
    missing = {"question", "answer"} - set(rows.column_names)
    if missing:
        raise SourceError(f"{path.stem}: the data set has no column {' or '.join(sorted(missing))}")
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps({"question": row["question"], "answer": row["answer"]}) + "\n")
