"""Building pairs: rollouts grouped by question, candidates by policy, length control, no repeats, a cap, a report."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from statistics import fmean
from typing import Any

from harness import chat
from harness.trainers.pairs.pair import Pair, side
from harness.trainers.pairs.policies import Candidates, NoCandidates, candidates
from harness.trainers.pairs.rollouts import Rollout, Rollouts
from harness.trainers.pairs.scoring import scored
from harness.training import PairsConfig, Prompt

OUT_OF_RATIO = "length ratio"


class NoPairs(ValueError):
    """Nothing is left to train on; the message counts the reasons and says what to change."""


@dataclass(frozen=True)
class Built:
    """Pairs by question, and the report that `pairs.json` holds."""

    pairs: tuple[Pair, ...]
    report: dict[str, Any]


def build(rollouts: Rollouts, config: PairsConfig, style: Prompt, seed: int) -> Built:
    """The pairs of `rollouts`, whatever the order of their rows.

    A question's pairs differ in their answers, a text is never paired with itself, and with a length ratio rho every
    pair keeps 1/rho <= |chosen|/|rejected| <= rho; where a candidate does not, the next best takes its place.

    Raises:
        NoPairs: nothing is left.
        RewardError, UnreadableReward: the reward cannot be had.
    """
    usable, unscored = scored(rollouts.found, config.reward)
    questions = _by_question(usable)
    without: Counter[str] = Counter()
    pairs: list[Pair] = []
    free: list[Pair] = []
    for key, members in questions.items():
        # Seeded by the question, so that other questions do not change its pairs.
        Random(f"{seed}\0{key}").shuffle(members)
        try:
            found = candidates(config.policy, members)
        except NoCandidates as reason:
            without[str(reason)] += 1
            continue
        kept = _pairs(_taken(found, config.length_ratio, config.per_prompt), style)
        free += _pairs(_taken(found, 0, config.per_prompt), style)
        pairs += kept
        without.update([] if kept else [OUT_OF_RATIO])
    left_out = {**rollouts.left_out, **({"unscorable by the reward": unscored} if unscored else {})}
    report = {
        "policy": config.policy,
        "reward": config.reward,
        "length_ratio": config.length_ratio,
        "per_prompt": config.per_prompt,
        "seed": seed,
        "rollouts": rollouts.rows,
        "left_out": left_out,
        "questions": len(questions),
        "questions_without_pair": dict(sorted(without.items())),
        "pairs": len(pairs),
        "both_right": sum(pair.both_right for pair in pairs),
        "before_length_control": lengths(free),
        "after_length_control": lengths(pairs),
        "generators": sorted({one.generator for one in usable if one.generator}),
        "styles": list(rollouts.styles),
    }
    if not pairs:
        raise NoPairs(refusal(report))
    return Built(tuple(pairs), report)


def lengths(pairs: Sequence[Pair]) -> dict[str, float | int | None]:
    """Mean tokens of chosen and rejected, and the geometric mean of their ratio; null without pairs."""
    if not pairs:
        return {"pairs": 0, "chosen_tokens": None, "rejected_tokens": None, "ratio": None}
    return {
        "pairs": len(pairs),
        "chosen_tokens": round(fmean(pair.chosen.tokens for pair in pairs), 2),
        "rejected_tokens": round(fmean(pair.rejected.tokens for pair in pairs), 2),
        "ratio": round(math.exp(fmean(math.log(pair.ratio) for pair in pairs)), 4),
    }


def refusal(report: dict[str, Any]) -> str:
    """Why there are no pairs and what helps, one line."""
    reasons = {**report["left_out"], **report["questions_without_pair"]}
    counted = ", ".join(f"{count} {reason}" for reason, count in reasons.items()) or "none were given"
    fix = "sample more completions of every question at a higher temperature"
    if OUT_OF_RATIO in report["questions_without_pair"]:
        fix += ", or raise the length ratio"
    return f"no pairs from {report['rollouts']} rollouts of {report['questions']} questions: {counted}; {fix}"


def _by_question(rollouts: Sequence[Rollout]) -> dict[str, list[Rollout]]:
    groups: dict[str, list[Rollout]] = {}
    for one in rollouts:
        groups.setdefault(f"{one.id}\0{one.question}", []).append(one)
    return groups


def _taken(found: Candidates, ratio: float, most: int) -> Candidates:
    """The first candidates that are within the ratio, one for each pair of answers."""
    taken: dict[tuple[str | None, str | None], tuple[Rollout, Rollout]] = {}
    for chosen, rejected in found:
        if len(taken) == most:
            break
        if not ratio or (chosen.tokens <= ratio * rejected.tokens and rejected.tokens <= ratio * chosen.tokens):
            taken.setdefault((chosen.answer, rejected.answer), (chosen, rejected))
    return list(taken.values())


def _pairs(found: Candidates, style: Prompt) -> list[Pair]:
    return [
        Pair(
            chosen.id,
            chosen.question,
            chat.messages(chosen.question, style),
            side(chosen),
            side(rejected),
            both_right=rejected.correct,
        )
        for chosen, rejected in found
    ]
