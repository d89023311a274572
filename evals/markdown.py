"""The summary of an evaluation as a page for people: what was run, then every metric with its n and interval."""

from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["page"]

_BREAKDOWNS = {"by_steps": "Accuracy by steps in the gold", "by_kind": "Accuracy by kind of problem"}
_AMOUNTS = {"tokens"}
"""Metrics that are no fractions."""


def page(title: str, about: Mapping[str, object], summary: Mapping[str, Any]) -> str:
    """The text of `summary.md`.

    Args:
        about: what the numbers depend on (model, style, temperature, engine, ...), in the order to show.
        summary: as `evals.metrics.summary` gives it.
    """
    counts = {name: value for name, value in summary.items() if isinstance(value, int)}
    metrics = {name: value for name, value in summary.items() if isinstance(value, Mapping) and "value" in value}
    statuses = ", ".join(f"{name} {count}" for name, count in summary["statuses"].items())
    parts = [
        f"# {_cell(title)}",
        _table(("setting", "value"), [(name, _cell(value)) for name, value in {**about, **counts}.items()]),
        f"Verdicts: {statuses or 'none'}.",
        _metrics(metrics),
        *(f"## {heading}\n\n{_metrics(summary[key])}" for key, heading in _BREAKDOWNS.items() if summary[key]),
    ]
    return "\n\n".join(parts) + "\n"


def _metrics(metrics: Mapping[str, Mapping[str, Any]]) -> str:
    rows = [
        (_cell(name), _shown(name, found["value"]), _interval(name, found), f"{found['n']:,} {found['unit']}")
        for name, found in metrics.items()
    ]
    return _table(("metric", "value", "95 % interval", "n"), rows)


def _interval(name: str, found: Mapping[str, Any]) -> str:
    if found.get("low") is None:
        return ""
    return f"{_shown(name, found['low'])} to {_shown(name, found['high'])}"


def _shown(name: str, value: float | None) -> str:
    """A fraction in per cent; a metric over nothing is no number."""
    if value is None:
        return "none"
    return f"{value:.1f}" if name in _AMOUNTS else f"{100 * value:.2f} %"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _cell(value: object) -> str:
    return " ".join(str(value).split()).replace("|", "\\|")
