"""The stage of an audit of credit: groups of honest solutions, and every text read once by the scorer of steps."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from rewards.audit.anchors import RIGHT, anchors
from rewards.audit.arena import raised
from rewards.audit.attacks.forgery import HONEST, honest
from rewards.audit.completions import FORMS, Scene, chunks, pieces, scenes
from rewards.audit.items import Item
from rewards.audit.payment import Seen
from rewards.batch import Batch
from rewards.errors import RewardError
from rewards.reward import Reward
from rewards.spans import Span, StepScorer
from rewards.token_steps import token_steps
from rewards.verify import verify

__all__ = ["HOPELESS", "MIXED", "WRONG", "Reader", "Stage", "staged"]

WRONG = ("wrong", "false last step", "false first step", "wrong, long")
MIXED = (*RIGHT, *WRONG, WRONG[0])
HOPELESS = (*WRONG, *WRONG[:3])
"""Groups, of which an attack is the eighth."""

LIMIT = 512
BATCH = 64


@dataclass(frozen=True)
class Stage:
    """A scene and its honest completions by name."""

    scene: Scene

    @cached_property
    def honest(self) -> dict[str, str]:
        """Texts of `MIXED`: the solutions step by step, and two in whole sentences."""
        short = {name: attempt.text for name in HONEST if (attempt := honest(name)(self.scene))}
        long = {name: attempt.text for name, attempt in anchors(self.scene).items() if name.endswith(", long")}
        return short | long


@dataclass
class Reader:
    """Has completions read by a scorer of steps and an outcome reward, in batches of any items; no text twice."""

    scorer: StepScorer
    outcome: Reward
    progress: Callable[[int, int], None]

    def read(self, texts: Iterable[tuple[Item, str]]) -> dict[tuple[str, str], Seen]:
        """Return what a trainer would know of every text, by the item's id and the text."""
        rows = list({(item.id, text): (item, text) for item, text in texts}.values())
        found: dict[tuple[str, str], Seen] = {}
        for start in range(0, len(rows), BATCH):
            some = rows[start : start + BATCH]
            found |= {(item.id, text): seen for (item, text), seen in zip(some, self._batch(some), strict=True)}
            self.progress(len(found), len(rows))
        return found

    def _batch(self, rows: Sequence[tuple[Item, str]]) -> list[Seen]:
        texts, golds = [text for _, text in rows], [item.answer for item, _ in rows]
        questions, ids = [item.question for item, _ in rows], [pieces(text) for text in texts]
        spans = self._spans(Batch(questions, texts, ids, {"answer": golds, "question": questions}))
        if len(spans) != len(rows):
            raise RewardError(f"the scorer returned the steps of {len(spans)} completions for {len(rows)}")
        rewards = self.outcome(
            prompts=questions, completions=texts, completion_ids=ids, answer=golds, question=questions
        )
        return [_seen(*row) for row in zip(texts, golds, spans, rewards, strict=True)]

    def _spans(self, batch: Batch) -> list[list[Span]]:
        try:
            return self.scorer.spans(batch)
        except RewardError:
            raise
        # Foreign code may raise anything; its author wants the place.
        except Exception as error:
            raise raised("scorer of steps", error) from error


def _seen(text: str, gold: str, spans: Sequence[Span], reward: float | None) -> Seen:
    tokens = chunks(text)

    def decode(places: Sequence[int]) -> str:
        return "".join(tokens[place] for place in places)

    steps = token_steps(range(len(tokens)), decode, spans)
    return Seen(len(tokens), steps, reward, verify(text, gold).correct)


def staged(items: Sequence[Item], reader: Reader) -> list[Stage]:
    """Return the stages of the items whose solutions have steps, written as the scorer reads them.

    Raises `RewardError` where too few have, and where the scorer knows no step of their right solutions.
    """
    solved = [item for item in items if item.steps]
    if len({item.gold for item in solved}) < 2:
        raise RewardError("an audit of credit needs two problems with worked steps, as in <<23*3=69>>, and other golds")
    for annotated in (False, True):
        stages = [Stage(scene) for scene in scenes(solved, FORMS[0], LIMIT, annotated=annotated)]
        quiet = replace(reader, progress=lambda done, parts: None)
        seen = quiet.read((stage.scene.item, stage.honest["right"]) for stage in stages)
        if 2 * sum(any(step.span.score is not None for step in one.steps) for one in seen.values()) > len(stages):
            return stages
    raise RewardError("the scorer knows no step of most right solutions, so there is nothing to audit")
