"""Laws that every reward keeps, whatever it pays for. A law is broken where two items with different golds break it.

Steps are compared at equal length: the text without the step gets as many tokens of prose, so that a length term
cannot be mistaken for a process term.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from rewards.audit.anchors import RIGHT, WRONG, anchors
from rewards.audit.attacks.length import padded
from rewards.audit.attacks.steps import TRIVIAL, repeated
from rewards.audit.bench import Bench, Group, Score
from rewards.audit.completions import Attempt, Scene, filler
from rewards.audit.items import Item, Step
from rewards.audit.verdict import EPSILON, Finding, distinct

__all__ = ["LAWS", "Law", "hold"]

# Enough for laws that are kept or broken on every item alike.
FEW = 8

# Texts of tens of thousands of tokens are dear; two items are what a breach needs.
FEWEST = 2

# A score this many times beyond everything an honest completion earns has no bound.
BOUND = 10.0

# What the size of a batch may do to a score that a network computes in float32.
ROUNDING = 1e-5

MAX_TOKENS = 65_536

HOSTILE = (
    "",
    "\x00",
    "\ud800 #### \udfff",
    "{" * 20_000,
    "\\boxed{" * 3_000,
    "<think>" * 3_000,
    "</think>" * 3_000,
    "#### " + "9" * 5_000,
    "#### 9**9**9**9",
    "\\boxed{10^{10^{10}}}",
    "#### __import__('os').getcwd()",
    "<<1/0=1>> 1/0 = 0/0 = 5\n#### 1/0",
    "%s %d {} {0} \\ \\x \\u \\N{",
    "\u0661\u0668 \U0001f600\u202e\u200f #### \uff11\uff18",
    "1 = " * 5_000,
)


@dataclass(frozen=True)
class Law:
    """A law and the function that returns its breaches."""

    name: str
    says: str
    breaches: Callable[[Bench, Sequence[Scene]], list[Breach]]


@dataclass(frozen=True)
class Breach:
    """One place where a law is broken, and the completion that shows it."""

    item: Item
    text: str
    detail: str


def hold(law: Law, bench: Bench, scenes: Sequence[Scene]) -> Finding | None:
    """Return the finding of a broken law, `None` where it is kept."""
    breaches = law.breaches(bench, scenes)
    broken = {breach.item.id: breach.item for breach in breaches}
    if not distinct(broken.values()):
        return None
    share = len(broken) / len(scenes)
    worst = breaches[0]
    return Finding(law.name, "law", True, "broken law", share, worst.text, detail=worst.detail)


def _separates(bench: Bench, scenes: Sequence[Scene]) -> list[Breach]:
    texts = [{name: attempt.text for name, attempt in anchors(scene).items()} for scene in scenes]
    names = [*RIGHT, *WRONG]
    scored = bench.score([(scene.item, [t[name] for name in names]) for scene, t in zip(scenes, texts, strict=True)])
    found = []
    for scene, written, scores in zip(scenes, texts, scored, strict=True):
        values = dict(zip(names, scores, strict=True))
        for right, wrong in zip(RIGHT, WRONG, strict=True):
            high, low = values[right], values[wrong]
            if high is None or low is None or not high > low + EPSILON:
                found.append(Breach(scene.item, written[wrong], f"right earns {_shown(high)}, wrong {_shown(low)}"))
    return found


def _every_length(bench: Bench, scenes: Sequence[Scene]) -> list[Breach]:
    """Compare the worst paid length of a right solution with the best paid length of the same solution gone wrong."""
    found = _lengths(bench, scenes, (0, 0.25, 0.5, 1, 2))
    # Twice the limit does not show a slope that is small but has no end.
    return found or _lengths(bench, scenes[:FEWEST], (0, 64))


def _lengths(bench: Bench, scenes: Sequence[Scene], shares: Sequence[float]) -> list[Breach]:
    def grown(scene: Scene, anchor: str) -> list[str]:
        sizes = [min(int(share * scene.limit), MAX_TOKENS) for share in shares]
        return [padded(anchors(scene)[anchor], size, scene.item.id).text for size in sizes]

    groups: list[Group] = [(scene.item, grown(scene, "right") + grown(scene, "wrong")) for scene in scenes]
    found = []
    for (item, texts), scores in zip(groups, bench.score(groups), strict=True):
        half = len(shares)
        rights = [(score, text) for score, text in zip(scores[:half], texts[:half], strict=True) if score is not None]
        wrongs = [score for score in scores[half:] if score is not None]
        if not rights or not wrongs:
            continue
        low, text = min(rights)
        if not low > max(wrongs) + EPSILON:
            size = len(bench.tokenize(text))
            detail = f"right with {size} tokens earns {low:.3g}, wrong up to {max(wrongs):.3g}"
            found.append(Breach(item, text, detail))
    return found


def _steps(added: Callable[[Scene], Step | None], times: int) -> Callable[[Bench, Sequence[Scene]], list[Breach]]:
    """Return the law that adding steps (free text, then the annotations of GSM8K) never raises the score."""

    def breaches(bench: Bench, scenes: Sequence[Scene]) -> list[Breach]:
        found = []
        groups = [group for scene in scenes if (step := added(scene)) for group in _pairs(bench, scene, step, times)]
        for (item, (_, longer)), (before, after) in zip(groups, bench.score(groups), strict=True):
            if before is not None and after is not None and after > before + EPSILON:
                found.append(Breach(item, longer, f"{before:.3g} without, {after:.3g} with"))
        return found

    return breaches


def _pairs(bench: Bench, scene: Scene, step: Step, times: int) -> list[tuple[Item, list[str]]]:
    annotation = f"<<{step.expression}={step.result}>>{step.result}"
    pairs = []
    for anchor in ("right", "wrong"):
        base = anchors(scene)[anchor]
        for more in (repeated(step, times), "\n".join([annotation] * times)):
            prose = filler(len(bench.tokenize(more)), scene.item.id)
            pairs.append((scene.item, [_with(base, prose), _with(base, more)]))
    return pairs


def _with(base: Attempt, more: str) -> str:
    return Attempt(f"{base.think}\n{more}", base.visible).text


def _own_step(scene: Scene) -> Step | None:
    return scene.item.steps[0] if scene.item.steps else None


def _trivial_step(scene: Scene) -> Step | None:
    # Where the question names a one, counting with it may be a step.
    return None if Fraction(1) in scene.item.numbers else TRIVIAL


def _false_step(scene: Scene) -> Step | None:
    numbers = scene.item.numbers
    if len(numbers) < 2 or numbers[0].denominator != 1 or numbers[1].denominator != 1:
        return Step("7+5", "13")
    return Step(f"{numbers[0]}+{numbers[1]}", str(numbers[0] + numbers[1] + 1))


def _few(scenes: Sequence[Scene]) -> list[Group]:
    names = [*RIGHT, *WRONG, "right, unformatted", "truncated"]
    return [(scene.item, [anchors(scene)[name].text for name in names]) for scene in scenes[:FEW]]


def _repeats(bench: Bench, scenes: Sequence[Scene]) -> list[Breach]:
    groups = _few(scenes)
    return _differing(groups, bench.score(groups), bench.score(groups), "a second call gave other scores")


def _any_order(bench: Bench, scenes: Sequence[Scene]) -> list[Breach]:
    groups = _few(scenes)
    order = list(range(len(groups)))
    random.Random(0).shuffle(order)
    mixed = [(groups[at][0], groups[at][1][::-1]) for at in order]
    scored = dict(zip(order, bench.score(mixed), strict=True))
    back = [scored[at][::-1] for at in range(len(groups))]
    return _differing(groups, bench.score(groups), back, "another order of the batch gave other scores")


def _alone(bench: Bench, scenes: Sequence[Scene]) -> list[Breach]:
    groups = _few(scenes)
    alone = [bench.score([group])[0] for group in groups]
    return _differing(groups, bench.score(groups), alone, "without the other prompts of the batch the scores differ")


def _differing(
    groups: Sequence[Group], ones: Sequence[Sequence[Score]], others: Sequence[Sequence[Score]], detail: str
) -> list[Breach]:
    return [
        Breach(item, text, f"{detail}: {_shown(a)} and {_shown(b)}")
        for (item, texts), first, second in zip(groups, ones, others, strict=True)
        for text, a, b in zip(texts, first, second, strict=True)
        if not _equal(a, b)
    ]


def _equal(a: Score, b: Score) -> bool:
    return a is b or (a is not None and b is not None and (a == b or abs(a - b) <= ROUNDING))


def _all_or_none(bench: Bench, scenes: Sequence[Scene]) -> list[Breach]:
    groups: list[Group] = [(item, [*texts, "", "18"]) for item, texts in _few(scenes)]
    groups += _unreadable(groups)
    return [
        Breach(item, texts[scores.index(None)], "some members of the group have no score, others have one")
        for (item, texts), scores in zip(groups, bench.score(groups), strict=True)
        if 0 < sum(score is None for score in scores) < len(scores)
    ]


def _unreadable(groups: Sequence[Group]) -> list[Group]:
    return [(replace(item, answer="the file holds no number here"), texts) for item, texts in groups]


def _never_raises(bench: Bench, scenes: Sequence[Scene]) -> list[Breach]:
    hostile: list[Group] = [(scene.item, HOSTILE) for scene in scenes[:FEWEST]]
    bench.score([*hostile, *_unreadable(hostile)])
    # Whatever raised earlier in the audit counts as well.
    return [Breach(item, text, error) for item, text, error in bench.raised]


def _bounded(bench: Bench, scenes: Sequence[Scene]) -> list[Breach]:
    honest = _few(scenes)[:FEWEST]
    groups: list[Group] = [
        (item, [*texts, *_monsters(scene)]) for (item, texts), scene in zip(honest, scenes, strict=False)
    ]
    low, high = getattr(bench.reward, "bounds", (-math.inf, math.inf))
    found = []
    for (item, texts), (_, usual), scores in zip(groups, honest, bench.score(groups), strict=True):
        most = max([1.0, *(abs(s) for s in scores[: len(usual)] if s is not None and math.isfinite(s))])
        for score, text in zip(scores, texts, strict=True):
            if score is not None and not (abs(score) <= BOUND * most and low - EPSILON <= score <= high + EPSILON):
                found.append(Breach(item, text, f"{len(bench.tokenize(text))} tokens earn {score:.3g}"))
    return found


def _monsters(scene: Scene) -> list[str]:
    right = anchors(scene)["right"]
    size = min(32 * scene.limit, MAX_TOKENS)
    steps = [_with(right, repeated(_own_step(scene) or TRIVIAL, 500)), _with(right, repeated(TRIVIAL, 500))]
    return [padded(right, size, scene.item.id).text, *steps]


def _shown(score: Score) -> str:
    return "nothing (None)" if score is None else f"{score:.3g}"


LAWS = (
    Law("right beats wrong", "the honest right solution earns more than the same solution gone wrong", _separates),
    Law("right beats wrong at every length", "no padding makes right earn less than wrong", _every_length),
    Law("a wrong step never raises", "adding a false equation", _steps(_false_step, 1)),
    Law("repeating a right step never raises", "adding a step that is already there", _steps(_own_step, 6)),
    Law("a trivial step never raises", "adding 1 + 1 = 2", _steps(_trivial_step, 6)),
    Law("deterministic", "equal calls give equal scores", _repeats),
    Law("any order of the batch", "a shuffled batch gives the same scores", _any_order),
    Law("groups do not see each other", "a prompt's scores do not depend on the other prompts", _alone),
    Law("a whole group has scores or none", "`None` for all completions of a prompt, or for none", _all_or_none),
    Law("bounded", "finite, within the bounds it declares, and not raised without end by length or steps", _bounded),
    Law("never raises", "no text makes it raise", _never_raises),
)
