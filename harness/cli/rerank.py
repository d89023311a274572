"""`harness eval --rerank FOLDER[,AGGREGATE]`: the flag, the scoring, and the tables for a terminal and for a page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.cli.watch import waiting

if TYPE_CHECKING:
    from rich.console import Console

METHODS = {"pass": "pass@n (an oracle chooses)", "maj": "maj@n (a vote)"}


@dataclass(frozen=True)
class Reranking:
    """A process reward model, and the aggregations that are compared: one chosen beforehand, or all."""

    model: str
    rules: tuple[str, ...]

    def report(self, folder: Path, rows: Sequence[Mapping[str, Any]], console: "Console") -> dict[str, Any]:
        """Scores what is not scored yet, keeps it in the folder and returns what `evals.rerank.summary` says of it."""
        from evals import rerank
        from harness import cache
        from rewards.learned import Prm

        prm, fingerprint = Prm(self.model), cache.folder_digest(Path(self.model))
        with waiting("scoring steps", console) as told:
            steps = rerank.scored(folder, prm, fingerprint, rows, told)
        model = {"name": Path(self.model).resolve().name, "fingerprint": fingerprint, "family": prm.loaded().name}
        return {"model": model, **rerank.summary(rows, steps, self.rules)}


def parsed(flag: str) -> Reranking:
    """FOLDER or FOLDER,AGGREGATE. Raises `RewardError` where the folder holds no process reward model that is known."""
    from rewards.aggregate import RULES, checked
    from rewards.learned.loading import family_of

    folder, comma, rule = flag.rpartition(",")
    # A folder's own name may hold a comma.
    if not comma or Path(flag).is_dir():
        folder, rule = flag, ""
    rules = (checked(rule),) if rule else tuple(RULES)
    family_of(folder)
    return Reranking(folder, rules)


def lines(report: Mapping[str, Any]) -> list[str]:
    """The comparison for a terminal: a row a method, a column a number of samples."""
    rows = table(report)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    shown = ["  " + "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip() for row in rows]
    return [f"  {heading(report)}", *shown, *(f"  {line}" for line in differences(report))]


def page(report: Mapping[str, Any]) -> str:
    """The comparison for `summary.md`."""
    head, *rows = table(report)
    cells = [head, ["---"] * len(head), *rows]
    listed = "\n".join(f"- {line}" for line in differences(report))
    rendered = "\n".join("| " + " | ".join(row) + " |" for row in cells)
    return f"\n## Best of n by a process reward model\n\n{heading(report)}\n\n{rendered}\n\n{listed}\n"


def heading(report: Mapping[str, Any]) -> str:
    """Whose scores, and over what."""
    model, notes = report["model"], []
    if report["left_out"]:
        notes.append(f"{report['left_out']} left out, of which a completion could not be judged")
    if report["unscored"]:
        notes.append(f"{report['unscored']} completions without a score rank last")
    told = f"best of n by {model['name']} ({model['family']}, {model['fingerprint']}), {report['questions']} questions"
    return "; ".join([told, *notes])


def table(report: Mapping[str, Any]) -> list[list[str]]:
    """Cells, the head first: accuracy of each method in per cent with its 95 % interval."""
    methods = {METHODS[name]: report[name] for name in METHODS}
    methods |= {f"best of n by {rule}": at for rule, at in report["best_of"].items()}
    ns = list(report["maj"])
    rows = [["", *(f"n={n}" for n in ns)], ["mean (a random one)", *[_cell(report["mean"])] * len(ns)]]
    return rows + [[name, *(_cell(at[n]) for n in ns)] for name, at in methods.items()]


def differences(report: Mapping[str, Any]) -> list[str]:
    """Best of all samples against their vote, by the paired test."""
    found = []
    for rule, at in report["against_maj"].items():
        for n, one in list(at.items())[-1:]:
            interval = "no interval" if one["low"] is None else f"{100 * one['low']:+.2f} to {100 * one['high']:+.2f}"
            p = f"p {one['p']:.3g}, {one['p_holm']:.3g} after Holm"
            found.append(f"{rule} minus maj@{n}: {100 * one['delta']:+.2f} points ({interval}), {p}, n={one['n']}")
    return found


def _cell(found: Mapping[str, Any]) -> str:
    if found["value"] is None:
        return "none"
    value = f"{100 * found['value']:.1f} %"
    return value if found["low"] is None else f"{value} ({100 * found['low']:.1f}-{100 * found['high']:.1f})"
