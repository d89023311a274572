"""Attack a rule of credit with the steps that its scorer pays for: what would the policy gradient drift to?

    >>> found = audit_credit(rewards.get("process"), ["among_correct"])
    >>> found.verdict
    'pass'

Every attack stands in two groups of eight: a *mixed* one with two right solutions and five wrong ones, and a *hopeless*
one with seven wrong ones, as most groups of a weak policy are. `payment` says what a completion is paid there, `trial`
what that means; what beats honest gold-blind fails.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from rewards.audit.attacks.forgery import FORGERIES, Forgery
from rewards.audit.completions import Attempt
from rewards.audit.items import Item, builtin
from rewards.audit.payment import Seen, pays
from rewards.audit.record import Audit
from rewards.audit.staged import HOPELESS, LIMIT, MIXED, Reader, Stage, staged
from rewards.audit.trial import Trial, judged
from rewards.audit.verdict import mean, severity
from rewards.composite import Composite
from rewards.credit import RULES, Settings
from rewards.errors import RewardError
from rewards.outcome import Sparse
from rewards.reward import Reward
from rewards.spans import StepScorer

__all__ = ["AUDITED", "SETTINGS", "audit_credit", "step_scorer"]

AUDITED = tuple(name for name in RULES if name != "prime")
"""The rules that read scores of steps; `prime` reads those of tokens, from a model that learns during the run."""

SETTINGS = Settings(weight=0.5, temperature=0.1, eta=0.0)
"""Those of a run that says nothing else."""

Book = dict[tuple[str, str], Seen]
"""What is known of every text, by its item's id."""

Cast = list[tuple[Stage, Attempt]]
"""An attack's texts, on the items it applies to."""


def step_scorer(reward: object) -> StepScorer:
    """Return the first term of a reward that scores steps; raises `RewardError` where none does."""
    for term in [term.reward for term in reward.terms] if isinstance(reward, Composite) else [reward]:
        if isinstance(term, StepScorer):
            return term
    name = getattr(reward, "spec", reward)
    raise RewardError(f"{name} scores no steps, so there is no credit to audit: name a scorer, as in 'process'")


def audit_credit(
    reward: object,
    rules: Sequence[str],
    items: Sequence[Item] | None = None,
    *,
    outcome: Reward | None = None,
    settings: Settings = SETTINGS,
    progress: Callable[[int, int], None] = lambda done, parts: None,
) -> Audit:
    """Attack `rules` with the steps that `reward`, or a term of it, scores; `outcome` gives the advantages beside them.

    Every text is scored once, whatever the number of rules. The findings' `expected` and `honest` are pay per token.
    Raises `RewardError` for a rule that is none, a reward that scores no steps, and one that knows no honest step.
    """
    scorer, outcome = step_scorer(reward), outcome or Sparse()
    if unknown := [rule for rule in rules if rule not in AUDITED]:
        raise RewardError(f"no rule {unknown[0]!r} for scores of steps: there are {', '.join(AUDITED)}")
    reader = Reader(scorer, outcome, progress)
    stages = staged(builtin() if items is None else items, reader)
    casts = {attack: _cast(attack, stages) for attack in FORGERIES}
    book = reader.read(_texts(stages, casts.values()))
    found = [
        judged(rule, attack, list(_trials(rule, attack, cast, book, settings)))
        for rule in rules
        for attack, cast in casts.items()
        if cast
    ]
    form = stages[0].scene.form
    return Audit(
        reward=f"{outcome.spec} with {settings.weight:g}*{getattr(scorer, 'spec', scorer)} by {', '.join(rules)}",
        items=len(stages),
        form=form,
        limit=LIMIT,
        relative=True,
        sees_gold=True,
        recommended="",
        anchors=_levels(stages, book),
        findings=tuple(sorted(found, key=severity)),
        recall=(),
        advantages=(),
        mixtures=(),
        rules=tuple(rules),
    )


def _cast(attack: Forgery, stages: Sequence[Stage]) -> Cast:
    return [(stage, attempt) for stage in stages if (attempt := attack.build(stage.scene))]


def _texts(stages: Sequence[Stage], casts: Iterable[Cast]) -> Iterator[tuple[Item, str]]:
    for stage in stages:
        yield from ((stage.scene.item, text) for text in stage.honest.values())
    for cast in casts:
        yield from ((stage.scene.item, attempt.text) for stage, attempt in cast)


def _trials(rule: str, attack: Forgery, cast: Cast, book: Book, settings: Settings) -> Iterator[Trial]:
    """Pay the attack's groups by the rule, and the mixed ones by the outcome alone."""
    mixed, hopeless = (
        [[*_seen(stage, names, book), book[stage.scene.item.id, attempt.text]] for stage, attempt in cast]
        for names in (MIXED, HOPELESS)
    )
    paid = [pays(mixed, RULES[rule], settings), pays(hopeless, RULES[rule], settings), pays(mixed, None, settings)]
    for (stage, attempt), *own in zip(cast, *paid, strict=True):
        yield Trial(stage.scene.item, attack, attempt, *own)


def _seen(stage: Stage, names: Sequence[str], book: Book) -> list[Seen]:
    return [book[stage.scene.item.id, stage.honest[name]] for name in names]


def _levels(stages: Sequence[Stage], book: Book) -> dict[str, float | None]:
    """The mean score of the known steps of each honest completion."""
    seen = {name: [_seen(stage, [name], book)[0] for stage in stages] for name in stages[0].honest}
    return {name: mean(step.span.score for one in some for step in one.steps) for name, some in seen.items()}
