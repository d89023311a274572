"""Trees of plain values and tensors in one safetensors file, so that reading one can run no code.

The tensors are the file's tensors; dicts, lists, tuples, numbers and strings around them are JSON in its metadata.
"""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

TREE = "tree"


class NotAState(ValueError):
    """A file that holds no tree, or a tree that cannot be written."""


def write(path: Path, tree: Any) -> None:
    """Writes a tree. Raises `NotAState` for a value that is none of the above."""
    tensors: dict[str, torch.Tensor] = {}
    save_file(tensors, path, metadata={TREE: json.dumps(_plain(tree, tensors))})


def read(path: Path) -> Any:
    """The tree of a file, tensors on the CPU. Raises `NotAState` where there is none."""
    try:
        with safe_open(path, framework="pt") as file:
            plain = json.loads((file.metadata() or {})[TREE])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # it is no mapping
        return _tree(plain, tensors)
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise NotAState(f"{path} is not the state of a run ({error}); remove the checkpoint it lies in") from error


def _plain(node: Any, tensors: dict[str, torch.Tensor]) -> Any:
    """JSON of a tree: a list for each list, and `{kind: content}` for what JSON lacks. Fills `tensors`."""
    match node:
        case torch.Tensor():
            name = str(len(tensors))
            # A view of a bigger storage cannot be written.
            tensors[name] = node.detach().cpu().contiguous().clone()
            return {"tensor": name}
        case dict():
            return {"dict": [[_plain(key, tensors), _plain(value, tensors)] for key, value in node.items()]}
        case tuple():
            return {"tuple": [_plain(value, tensors) for value in node]}
        case list():
            return [_plain(value, tensors) for value in node]
        case None | bool() | int() | float() | str():
            return node
    raise NotAState(f"a {type(node).__name__} cannot be part of a checkpoint")


def _tree(node: Any, tensors: dict[str, torch.Tensor]) -> Any:
    match node:
        case {"tensor": name}:
            return tensors[name]
        case {"dict": pairs}:
            return {_tree(key, tensors): _tree(value, tensors) for key, value in pairs}
        case {"tuple": values}:
            return tuple(_tree(value, tensors) for value in values)
        case list():
            return [_tree(value, tensors) for value in node]
    return node
