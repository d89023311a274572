"""`harness rewards [NAME]`."""

import dataclasses
import inspect
import json
import math
import re
import typing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli.errors import told

if TYPE_CHECKING:
    from rewards import Reward

TITLES = {
    "outcome": "is the answer right",
    "format": "does it have the shape",
    "length": "how long is it",
    "repetition": "does it say things twice",
    "process": "are the steps right",
    "control": "teaches no mathematics: a study must separate from it",
    "sum": "several rewards, weighted",
    "own": "registered by you or by an installed package",
}
SOURCE = re.compile(r"arXiv \d{4}\.\d{4,5}(?:, (?:section|equation|appendix) [A-Z]?[.\d]*\d)?")


def rewards(
    name: Annotated[str | None, typer.Argument(help="A name, a spec or module:function, shown in full.")] = None,
    plugin: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="A Python file that registers rewards; repeatable.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
) -> None:
    """List the registered rewards by kind, or show one: formula, range, parameters, source and real scores.

    Example: harness rewards format_answer
    """
    import rewards as registry

    with told(registry.RewardError):
        for path in plugin or []:
            registry.plugins.load(path)
        if name is None:
            listed = {entry: summary(registry.family(entry)) for entry in registry.names()}
            typer.echo(json.dumps(listed, indent=1) if as_json else table(listed))
        else:
            described = describe(name)
            typer.echo(json.dumps(described, indent=1) if as_json else page(described))


def summary(family: "type[Reward]") -> dict[str, Any]:
    """What the list says of a family; `recommended` is the sum to train with where it is a shaping term."""
    lines = (inspect.getdoc(family) or "").splitlines()
    return {"kind": family.kind, "formula": lines[0] if lines else "", "recommended": family.recommended or None}


def describe(text: str) -> dict[str, Any]:
    """Everything about the reward that `text` names. Raises `RewardError`."""
    import rewards as registry

    reward = registry.plugins.resolve(text)
    family = type(reward)
    documentation = inspect.getdoc(family) or ""
    shown = [reward, *([registry.parse(family.recommended)] if family.recommended else [])]
    return {
        "name": reward.spec,
        **summary(family),
        "documentation": documentation,
        "sources": SOURCE.findall(" ".join(documentation.split())),
        "range": [bound if math.isfinite(bound) else None for bound in reward.bounds],
        "components": reward.weights,
        "parameters": parameters(reward),
        "examples": [example(one) for one in shown],
    }


def parameters(reward: "Reward") -> list[dict[str, Any]]:
    """Name, type, default and value of each parameter that a spec can set."""
    types = typing.get_type_hints(type(reward))
    fields = dataclasses.fields(reward)  # type: ignore[arg-type]  # `register` admits dataclasses only
    return [
        {
            "name": field.name,
            "type": types[field.name].__name__,
            "default": None if field.default is dataclasses.MISSING else field.default,
            "value": getattr(reward, field.name),
        }
        for field in fields
        if types[field.name] in (bool, int, float, str)
    ]


def example(reward: "Reward") -> dict[str, Any]:
    """The reward's own scores of the fixed example, or why there are none."""
    from rewards import example, files

    told: dict[str, Any] = {"reward": reward.spec, "question": example.QUESTION, "gold": example.GOLD}
    try:
        done = example.work(reward)
    except Exception as error:  # a user's reward can raise anything, and its page is worth having all the same
        return told | {"error": files.line(error)}
    rows = zip(example.CASES, done.lengths, done.scores, *done.components.values(), strict=True)
    return told | {
        "rows": [
            {"case": case.label, "text": case.text, "tokens": tokens, "score": score}
            | {"components": dict(zip(done.components, values, strict=True))}
            for case, tokens, score, *values in rows
        ]
    }


def table(listed: dict[str, dict[str, Any]]) -> str:
    """The list as text, one block a kind."""
    blocks = []
    for kind, title in TITLES.items():
        entries = [(entry, about) for entry, about in listed.items() if about["kind"] == kind]
        lines = [f"  {entry:16} {about['formula']}{_term(about)}" for entry, about in entries]
        blocks += ["\n".join([f"{kind}: {title}", *lines])] if lines else []
    return "\n\n".join(
        [*blocks, "+ is a shaping term: add it, weighted, to an outcome. `harness rewards NAME` says more."]
    )


def _term(about: dict[str, Any]) -> str:
    return f"\n  {'':16} + train with {about['recommended']}" if about["recommended"] else ""


def page(about: dict[str, Any]) -> str:
    """One reward as text."""
    term = about["recommended"]
    low, high = ("inf" if bound is None else f"{bound:g}" for bound in about["range"])
    settings = [f"  {one['name']}: {one['type']} = {json.dumps(one['value'])}" for one in about["parameters"]]
    lines = [
        about["name"],
        about["documentation"],
        "",
        f"kind: {about['kind']}, {TITLES[about['kind']]}",
        f"use: {f'a shaping term without the answer, train with {term}' if term else 'complete in itself'}",
        f"range: {'-' if low == 'inf' else ''}{low} to {high}",
        "components: " + ", ".join(f"{weight:g} * {name}" for name, weight in about["components"].items()),
        *(["parameters:", *settings] if settings else ["parameters: none"]),
        f"source: {'; '.join(about['sources']) or 'none named'}",
    ]
    for one in about["examples"]:
        lines += ["", f"{one['reward']} on {one['question']!r} (gold {one['gold']}):", *_rows(one)]
    return "\n".join(lines)


def _rows(shown: dict[str, Any]) -> list[str]:
    if "error" in shown:
        return [f"  no scores: {shown['error']}"]
    return [
        f"  {row['case']:22} {row['tokens']:4} tokens {_number(row['score']):>9}   "
        + ", ".join(f"{name} {_number(value)}" for name, value in row["components"].items())
        for row in shown["rows"]
    ]


def _number(score: float | None) -> str:
    return "none" if score is None else f"{score:.4g}"
