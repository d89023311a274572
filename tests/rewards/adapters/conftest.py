"""The means to hand the examples to a framework that cannot be installed beside TRL."""

import json
import os
import string
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from graded import EXAMPLES, SPEC

from benchmarks.overlay import overlay

ROOT = Path(__file__).parents[3]
PEERS = Path(__file__).parent / "peers"


@pytest.fixture(scope="session")
def characters(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved tokenizer that is exact on any ASCII text: one token a character."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    tokens = ["<|pad|>", "<|end|>", *string.printable]
    tokenizer = Tokenizer(models.WordLevel({token: i for i, token in enumerate(tokens)}, unk_token="<|pad|>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
    tokenizer.decoder = decoders.Fuse()
    folder = tmp_path_factory.mktemp("characters")
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<|pad|>", eos_token="<|end|>", clean_up_tokenization_spaces=False
    ).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def peer(characters: Path) -> Callable[..., Any]:
    """Runs `peers/<script>.py` with a peer's packages laid over this environment and returns the JSON it prints."""

    def run(packages: str, script: str, spec: str = SPEC, **more: Any) -> Any:
        examples = [asdict(example) for example in EXAMPLES]
        task = {"spec": spec, "examples": examples, "tokenizer": str(characters), **more}
        done = subprocess.run(
            # -P: the script's own folder must not come before the peer's packages.
            [sys.executable, "-P", str(PEERS / f"{script}.py")],
            input=json.dumps(task),
            env={**os.environ, "PYTHONPATH": f"{overlay(packages)}{os.pathsep}{ROOT}", "HF_HUB_OFFLINE": "1"},
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return json.loads(done.stdout.splitlines()[-1])

    return run
