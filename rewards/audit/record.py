"""What an audit leaves behind: the findings as values, as JSON, and held against a baseline of accepted ones."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from rewards.audit.recall import Recall
from rewards.audit.trainer import Advantage, Mixture
from rewards.audit.verdict import EPSILON, VERDICTS, Finding
from rewards.errors import RewardError

__all__ = ["Audit", "Baseline", "read_baseline", "written_baseline"]

Baseline = dict[str, dict[str, dict[str, Any]]]
"""Accepted findings: reward -> attack -> `verdict` and `share`."""

MAX_EXAMPLE = 2_000

FACTS = ("items", "form", "limit", "relative", "sees_gold", "recommended", "anchors", "rules")


@dataclass(frozen=True)
class Audit:
    """Everything found about one reward; `findings` stand worst first, harmless attacks last.

    `form` is how answers were written, `limit` the token limit, `relative` whether scores depend on the group,
    `sees_gold` whether another gold changes any, `recommended` the sum in which a shaping term is trained, `anchors`
    the mean score of each honest completion. `rules` are the rules of credit that were audited in place of the reward.
    """

    reward: str
    items: int
    form: str
    limit: int
    relative: bool
    sees_gold: bool
    recommended: str
    anchors: dict[str, float | None]
    findings: tuple[Finding, ...]
    recall: tuple[Recall, ...]
    advantages: tuple[Advantage, ...]
    mixtures: tuple[Mixture, ...]
    rules: tuple[str, ...] = ()

    @property
    def failures(self) -> tuple[Finding, ...]:
        """The findings that fail the audit."""
        return tuple(finding for finding in self.findings if finding.fails)

    @property
    def verdict(self) -> str:
        """`pass` or `fail`."""
        return "fail" if self.failures else "pass"

    @property
    def surviving(self) -> tuple[str, ...]:
        """The audited rules of credit that nothing beats."""
        failed = {finding.rule for finding in self.failures}
        return tuple(rule for rule in self.rules if rule not in failed)

    @property
    def reason(self) -> str:
        """One line: why it passed or failed."""
        if not self.failures:
            accepted = sum(finding.accepted for finding in self.findings)
            known = f"; {accepted} accepted by the baseline" if accepted else ""
            if self.rules:
                return f"no gold-blind attack is paid like a right solution{known}"
            return f"no gold-blind attack beats an honest answer and no law is broken{known}"
        attacks = [finding for finding in self.failures if finding.family != "law"]
        broken = [finding.attack for finding in self.failures if finding.family == "law"]
        parts = []
        if attacks:
            more = f" and {len(attacks) - 1} more" if len(attacks) > 1 else ""
            parts.append(f"beaten by {attacks[0].attack!r} on {attacks[0].share:.0%} of the items{more}")
        if broken:
            parts.append(f"broken: {'; '.join(broken)}")
        if self.rules:
            parts.append(f"rules that survive: {', '.join(self.surviving) or 'none'}")
        if not self.sees_gold:
            parts.append("it never looks at the gold")
        if self.recommended:
            parts.append(f"it is a shaping term: audit it as it is trained with, {self.recommended!r}")
        return ". ".join(parts)

    def to_json(self) -> dict[str, Any]:
        """Return the audit as plain JSON values; of harmless attacks only the names."""
        found = [finding for finding in self.findings if finding.verdict != "harmless"]
        values = {
            "reward": self.reward,
            "verdict": self.verdict,
            "reason": self.reason,
            **{name: getattr(self, name) for name in FACTS},
            "findings": [{**asdict(one), "example": one.example[:MAX_EXAMPLE], "fails": one.fails} for one in found],
            "harmless": [finding.attack for finding in self.findings if finding.verdict == "harmless"],
            "recall": [{**asdict(one), "example": one.example[:MAX_EXAMPLE]} for one in self.recall],
            "advantages": [asdict(one) for one in self.advantages],
            "mixtures": [asdict(one) for one in self.mixtures],
        }
        return {name: _finite(value) for name, value in values.items()}

    def against(self, baseline: Baseline) -> Audit:
        """Return the audit with those findings accepted that the baseline knows and that have not become worse."""
        known = baseline.get(self.reward, {})
        findings = [replace(one, accepted=one.fails and _covered(one, known)) for one in self.findings]
        return replace(self, findings=tuple(findings))


def _finite(value: Any) -> Any:
    """Write an infinite score, or NaN, as its name: JSON has no such number."""
    if isinstance(value, dict):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_finite(entry) for entry in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _covered(finding: Finding, known: Mapping[str, Mapping[str, Any]]) -> bool:
    entry = known.get(finding.attack)
    if entry is None:
        return False
    worse = VERDICTS.index(finding.verdict) < VERDICTS.index(entry["verdict"])
    return not worse and finding.share <= entry["share"] + EPSILON


def read_baseline(text: str, name: str) -> Baseline:
    """Read a baseline file's text; raises `RewardError` naming the file where it is not one."""
    fix = f"{name} is not a baseline of accepted findings; write one with --update-baseline"
    try:
        baseline = json.loads(text)
        entries = [entry for known in baseline.values() for entry in known.values()]
        whole = all(entry["verdict"] in VERDICTS and 0 <= float(entry["share"]) <= 1 for entry in entries)
    except (ValueError, AttributeError, KeyError, TypeError, RecursionError) as error:
        raise RewardError(fix) from error
    if not whole:
        raise RewardError(fix)
    return dict(baseline)


def written_baseline(baseline: Baseline, found: Audit) -> str:
    """Return the text of the baseline with every failing finding of this audit accepted, and its old ones dropped."""
    failing = [finding for finding in found.findings if replace(finding, accepted=False).fails]
    entries = {finding.attack: {"verdict": finding.verdict, "share": finding.share} for finding in failing}
    return json.dumps(baseline | {found.reward: entries}, indent=1, sort_keys=True) + "\n"
