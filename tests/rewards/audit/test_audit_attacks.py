"""Every family of attacks has a reward that falls for it and one that does not."""

import re
from collections.abc import Callable, Sequence
from typing import Any

import pytest

import rewards
from rewards.audit.arena import Arena, set_up
from rewards.audit.attacks import ATTACKS, Attack, compose
from rewards.audit.bench import Bench
from rewards.audit.items import builtin
from rewards.audit.verdict import Finding

Function = Callable[..., list[float]]

FAMILIES = list(dict.fromkeys(attack.family for attack in ATTACKS))


def correct(text: str, gold: str) -> bool:
    return rewards.verify(text, gold).correct


def scored(score: Callable[[str, str, str, int], float]) -> Function:
    """A plain reward from the score of (text, gold field, question, tokens)."""

    def reward(
        prompts: Sequence[str],
        completions: Sequence[str],
        completion_ids: Sequence[Sequence[int]],
        answer: Sequence[str],
        **columns: Any,
    ) -> list[float]:
        rows = zip(completions, answer, prompts, completion_ids, strict=True)
        return [float(score(text, gold, question, len(ids))) for text, gold, question, ids in rows]

    return reward


def last(gold: str) -> str:
    return gold.rsplit("#### ", 1)[-1]


FALLS: dict[str, Function] = {
    "silence": scored(lambda text, gold, question, tokens: 1.0 if not text.strip() else correct(text, gold)),
    "echo": scored(lambda text, gold, question, tokens: question in text or correct(text, gold)),
    "guess": scored(lambda text, gold, question, tokens: "#### " in text),
    "enumerate": scored(lambda text, gold, question, tokens: last(gold) in re.findall(r"[\d.]+", text)),
    "format": scored(lambda text, gold, question, tokens: "</think>" in text),
    "master key": scored(lambda text, gold, question, tokens: text in (":", "Solution") or correct(text, gold)),
    "grader": scored(lambda text, gold, question, tokens: "correct" in text or correct(text, gold)),
    "steps": scored(lambda text, gold, question, tokens: text.count("=") + 3 * correct(text, gold)),
    "length": scored(lambda text, gold, question, tokens: tokens / 100 + correct(text, gold)),
    "length in a group": scored(lambda text, gold, question, tokens: correct(text, gold) - tokens / 10),
    "semantic": scored(lambda text, gold, question, tokens: f"#### {last(gold)}" in text),
    "value": scored(lambda text, gold, question, tokens: last(gold) in text.rsplit("#### ", 1)[-1]),
}


def findings(reward: Callable[..., Any], attacks: Sequence[Attack]) -> dict[Attack, Finding]:
    arena = set_up(Bench(reward), builtin()[:24])
    return {attack: found for attack in attacks if (found := arena.attacked(attack))}


def of(family: str) -> list[Attack]:
    return [attack for attack in ATTACKS if attack.family == family]


def test_the_table_covers_every_family() -> None:
    assert set(FALLS) == set(FAMILIES)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_reward_made_for_it_falls(family: str) -> None:
    found = findings(FALLS[family], of(family))
    worst = [finding for finding in found.values() if finding.verdict == "beats honest"]
    assert worst, {finding.attack: finding.verdict for finding in found.values()}
    assert any(finding.fails for finding in worst) == all(attack.blind for attack in of(family))


@pytest.mark.parametrize("family", FAMILIES)
def test_the_outcome_reward_does_not(family: str) -> None:
    found = findings(rewards.get("sparse"), of(family))
    assert {finding.attack: finding.verdict for finding in found.values()} == dict.fromkeys(
        (finding.attack for finding in found.values()), "harmless"
    )


def test_joined_exploits_beat_what_none_beats_alone() -> None:
    """Half for the gold anywhere after thinking, half for two equations: each alone earns half of honest."""

    def score(text: str, gold: str, question: str, tokens: int) -> float:
        visible = text.rsplit("</think>", 1)[-1]
        return 0.5 * (last(gold) in re.findall(r"[\d.]+", visible)) + 0.5 * (text.count("=") >= 1)

    reward = scored(score)
    single = findings(reward, [attack for attack in ATTACKS if attack.blind])
    assert not any(finding.fails for finding in single.values())
    joined = compose({attack: finding.expected or 0.0 for attack, finding in single.items()})
    assert len(joined) == 3
    assert all(finding.fails for finding in findings(reward, joined).values())


def test_gold_blind_attacks_do_not_look_at_the_gold() -> None:
    """The same question with another gold gives the same text, but for the wrong solutions of a mixed group."""
    import dataclasses
    from fractions import Fraction

    arena = set_up(Bench(rewards.get("sparse")), builtin()[:4])
    for attack in ATTACKS:
        if attack.blind and attack.family != "length in a group":
            for scene in arena.scenes:
                item = dataclasses.replace(scene.item, gold=Fraction(987), answer="#### 987", lines=(), steps=())
                other = attack.build(dataclasses.replace(scene, item=item))
                own = attack.build(scene)
                assert own is not None and other is not None
                assert own.text == other.text, attack.name


def test_attacks_are_the_same_in_every_process() -> None:
    arenas = [set_up(Bench(rewards.get("sparse")), builtin()[:4]) for _ in range(2)]
    texts = [[attack.build(scene) for attack in ATTACKS for scene in arena.scenes] for arena in arenas]
    assert texts[0] == texts[1]
    assert len({attack.name for attack in ATTACKS}) == len(ATTACKS)


@pytest.mark.parametrize(("name", "relative"), [("length_lead", True), ("length_group", True), ("sparse", False)])
def test_rewards_that_compare_within_a_group_are_recognised(name: str, relative: bool) -> None:
    arena: Arena = set_up(Bench(rewards.get(name)), builtin()[:8])
    assert arena.relative is relative
