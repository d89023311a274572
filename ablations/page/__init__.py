"""`report.html`: a study as one page that needs no network, and whose every text is shown as text.

A page is built from the records alone and has the same bytes whenever it is built. Its completions and cells are packed
(`pack`), so that neither markup in a model's text nor the length of a study reaches the parser of the browser.
"""

import base64
import html
import re
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files

from ablations.page import cells, completions
from ablations.page.pack import block, integrity
from ablations.records import Study

__all__ = ["LIMIT", "build"]

LIMIT = 50_000
"""Completions that a page holds, over all cells."""

FIRST = 8
SCRIPTS = ("dom", "table", "chart", "cells", "filters", "completions", "opened", "main")


def build(
    study: Study,
    tables: Sequence[str],
    claims: Sequence[str],
    figures: Mapping[str, bytes],
    limit: int = LIMIT,
) -> bytes:
    """Return the page of a study, UTF-8.

    Args:
        tables: HTML, inserted as it is, the results first; all else is text and escaped.
        claims: plain text, where `` `code` `` may be quoted.
        figures: images by file name; what does not end in `.svg` is left out.
        limit: most completions to hold; what they are chosen by stands in `ablations.page.sources`.
    """
    script = "".join(_read(f"js/{name}.js") for name in SCRIPTS)
    data = block("cells", {"cells": cells.overview(study), "rows": [study.short(arm) for arm in study.arms]})
    data += "".join(block(f"cell-{i}", cells.details(study, cell)) for i, cell in enumerate(study.cells) if cell.id)
    values = {
        "policy": f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src {integrity(script)}",
        "title": html.escape(study.plan.name),
        "varies": html.escape(_varies(study)),
        "tables": "".join(tables),
        "claims": _claims(claims),
        "figures": "".join(_figures(figures)),
        "style": _read("page.css"),
        "data": data + "".join(completions.blocks(study, limit)),
        "script": script,
    }
    return _filled(_read("page.html"), values).encode()


def _read(name: str) -> str:
    return files("ablations.page").joinpath(name).read_text(encoding="utf-8")


def _filled(template: str, values: Mapping[str, str]) -> str:
    """Fill `{{name}}`, in one pass, so that no value is searched; a section whose value is empty goes with it."""
    kept = re.sub(r"<!--if (\w+)-->(.*?)<!--end-->", lambda m: m[2] if values[m[1]] else "", template, flags=re.DOTALL)
    return re.sub(r"\{\{(\w+)\}\}", lambda match: values[match[1]], kept)


def _varies(study: Study) -> str:
    plan, seeds = study.plan, len(study.plan.seeds)
    axes = {name: values for name, values in plan.axes.items() if len(values) > 1}
    varied = " x ".join(f"{len(values)} {name if name == 'data' else name + 's'}" for name, values in axes.items())
    where = f"{', '.join(plan.models)} on {', '.join(plan.datasets)}"
    return f"{varied or plan.rewards[0]} x {seeds} {'seed' if seeds == 1 else 'seeds'}, {where}"


def _prose(text: str) -> str:
    return re.sub(r"`([^`]*)`", r"<code>\1</code>", html.escape(text))


def _claims(claims: Sequence[str]) -> str:
    """A list of which the first few are seen at once."""
    first, rest = (_list(claims[:FIRST]), claims[FIRST:])
    return f"{first}<details><summary>{len(rest)} more</summary>{_list(rest)}</details>" if rest else first


def _list(texts: Sequence[str]) -> str:
    return f"<ul>{''.join(f'<li>{_prose(text)}</li>' for text in texts)}</ul>" if texts else ""


def _figures(figures: Mapping[str, bytes]) -> Iterator[str]:
    """An SVG as an image can neither run anything nor clash with the ids of another."""
    for name, data in figures.items():
        stem, _, kind = name.rpartition(".")
        if kind == "svg":
            title = html.escape(stem.replace("_", " ").capitalize())
            source = f"data:image/svg+xml;base64,{base64.b64encode(data).decode('ascii')}"
            yield f'<button class="figure" aria-label="Enlarge: {title}"><img alt="{title}" src="{source}"></button>'
