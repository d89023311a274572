"""Studies whose cells kept completions, and what a page holds of them."""

import base64
import gzip
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ablations import page
from ablations.records import load_study

TABLE = """<figure class="study-table"><table><thead><tr><th class="key">Reward</th><th>Accuracy</th></tr></thead>
<tbody><tr><th class="key">sparse</th><td data-sort="0.405">40.5 ± 1.0</td></tr>
<tr><th class="key">length</th><td data-sort="">--</td></tr>
<tr><th class="key">format</th><td data-sort="0.099">9.9 ± 1.0</td></tr></tbody></table></figure>"""
FIGURE = b'<svg xmlns="http://www.w3.org/2000/svg" width="40" height="30"><rect width="40" height="30"/></svg>'


def completion(step: int, text: str, gold: str = "#### 4", **more: Any) -> dict[str, Any]:
    """A training completion as a cell records it: wrong and unpaid unless said otherwise."""
    return {
        "step": step, "prompt": [{"role": "user", "content": f"Question of step {step}?"}], "completion": text,
        "tokens": len(text.split()), "finish": "stop", "gold": gold, "status": "wrong", "components": {"sparse": 0.0},
        "reward": 0.0, "late": False, "steps": [], "advantage": 0.0,
    } | more  # fmt: skip


def right(step: int, text: str = "#### 4", reward: float = 1.0, **more: Any) -> dict[str, Any]:
    """A correct one, paid 1 unless said otherwise."""
    return completion(step, text, status="correct", reward=reward, components={"sparse": reward}, **more)


def keep(folder: Path, cell: str, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write completions below a cell, a file for each step, as training does."""
    home = folder / "cells" / cell / "completions"
    home.mkdir()
    steps: dict[int, list[str]] = {}
    for row in rows:
        steps.setdefault(row["step"], []).append(json.dumps(row) + "\n")
    for step, lines in steps.items():
        (home / f"step_{step:06d}.jsonl.gz").write_bytes(gzip.compress("".join(lines).encode(), mtime=0))


def built(folder: Path, **more: Any) -> str:
    """The page of a study, with a small table and one figure."""
    study = load_study(folder)
    return page.build(study, [TABLE], ["Sparse `beats` format & length."], {"accuracy.svg": FIGURE}, **more).decode()


def held(text: str, name: str) -> Any:
    """A data block of a page."""
    found = re.search(rf'<script type="text/plain" id="data-{name}">([^<]*)</script>', text)
    assert found, f"no block {name}"
    return json.loads(gzip.decompress(base64.b64decode(found[1])))


def texts(text: str) -> list[dict[str, Any]]:
    """All completions of a page, in order."""
    names = re.findall(r'id="data-(chunk-\d+)"', text)
    return [row for name in names for row in held(text, name)]
