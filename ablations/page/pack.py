"""How values travel inside a page: JSON, gzipped, as base64, which no text within can end or escape from."""

import base64
import gzip
import hashlib
import json
import math
from typing import Any


def pack(value: Any) -> str:
    """Return JSON values as base64 of gzip; equal values give equal texts. Raises `ValueError` on NaN or infinity."""
    # ASCII: a lone surrogate, which a model can write, has no UTF-8.
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return base64.b64encode(gzip.compress(text.encode("ascii"), mtime=0)).decode("ascii")


def block(name: str, value: Any) -> str:
    """Return a packed value as an element that no browser runs; the page reads it by its id."""
    return f'<script type="text/plain" id="data-{name}">{pack(value)}</script>\n'


def integrity(script: str) -> str:
    """Return the source expression that allows just this inline script (Content Security Policy 3, section 2.3.1)."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode('ascii')}'"


def number(value: Any) -> float | None:
    """Return a finite number with the six digits that a reader can use; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(f"{value:.6g}")


def shorten(text: str, most: int) -> str:
    """Return a text, its middle left out where it is longer than `most`: answers stand at the end."""
    if len(text) <= most:
        return text
    head, tail = most * 3 // 4, most // 4
    return f"{text[:head]}\n[... {len(text) - head - tail:,} characters left out ...]\n{text[-tail:]}"
