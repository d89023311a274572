"""Labelled cases: JSON lines with `id, category, completion, gold, domain, label, why`."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, fields
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from rewards.completion import Completion

__all__ = ["DOMAINS", "Case", "CaseError", "load", "shipped"]

DOMAINS = ("gsm8k", "math")


class CaseError(ValueError):
    """A file of cases is missing or malformed; the message names the file, the line and the fix."""


@dataclass(frozen=True)
class Case:
    """One completion with the judgement of a careful human: `label` says whether it commits to the gold answer.

    `gold` is whatever the case's file gives, for bad golds are cases too; `why` is the labeller's reason.
    """

    id: str
    completion: Completion
    gold: Any
    domain: str
    label: bool
    category: str = "other"
    why: str = ""


# JSON's own words, and those that people's files have for them.
LABELS = {
    **dict.fromkeys(("true", "correct", "right", "1"), True),
    **dict.fromkeys(("false", "wrong", "incorrect", "0"), False),
}
REQUIRED = ("id", "completion", "gold", "domain", "label")


def shipped() -> list[Case]:
    """Return the cases that come with the package, `rewards/regression/cases/*.jsonl`, files in order of name."""
    folder = files("rewards.regression") / "cases"
    return load(sorted((file for file in folder.iterdir() if file.name.endswith(".jsonl")), key=lambda file: file.name))


def load(paths: Iterable[Traversable]) -> list[Case]:
    """Return the cases of all files in order. No file, or files without a case, are an error like a malformed line.

    Raises:
        CaseError: naming file and line; ids must be unique over all files.
    """
    cases: list[Case] = []
    places: dict[str, str] = {}
    for path in paths:
        for number, line in enumerate(_lines(path), start=1):
            if line.strip():
                place = f"{path}:{number}"
                case = _case(place, line)
                if case.id in places:
                    raise CaseError(
                        f"{place}: the id {case.id!r} was taken at {places[case.id]}; give every case its own"
                    )
                places[case.id] = place
                cases.append(case)
    if not cases:
        raise CaseError(f"no case was found; give JSON lines with {', '.join(REQUIRED)}")
    return cases


def _lines(path: Traversable) -> list[str]:
    try:
        # Not splitlines: U+2028 and its like may stand inside a JSON text.
        return path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise CaseError(f"{path}: cannot be read as UTF-8 text ({error}); give a JSON-lines file") from error


def _case(place: str, line: str) -> Case:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise CaseError(f"{place}: not JSON ({error}); mend or drop the line") from error
    if not isinstance(row, dict):
        raise CaseError(f"{place}: not an object with {', '.join(REQUIRED)}; mend or drop the line")
    if missing := [field for field in REQUIRED if field not in row]:
        raise CaseError(f"{place}: no field {', '.join(missing)}; mend or drop the line")
    row = {**row, "label": LABELS.get(str(row["label"]).lower(), row["label"])}
    if problem := _problem(row):
        raise CaseError(f"{place}: {problem}")
    given = {field.name: row[field.name] for field in fields(Case) if field.name in row}
    return Case(**{name: value for name, value in given.items() if value is not None or name == "gold"})


def _problem(row: dict[str, Any]) -> str | None:
    for field in ("id", "domain", "category", "why"):
        if not isinstance(row.get(field) or "", str):
            return f"`{field}` must be a text, not {row[field]!r:.40}"
    if not row["id"]:
        return "`id` is empty; give every case a name of its own"
    if row["domain"] not in DOMAINS:
        return f"`domain` must be {' or '.join(DOMAINS)}, not {row['domain']!r:.40}"
    if not isinstance(row["label"], bool):
        return f"`label` must be true or false, or correct or wrong, not {row['label']!r:.40}"
    completion = row["completion"]
    messages = isinstance(completion, list) and all(isinstance(message, dict) for message in completion)
    return None if isinstance(completion, str) or messages else "`completion` must be a text or a list of messages"
