"""Where an attack meets honest completions: the scenes of an audit, and the score of each attack in its group."""

from __future__ import annotations

import dataclasses
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from rewards.audit.anchors import RIGHT, WRONG, anchors
from rewards.audit.attacks import Attack
from rewards.audit.bench import Bench, Group, Score
from rewards.audit.completions import FORMS, Scene, filler, scenes
from rewards.audit.items import Item
from rewards.audit.verdict import EPSILON, Finding, Try, judge, mean
from rewards.composite import Composite
from rewards.errors import RewardError

__all__ = ["Arena", "raised", "set_up"]

DEFAULT_LIMIT = 512
FEW = 8


@dataclass(frozen=True)
class Arena:
    """A reward on the bench and the scenes it is audited on, one per item."""

    bench: Bench
    scenes: tuple[Scene, ...]

    @cached_property
    def honest(self) -> list[list[Score]]:
        """Scores of two right, two wrong and the empty completion of every item, as one group each."""
        return self.bench.score([(scene.item, _honest(scene)) for scene in self.scenes])

    @cached_property
    def relative(self) -> bool:
        """Whether a completion's score depends on the other completions of its group."""
        few: list[Group] = [(scene.item, _honest(scene)) for scene in self.scenes[:FEW]]
        alone = [[self.bench.score([(item, [text])])[0][0] for text in texts] for item, texts in few]
        return self.bench.score(few) != alone

    @cached_property
    def sees_gold(self) -> bool:
        """Whether another gold changes any score."""
        golds = [scene.item.answer for scene in self.scenes]
        # The long last member makes room for those rewards that look at a right answer only where it is short.
        own: list[Group] = [(scene.item, [*_honest(scene), filler(scene.limit)]) for scene in self.scenes]
        exchanged: list[Group] = [
            (dataclasses.replace(item, answer=gold), texts)
            for (item, texts), gold in zip(own, golds[1:] + golds[:1], strict=True)
        ]
        return self.bench.score(exchanged) != self.bench.score(own)

    @cached_property
    def levels(self) -> dict[str, float | None]:
        """The mean score of each honest completion."""
        written = [{name: one.text for name, one in anchors(scene).items()} for scene in self.scenes]
        scored = self.bench.score(
            [(scene.item, list(texts.values())) for scene, texts in zip(self.scenes, written, strict=True)]
        )
        return {name: mean(scores[place] for scores in scored) for place, name in enumerate(written[0])}

    def attacked(self, attack: Attack) -> Finding | None:
        """Carry an attack out on every item; `None` where it applies to none, or no honest completion has a score."""
        attempts = [attack.build(scene) for scene in self.scenes]
        groups: list[Group] = [
            (scene.item, [*(_honest(scene) if self.relative else ()), attempt.text] if attempt else [])
            for scene, attempt in zip(self.scenes, attempts, strict=True)
        ]
        tries = []
        for (item, _), attempt, alone, scores in zip(
            groups, attempts, self.honest, self.bench.score(groups), strict=True
        ):
            # Where the group counts, the attack is held against the honest completions of its own group.
            known = [score for score in (scores[:-1] if self.relative else alone) if score is not None]
            if attempt and len(known) == len(alone):
                tries.append(Try(item, attempt, scores[-1], max(known[:2]), max(known[2:4]), known[4], attack.blind))
        return judge(attack, tries) if tries else None


def set_up(bench: Bench, items: Sequence[Item]) -> Arena:
    """Return the items in the first form of answer in which right mostly earns more than wrong, else as `#### 18`.

    Raises `RewardError` where the reward raises on honest completions: it cannot be audited.
    """
    limit = _limit(bench.reward)
    for form in FORMS:
        written = scenes(items, form, limit)
        groups: list[Group] = [(s.item, [anchors(s)[name].text for name in (RIGHT[0], WRONG[0])]) for s in written]
        try:
            pairs = bench.call(groups)
        except RewardError:
            raise
        # Foreign code may raise anything; its author wants the place.
        except Exception as error:
            raise raised("reward", error) from error
        told = sum(right is not None and wrong is not None and right > wrong + EPSILON for right, wrong in pairs)
        if 2 * told > len(written):
            return Arena(bench, written)
    return Arena(bench, scenes(items, FORMS[0], limit))


def raised(who: str, error: Exception) -> RewardError:
    """Return the refusal of what raises on an honest completion, with the place in its code."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    problem = f"{type(error).__name__}: {error}".strip()
    return RewardError(f"the {who} raises on an honest completion: {problem} ({frame.filename}:{frame.lineno})")


def _honest(scene: Scene) -> list[str]:
    written = anchors(scene)
    return [*(written[name].text for name in (*RIGHT, *WRONG)), ""]


def _limit(reward: object) -> int:
    """Return the largest `max_tokens` among the reward's parameters."""
    terms = [term.reward for term in reward.terms] if isinstance(reward, Composite) else [reward]
    found = [getattr(term, "max_tokens", None) for term in terms]
    return max([limit for limit in found if type(limit) is int], default=DEFAULT_LIMIT)
