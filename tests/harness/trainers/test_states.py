"""Trees without pickle: what is written comes back the same, and nothing else can be read."""

import json
import math
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from harness.trainers import states

DTYPES = st.sampled_from([torch.float32, torch.bfloat16, torch.uint8, torch.int64, torch.bool])
TENSORS = st.builds(
    lambda shape, dtype, seed: torch.randint(0, 2, shape, generator=torch.Generator().manual_seed(seed)).to(dtype),
    st.lists(st.integers(0, 3), max_size=3),
    DTYPES,
    st.integers(0, 100),
)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | TENSORS
TREES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.integers() | st.text(), inner, max_size=3)
    ),
    max_leaves=8,
)


def same(a: Any, b: Any) -> bool:
    if isinstance(a, torch.Tensor):
        return isinstance(b, torch.Tensor) and a.dtype == b.dtype and a.equal(b)
    if isinstance(a, dict):
        return isinstance(b, dict) and list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and a == b


@settings(max_examples=60, deadline=None)
@given(TREES)
def test_what_is_written_comes_back(tmp_path_factory: pytest.TempPathFactory, tree: Any) -> None:
    path = tmp_path_factory.mktemp("state") / "tree.safetensors"
    states.write(path, tree)
    assert same(tree, states.read(path))


def test_a_view_of_a_bigger_tensor_is_written_alone(tmp_path: Path) -> None:
    whole = torch.arange(6.0).reshape(2, 3)
    states.write(tmp_path / "view.safetensors", [whole[0], whole[:, 1], math.inf])
    first, column, infinite = states.read(tmp_path / "view.safetensors")
    assert (first.tolist(), column.tolist(), infinite) == ([0, 1, 2], [1, 4], math.inf)


def test_what_is_no_plain_value_is_refused(tmp_path: Path) -> None:
    with pytest.raises(states.NotAState, match="PosixPath cannot be part of a checkpoint"):
        states.write(tmp_path / "path.safetensors", {"where": tmp_path})


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(pickle.dumps([1]), id="pickle"),
        pytest.param(b"", id="empty"),
        pytest.param(None, id="tensors without a tree"),
        pytest.param("[", id="torn tree"),
        pytest.param(json.dumps({"tensor": "7"}), id="tree with a tensor that is not there"),
        pytest.param(json.dumps({"dict": 3}), id="tree of another shape"),
    ],
)
def test_another_file_is_no_state(tmp_path: Path, content: bytes | str | None) -> None:
    path = tmp_path / "x.safetensors"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        save_file({"0": torch.zeros(1)}, path, metadata={} if content is None else {states.TREE: content})
    with pytest.raises(states.NotAState, match=r"x\.safetensors is not the state of a run .*remove the checkpoint"):
        states.read(path)
