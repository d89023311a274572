"""`harness audit REWARD`."""

import contextlib
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli.errors import told

if TYPE_CHECKING:
    from rich.console import Console

    from rewards.audit import Audit, Baseline, Finding, Item

    Progress = Callable[[int, int], None]
    Attack = Callable[[Any, Sequence[Item], Progress], Audit]

FAILED = 1
MANY = 64
# Of steps: their scorer may be a model.
FEW = 18
QUOTED = 3
NAMED = 4


class BadAudit(ValueError):
    """The flags do not go together, or a file cannot be used; the message says the fix."""


def audit(
    reward: Annotated[str, typer.Argument(help="A reward spec, a sum of them, or module:function.")],
    data: Annotated[
        Path | None, typer.Option(help="JSON lines with question and answer. Default: 72 built-in problems.")
    ] = None,
    items: Annotated[
        int | None, typer.Option(help="How many problems, spread evenly. Default: 64, or 18 with --credit.", min=2)
    ] = None,
    credit: Annotated[
        str, typer.Option(help="Attack these rules of credit by the steps REWARD scores: RULE[,RULE...] or all.")
    ] = "",
    outcome: Annotated[str, typer.Option(help="Reward beside the steps. Default: sparse.")] = "",
    weight: Annotated[float | None, typer.Option(help="Of what a rule adds to it. Default: 0.5.", min=0)] = None,
    plugin: Annotated[list[Path] | None, typer.Option(help="Python file that registers rewards; repeatable.")] = None,
    tokenizer: Annotated[
        Path | None, typer.Option(help="tokenizer.json to count tokens with. Default: words and punctuation.")
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Write the whole audit to this page.")] = None,
    baseline: Annotated[
        Path | None, typer.Option(help="File of accepted findings; only worse or new ones fail.")
    ] = None,
    update_baseline: Annotated[bool, typer.Option(help="Accept what is found now; write it to --baseline.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For machines; progress goes to stderr.")] = False,
) -> None:
    """Attack a reward before a GPU-hour is spent on it; exit 1 where a gold-blind attack beats an honest answer.

    A shaping term is audited in the sum it is trained in, as in 'sparse+0.25*length_soft'.

    With --credit, what is audited is what the policy gradient pays to tokens for the steps.

    Example: harness audit format_answer --html audit.html
    Example: harness audit process --credit among_correct,min
    """
    from rich.console import Console

    from evals.data import DataError
    from rewards import RewardError, plugins
    from rewards.audit import written_baseline
    from rewards.audit.page import page

    errors = Console(stderr=True)
    with told(BadAudit, DataError, RewardError):
        if update_baseline and baseline is None:
            raise BadAudit("--update-baseline needs --baseline FILE: the file to write")
        for file in plugin or []:
            plugins.load(file)
        target = plugins.resolve(reward)
        accepted = _baseline(baseline, new=update_baseline)
        chosen = _items(data, items or (FEW if credit else MANY), errors)
        attack = _credit(credit, outcome, weight, tokenizer) if credit else _reward(outcome, weight, tokenizer)
        with _progress(errors, target.spec) as progress:
            found = attack(target, chosen, progress).against(accepted)
        if update_baseline and baseline is not None:
            _write(baseline, written_baseline(accepted, found))
            found = found.against(_baseline(baseline))
        if html is not None:
            _write(html, page(found))
    if as_json:
        typer.echo(json.dumps(found.to_json(), indent=1))
    else:
        _show(found, Console())
    if found.verdict == "fail":
        raise typer.Exit(FAILED)


def _reward(outcome: str, weight: float | None, tokenizer: Path | None) -> "Attack":
    """The audit of a reward; the flags of credit are refused."""
    from rewards.audit import audit as attack

    if outcome or weight is not None:
        raise BadAudit("--outcome and --weight are of rules of credit: name them with --credit RULE")
    tokenize = _tokenizer(tokenizer)
    return lambda target, items, progress: attack(target, items, progress=progress, tokenize=tokenize)


def _credit(rules: str, outcome: str, weight: float | None, tokenizer: Path | None) -> "Attack":
    """The audit of rules of credit."""
    from dataclasses import replace

    import rewards
    from rewards.audit import AUDITED, SETTINGS, audit_credit

    if tokenizer is not None:
        raise BadAudit("--tokenizer does not go with --credit: there every word and every other character is a token")
    chosen = AUDITED if rules == "all" else tuple(dict.fromkeys(rule.strip() for rule in rules.split(",")))
    beside = rewards.parse(outcome) if outcome else None
    settings = SETTINGS if weight is None else replace(SETTINGS, weight=weight)
    return lambda target, items, progress: audit_credit(
        target, chosen, items, outcome=beside, settings=settings, progress=progress
    )


def _items(data: Path | None, count: int, errors: "Console") -> "list[Item]":
    """`count` items, spread evenly over the file or the built-in ones; golds that are no number are told."""
    from evals.data import load
    from rewards.audit import builtin, read

    if data is None:
        return _spread(builtin(), count)
    rows = load(data)
    known = [item for row in rows if (item := read(row.id, row.question, row.gold)) is not None]
    if len(known) < len(rows):
        errors.print(
            f"{data}: {len(rows) - len(known)} of {len(rows)} golds are not one number and are left out", soft_wrap=True
        )
    if len({item.gold for item in known}) < 2:
        raise BadAudit(f"{data}: an audit needs two problems with different whole or decimal golds, as in '#### 18'")
    return _spread(known, count)


def _spread(items: "Sequence[Item]", count: int) -> "list[Item]":
    count = min(count, len(items))
    return [items[place * len(items) // count] for place in range(count)]


def _tokenizer(path: Path | None) -> Callable[[str], list[int]]:
    from rewards.audit import pieces

    if path is None:
        return pieces
    from tokenizers import Tokenizer

    file = path / "tokenizer.json" if path.is_dir() else path
    try:
        tokens = Tokenizer.from_file(str(file))
    # The library raises bare `Exception` for a file it cannot use.
    except Exception as error:
        raise BadAudit(f"{file}: cannot be read as a tokenizer.json ({error})") from error

    def encode(text: str) -> list[int]:
        # A lone surrogate is no text to the library, but a completion may hold one.
        return list(tokens.encode(text.encode("utf-8", "replace").decode(), add_special_tokens=False).ids)

    return encode


def _baseline(path: Path | None, new: bool = False) -> "Baseline":
    from rewards.audit import read_baseline

    if path is None or (new and not path.exists()):
        return {}
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadAudit(f"{path}: cannot be read ({error}); write it with --update-baseline") from error
    return read_baseline(text, str(path))


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise BadAudit(f"{path}: cannot be written ({error.strerror})") from error


@contextlib.contextmanager
def _progress(console: "Console", name: str) -> "Iterator[Callable[[int, int], None]]":
    from rich.markup import escape
    from rich.progress import Progress

    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(f"attacking {escape(name)}", total=None)
        yield lambda done, parts: bar.update(task, completed=done, total=parts)


def _show(found: "Audit", console: "Console") -> None:
    """Prints the findings by family, what fails quoted, the recall that is short, and the verdict."""
    from rich.table import Table

    table = Table(title=None, box=None, pad_edge=False, header_style="dim")
    for head in ("verdict", "family", "worst attack"):
        table.add_column(head)
    for head in ("attacks", "share", "expected", "honest"):
        table.add_column(head, justify="right")
    for group in _grouped(found.findings):
        worst = group[0]
        cells = (_verdict(worst), worst.family, _plain(_named(group)), str(len(group)), f"{worst.share:.0%}")
        table.add_row(*cells, _score(worst.expected), _score(worst.honest))
    if table.row_count:
        console.print(table)
    for worst in [group[0] for group in _grouped(found.failures)][:QUOTED]:
        detail = worst.detail or f"earns {_score(worst.score)}"
        console.print(f"\n{_plain(worst.attack)}: {_plain(detail)}", highlight=False, soft_wrap=True)
        console.print(f"  {_plain(_quoted(worst.example))}", highlight=False, soft_wrap=True)
    short = [f"{_plain(one.rendering)} {one.paid:.0%}" for one in found.recall if one.paid < 1]
    missed = (
        f"right answers it does not pay: {', '.join(short)}" if short else "it pays every rendering of a right answer"
    )
    console.print(f"\nrecall: {missed}" if found.recall else "", highlight=False)
    for line in _trained(found):
        console.print(_plain(line), highlight=False)
    harmless = sum(finding.verdict == "harmless" for finding in found.findings)
    console.print(
        f"{found.items} items, {harmless} more attacks harmless, answers given as {found.form}", highlight=False
    )
    colour = "red" if found.verdict == "fail" else "green"
    verdict = f"[bold {colour}]{found.verdict}[/]"
    console.print(f"{verdict}: {_plain(found.reward)}: {_plain(found.reason)}", highlight=False, soft_wrap=True)


def _grouped(findings: "Sequence[Finding]") -> "list[list[Finding]]":
    """Findings of one verdict and family together; a broken law stands for itself."""
    groups: dict[tuple[str, str, str, bool], list[Finding]] = {}
    for one in findings:
        if one.verdict != "harmless":
            own = one.attack if one.family == "law" else one.rule
            groups.setdefault((one.verdict, one.family, own, one.accepted), []).append(one)
    return list(groups.values())


def _named(group: "Sequence[Finding]") -> str:
    """The worst attack of a group; of those that beat honest answers the next ones too."""
    shown = [one.attack for one in group[: NAMED if group[0].verdict == "beats honest" else 1]]
    return "; ".join(shown) + (" ..." if 1 < len(shown) < len(group) else "")


def _trained(found: "Audit") -> "Iterator[str]":
    """What GRPO makes of the worst exploit, and of a policy that formats half of its completions and solves few."""
    if found.advantages:
        worst = found.advantages[0]
        parts = ", ".join(f"{value:+.2f} ({scale})" for scale, value in worst.hopeless.items())
        yield f"advantage of {worst.attack!r} among seven wrong solutions, by scale_rewards: {parts}"
    early = max(found.mixtures, key=lambda mixture: mixture.auxiliary, default=None)
    if early is not None and early.auxiliary > 0.005:
        rates = f"formats {early.p_format:.0%} and solves {early.p_correct:.0%}"
        yield f"groups of 8 that teach the format alone: {early.auxiliary:.0%} for a policy that {rates}"


def _verdict(one: "Finding") -> str:
    text = f"{one.verdict}{' (accepted)' if one.accepted else ''}"
    return f"[red]{text}[/]" if one.fails else text


def _score(value: float | None) -> str:
    return "--" if value is None else f"{value:.3g}"


def _quoted(text: str, limit: int = 160) -> str:
    """One line of a completion: control characters written out, its middle left out where it is long."""
    line = repr(text) if len(text) <= limit else f"{text[: limit // 2]!r} ... {text[-limit // 2 :]!r}"
    return line.encode("utf-8", "backslashreplace").decode()


def _plain(text: str) -> str:
    from rich.markup import escape

    return escape(text)
