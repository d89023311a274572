"""The real GSM8K files, where they are at hand."""

import json
import os
from pathlib import Path

import pytest

SHARED = Path(os.environ.get("HARNESS_SHARED", Path(__file__).parents[2] / ".." / "shared")).resolve()
DATA = Path(os.environ.get("HARNESS_GSM8K", SHARED / "data" / "gsm8k"))


def lines(name: str) -> list[dict[str, str]]:
    """The rows of one of GSM8K's files."""
    path = DATA / name
    if not path.is_file():
        pytest.skip(f"no {name} in {DATA}: set HARNESS_GSM8K to the folder of GSM8K's jsonl files")
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def pairs(name: str) -> list[tuple[str, str]]:
    """Questions and answers."""
    return [(row["question"], row["answer"]) for row in lines(name)]
