"""Rules of credit under attack: which fall, for what, which do not, and what a scorer of steps has to do with it."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rewards
from rewards.audit import AUDITED, SETTINGS, Audit, audit_credit, builtin
from rewards.audit.attacks.forgery import FORGERIES, HONEST, REWRITINGS, honest
from rewards.audit.completions import chunks, pieces, scenes
from rewards.audit.items import Item
from rewards.audit.payment import Seen, pays
from rewards.audit.trainer import STABILISER
from rewards.batch import Batch
from rewards.credit import RULES, Settings
from rewards.reward import Components, Reward
from rewards.spans import Span, StepScorer, TokenStep

SOME = builtin()[::9]
SCENES = scenes(builtin()[::6], "marker", 512)
OFF = Settings(0.0, 0.1, 0.0)


@dataclass(frozen=True)
class Scorer(Reward, StepScorer):
    """Steps by any function of a text, as a plugin has them."""

    own: Callable[[str], list[Span]]

    def score(self, batch: Batch) -> Components:
        return {"own": [0.0] * len(batch.texts)}

    def spans(self, batch: Batch) -> list[list[Span]]:
        return [self.own(text) for text in batch.texts]


def lines(text: str) -> list[Span]:
    """Every line is a good step, but for those that hold a `3`: a scorer that anything can please."""
    ends = np.cumsum([len(line) for line in text.splitlines(keepends=True)]).tolist()
    starts = [0, *ends[:-1]]
    return [Span(a, b, -1.0 if "3" in text[a:b] else 1.0) for a, b in zip(starts, ends, strict=True)]


@cache
def audited(rule: str, weight: float = SETTINGS.weight) -> Audit:
    return audit_credit(rewards.get("process"), [rule], SOME, settings=Settings(weight, 0.1, 0.0))


def verdicts(found: Audit) -> dict[str, str]:
    return {one.attack.partition(": ")[2]: one.verdict for one in found.findings}


def test_pay_by_hand() -> None:
    # Rewards 1, 0, 0: mean 1/3, deviation sqrt(1/3) = 0.577; advantages 1.155 and -0.577. Two tokens, four, eight;
    # honest ones have three tokens on average, so the sums 2.309, -2.309 and -4.619 are divided by 3.
    group = [Seen(2, (), 1.0, True), Seen(4, (), 0.0, False), Seen(8, (), 0.0, False)]
    (paid,) = pays([group], None, SETTINGS)
    high, low = (2 / 3) / (3**-0.5 + STABILISER), (-1 / 3) / (3**-0.5 + STABILISER)
    assert paid == pytest.approx(np.array([[high, 2 * high / 3], [low, 4 * low / 3], [low, 8 * low / 3]]))


def test_pay_of_steps_by_hand() -> None:
    # Nobody is right, so the outcome pays nothing. delta of one step is its score less the others' mean: 1 - (-1) and
    # back, halved by the weight: 1 on the two tokens that the step has of four, so 0.5 per token.
    good, bad = (TokenStep(Span(0, 3, score), 0, 2) for score in (1.0, -1.0))
    (paid,) = pays([[Seen(4, [bad], 0.0, False), Seen(4, [good], 0.0, False)]], RULES["delta"], SETTINGS)
    assert paid == pytest.approx(np.array([[-0.5, -0.5], [0.5, 0.5]]))


def test_a_group_with_an_unscorable_member_has_no_outcome() -> None:
    (paid,) = pays([[Seen(2, (), 1.0, True), Seen(2, (), None, None)]], None, SETTINGS)
    assert paid.tolist() == [[0.0, 0.0], [0.0, 0.0]]


@pytest.mark.parametrize(
    ("rule", "attack"),
    [
        pytest.param("sum_to_go", "long chain of true steps", id="the known-bad control: more steps, more pay"),
        pytest.param("sum_to_go", "wrong: each step split in 25", id="the control, by splitting"),
        pytest.param("direct", "wrong: padded with prose", id="direct has no outcome where steps are not values"),
    ],
)
def test_rules_that_fall_on_symbolic_steps(rule: str, attack: str) -> None:
    found = audited(rule)
    assert found.verdict == "fail"
    assert f"{rule}: {attack}" in {finding.attack for finding in found.failures}
    assert found.surviving == ()


@pytest.mark.parametrize("rule", ["min", "delta", "clip", "first_error", "among_correct"])
def test_rules_that_survive_on_symbolic_steps(rule: str) -> None:
    found = audited(rule)
    assert (found.verdict, found.surviving) == ("pass", (rule,)), found.reason


def test_the_default_finds_every_attack_harmless() -> None:
    """Also right answers by wrong steps, which every rule that looks at wrong completions alone pays in full."""
    assert set(verdicts(audited("among_correct")).values()) == {"harmless"}
    blind_to_steps = verdicts(audited("first_error"))
    assert blind_to_steps["right answer, all steps wrong"] == "beats honest"
    assert audited("first_error").verdict == "pass", "it takes the gold, so it is no gold-blind attack"


def test_the_outcome_alone_is_blamed_for_nothing() -> None:
    """At weight 0 `min` is the outcome, which tells right from wrong and no steps from others."""
    found = {attack: verdict for attack, verdict in verdicts(audited("min", 0.0)).items() if verdict != "harmless"}
    assert found == {"right answer, all steps wrong": "beats honest", "right answer, first step wrong": "beats honest"}


def test_dense_credit_pays_wrong_solutions_for_hiding_their_false_step() -> None:
    for rule in ("min", "delta", "clip"):
        assert verdicts(audited(rule))["false last step: all steps unreadable"] == "pays", rule


@pytest.mark.parametrize(
    ("attack", "least"),
    [
        ("wrong: thanks and birthday wishes", "beats honest"),
        ("wrong: a step repeated", "beats honest"),
        ("wrong: trivial truths", "beats honest"),
        ("wrong: each step split in 25", "beats honest"),
        ("wrong: padded with prose", "pays"),
        ("right: thanks and birthday wishes", "pays"),
    ],
)
def test_a_scorer_that_anything_pleases_falls(attack: str, least: str) -> None:
    found = audit_credit(Scorer(lines), ["sum_to_go"], SOME)
    assert verdicts(found)[attack] == least


@dataclass(frozen=True)
class Counting(Scorer):
    """Remembers what it was asked."""

    asked: list[tuple[str, str]]

    def spans(self, batch: Batch) -> list[list[Span]]:
        self.asked.extend(zip(batch.questions, batch.texts, strict=True))
        return super().spans(batch)


def test_every_audited_rule_is_there_and_every_text_is_read_once() -> None:
    scorer = Counting(lines, [])
    found = audit_credit(scorer, AUDITED, SOME[:3])
    assert found.rules == AUDITED == tuple(RULES)[:-1]
    assert {one.rule for one in found.findings} == set(AUDITED)
    built = [(scene.item, forgery.build(scene)) for scene in scenes(SOME[:3], "marker", 512) for forgery in FORGERIES]
    assert {(item.question, attempt.text) for item, attempt in built if attempt} <= set(scorer.asked)
    # The right solutions are read before, to see which way of writing steps is read at all.
    assert len(scorer.asked) == len(set(scorer.asked)) + 3


def test_an_audit_of_credit_is_the_same_twice() -> None:
    first, second = (json.dumps(audit_credit(Scorer(lines), ["min"], SOME[:3]).to_json()) for _ in range(2))
    assert first == second


def test_steps_are_written_as_the_scorer_reads_them() -> None:
    def annotations(text: str) -> list[Span]:
        return [Span(text.index("<<"), text.index(">>") + 2, 1.0)] if "<<" in text else []

    found = audit_credit(Scorer(annotations), ["direct"], SOME[:3])
    assert any("<<" in one.example for one in found.findings)
    assert found.anchors["right"] == 1.0


def test_calls_are_a_scorer_too() -> None:
    found = audit_credit(rewards.get("calls"), ["sum_to_go", "among_correct"], SOME[:4])
    assert found.surviving == ("among_correct",)


def test_a_term_of_a_sum_scores_the_steps() -> None:
    found = audit_credit(rewards.parse("sparse+0*process"), ["among_correct"], SOME[:3])
    assert found.reward == "sparse with 0.5*process by among_correct"


def test_a_scorer_that_knows_no_step_is_no_pass() -> None:
    with pytest.raises(rewards.RewardError, match="knows no step of most right solutions"):
        audit_credit(Scorer(lambda text: [Span(0, len(text), None)]), ["min"], SOME[:3])


def test_a_scorer_that_raises_is_told_with_its_place() -> None:
    def broken(text: str) -> list[Span]:
        raise KeyError("steps")

    with pytest.raises(rewards.RewardError, match=r"scorer of steps raises .*KeyError: 'steps' \(.*test_audit_credit"):
        audit_credit(Scorer(broken), ["min"], SOME[:3])


def test_items_without_worked_steps_are_refused() -> None:
    bare = [Item(str(n), f"What is {n}?", f"#### {n}", builtin()[n].gold, (), ()) for n in range(3)]
    with pytest.raises(rewards.RewardError, match="two problems with worked steps"):
        audit_credit(rewards.get("process"), ["min"], bare)


@pytest.mark.parametrize("base", ["wrong", "false last step", "right"])
@pytest.mark.parametrize("name", REWRITINGS)
def test_a_rewriting_keeps_the_answer_and_makes_no_true_step_false(base: str, name: str) -> None:
    """Else the attack would be caught, or be right, for what is not its point."""
    (forgery,) = [one for one in FORGERIES if one.name == f"{base}: {name}"]
    built = [(scene, attempt) for scene in SCENES if (attempt := forgery.build(scene))]
    assert built
    for scene, attempt in built:
        _, answer = HONEST[base](scene.item)
        assert attempt.claim == answer
        assert rewards.verify(attempt.text, scene.item.answer).correct is (base == "right")
        if base != "false last step":
            assert "false" not in {step.status for step in rewards.process.steps(attempt.text, scene.item.question)}


def test_honest_solutions_are_what_they_are_called() -> None:
    for scene in SCENES:
        texts = {name: attempt.text for name in HONEST if (attempt := honest(name)(scene))}
        statuses = {
            name: [step.status for step in rewards.process.steps(text, scene.item.question)]
            for name, text in texts.items()
        }
        assert "false" not in statuses["right"] + statuses["wrong"]
        assert statuses["false last step"][-1] == statuses["false first step"][0] == "false"


@given(st.text(max_size=60))
def test_chunks_are_the_text_and_its_tokens(text: str) -> None:
    found = chunks(text)
    assert "".join(found) == text
    assert len(found) - len(pieces(text)) == (text != "" and bool(text) and not pieces(text[-1:]))
