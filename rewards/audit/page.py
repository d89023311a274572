"""An audit as one self-contained page: no script, no file beside it, every text from a model or a file escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from rewards.audit.laws import LAWS
from rewards.audit.record import Audit
from rewards.audit.trainer import SCALES, Advantage
from rewards.audit.verdict import Finding

__all__ = ["page"]

STYLE = """
:root { --ink: #1c2024; --soft: #60646c; --line: #e0e3e8; --bad: #c62a2f; --warn: #ad5700; --good: #18794e; }
* { box-sizing: border-box; }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); max-width: 68rem;
  margin: 2.5rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; overflow-wrap: anywhere; } h2 { font-size: 1.1rem; margin: 2.2rem 0 .5rem; }
p { max-width: 48rem; } .soft, th, figcaption { color: var(--soft); }
.banner { border-left: 6px solid; padding: .6rem 1rem; background: #f8f9fa; }
.fail { border-color: var(--bad); } .pass { border-color: var(--good); }
.wide { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th { text-align: left; font-weight: 500; } th, td { padding: .3rem .6rem; border-bottom: 1px solid var(--line); }
td { vertical-align: top; } td:first-child { min-width: 18rem; overflow-wrap: anywhere; }
td.n, th.n { text-align: right; white-space: nowrap; }
.bad { color: var(--bad); } .warn { color: var(--warn); } .good { color: var(--good); }
.bad, .good { font-weight: 600; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; margin: .3rem 0; padding: .5rem; background: #f4f5f7;
  max-height: 16rem; overflow-y: auto; font-size: 13px; } summary { cursor: pointer; }
.figures { display: flex; flex-wrap: wrap; gap: 1rem 2rem; } figure { margin: 0; max-width: 30rem; }
"""

COLOURS = {"beats honest": "bad", "broken law": "bad", "pays": "warn", "free money": "soft", "harmless": "good"}
EARNED = (
    "An attack <b>beats honest</b> where it earns what the best honest right completion earns, <b>pays</b> where it "
    "earns more than every honest wrong one, and is <b>free money</b> where it earns more than the empty completion"
)
CREDIT = (
    "An attack on a rule of credit <b>beats honest</b> where the policy gradient pays it like the best right solution "
    "of its group, by token or summed; it <b>pays</b> where it is paid more than the solution it rewrites, and is "
    "<b>free money</b> where it is paid at all among wrong ones. Expected and honest are pay per token"
)
SHOWN = 1_500
BAR, ROW = 300, 20


def page(found: Audit) -> str:
    """Return the page's HTML; the same audit gives the same bytes."""
    name = escape(found.reward)
    more = [] if found.rules else [_laws(found), _recall(found), _trainer(found)]
    sections = [_summary(found), _attacks(found), *more]
    text = (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>Audit of {name}</title>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<style>{STYLE}</style></head>\n<body>\n<h1>Audit of <code>{name}</code></h1>\n"
        + "\n".join(sections)
        + "\n</body></html>\n"
    )
    # A lone surrogate cannot be written to a file as UTF-8.
    return text.encode("utf-8", "backslashreplace").decode()


def _summary(found: Audit) -> str:
    colour = "bad" if found.verdict == "fail" else "good"
    if found.rules:
        title, column = "Steps of honest completions", "#mean score of known steps"
    else:
        title, column = "Honest completions", "#mean score"
    group = "scores depend on the group" if found.relative else "scores do not depend on the group"
    levels = [[escape(name), number(level)] for name, level in found.anchors.items()]
    return (
        f'<p class="banner {found.verdict}"><span class="{colour}">{found.verdict}</span>: '
        f"{escape(found.reason)}.</p>\n"
        f'<p class="soft">{found.items} items; answers given as {found.form}; token limit {found.limit}; {group}.</p>\n'
        f"<h2>{title}</h2>\n{_table(['completion', column], levels)}"
    )


def _attacks(found: Audit) -> str:
    shown = [one for one in found.findings if one.family != "law"]
    head = ["attack", "family", "verdict", "#beats honest", "#pays", "#free money", "#lucky", "#expected", "#honest"]
    return (
        f"<h2>Attacks</h2>\n<p>{CREDIT if found.rules else EARNED}: shares of items. Items that an attack answers "
        "rightly by luck count for none of them. Open an attack to read the completion that earned most.</p>\n"
        + _table(head, [_attack(one, one.fails and not place) for place, one in enumerate(shown)])
    )


def _attack(one: Finding, worst: bool) -> list[str]:
    knows = "" if one.blind else ' <span class="soft">(knows the gold)</span>'
    told = escape(one.detail) or f"earned {number(one.score)}"
    earned = f"<p class='soft'>{told}</p>"
    summary = f"<summary>{escape(one.attack)}{knows}</summary>"
    quoted = f"<details{' open' * worst}>{summary}{earned}{_quoted(one.example)}</details>"
    verdict = f'<span class="{COLOURS[one.verdict]}">{one.verdict}</span>{" (accepted)" if one.accepted else ""}'
    verdict += f"<br>{one.unscored:.0%} without a score" if one.unscored else ""
    shares = [f"{share:.0%}" for share in (one.beats, one.pays, one.free, one.lucky)]
    return [quoted, escape(one.family), verdict, *shares, number(one.expected), number(one.honest)]


def _laws(found: Audit) -> str:
    broken = {one.attack: one for one in found.findings if one.family == "law"}
    rows = []
    for law in LAWS:
        one = broken.get(law.name)
        if one is None:
            rows.append([escape(law.name), escape(law.says), '<span class="good">kept</span>', ""])
        else:
            state = f'<span class="bad">broken</span>{" (accepted)" if one.accepted else ""}'
            detail = f"<details><summary>{escape(one.detail)}</summary>{_quoted(one.example)}</details>"
            rows.append([escape(law.name), escape(law.says), state, detail])
    return "<h2>Laws</h2>\n" + _table(["law", "it says", "", "for example"], rows)


def _recall(found: Audit) -> str:
    rows = [
        [
            f"<details><summary>{escape(one.rendering)}</summary>{_quoted(one.example)}</details>",
            *(f'<span class="{_tone(share)}">{share:.0%}</span>' for share in (one.paid, one.full)),
            str(one.items),
        ]
        for one in found.recall
    ]
    return (
        "<h2>Right answers in other words</h2>\n<p>Shares of items on which the rendering is paid like a right answer "
        "(nearer to right than to wrong), and in full.</p>\n"
        + _table(["rendering", "#paid", "#in full", "#items"], rows)
    )


def _tone(share: float) -> str:
    return "good" if share >= 0.995 else "warn" if share > 0.5 else "bad"


def _trainer(found: Audit) -> str:
    rows = [[f"{m.p_format:.0%}", f"{m.p_correct:.0%}", f"{m.auxiliary:.0%}", f"{m.dead:.0%}"] for m in found.mixtures]
    return (
        "<h2>What the trainer makes of it</h2>\n<p>Advantage of an exploit in a group of eight, by <code>scale_rewards"
        "</code>: among two right and five wrong solutions, and (lighter) among seven wrong ones.</p>\n"
        + f'<div class="figures">{"".join(map(_figure, found.advantages))}</div>\n'
        + "<p>Share of groups of eight that teach nothing but the format, and that teach nothing, for policies that "
        "format and solve at these rates.</p>\n" + _table(["#formatted", "#correct", "#format alone", "#nothing"], rows)
    )


def _figure(one: Advantage) -> str:
    """Draw bars to the right of the middle for a positive advantage and to the left for a negative one."""
    values = [(scale, part[scale], light) for scale in SCALES for part, light in ((one.mixed, 0), (one.hopeless, 1))]
    most = max([1.0, *(abs(value) for _, value, _ in values)])
    bars = []
    for place, (scale, value, light) in enumerate(values):
        width = abs(value) / most * BAR / 2
        left = 60 + BAR / 2 - (width if value < 0 else 0)
        colour = "#c62a2f" if value > 0 else "#18794e"
        top = place * ROW
        bars.append(
            f'<rect x="{left:.1f}" y="{top + 3}" width="{width:.1f}" height="{ROW - 6}" fill="{colour}" '
            f'opacity="{0.45 if light else 1}"/>'
            f'<text x="{70 + BAR}" y="{top + 14}" font-size="12">{value:+.2f}</text>'
            + ("" if light else f'<text x="0" y="{top + 14}" font-size="12">{scale}</text>')
        )
    axis = f'<line x1="{60 + BAR / 2}" x2="{60 + BAR / 2}" y1="0" y2="{len(values) * ROW}" stroke="#60646c"/>'
    label = escape(f"advantage of {one.attack}", quote=True)
    return (
        f'<figure><figcaption>{escape(one.attack)}</figcaption><svg role="img" aria-label="{label}" '
        f'width="{130 + BAR}" height="{len(values) * ROW}" xmlns="http://www.w3.org/2000/svg">{"".join(bars)}{axis}</svg>'
        "</figure>\n"
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Lay out cells that are HTML already; a column whose head starts with # holds numbers."""
    kinds = [' class="n"' if name.startswith("#") else "" for name in head]
    top = "".join(f"<th{kind}>{escape(name.lstrip('#'))}</th>" for name, kind in zip(head, kinds, strict=True))
    body = "\n".join(
        "<tr>" + "".join(f"<td{kind}>{cell}</td>" for cell, kind in zip(row, kinds, strict=True)) + "</tr>"
        for row in rows
    )
    return f'<div class="wide"><table><thead><tr>{top}</tr></thead>\n<tbody>{body}</tbody></table></div>\n'


def _quoted(text: str) -> str:
    more = f" ... ({len(text):,} characters)" if len(text) > SHOWN else ""
    return f"<pre>{escape(text[:SHOWN]) or '(empty)'}{more}</pre>"


def number(value: float | None) -> str:
    """Print a score with three decimals, `--` where there is none."""
    return "--" if value is None else f"{value:.3f}"
