"""Files that are whole or not there. A leaf: it imports nothing of the project."""

import os
from pathlib import Path


def write(path: Path, text: str) -> None:
    """Replaces a file by `text` under a name of this process first, so that nobody reads half of it."""
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)
