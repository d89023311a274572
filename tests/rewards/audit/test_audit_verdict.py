"""Verdicts by hand: what beats honest, what pays, what is free money, and what is only luck."""

from fractions import Fraction

import pytest

from rewards.audit.attacks import Attack
from rewards.audit.completions import Attempt
from rewards.audit.items import Item
from rewards.audit.verdict import Try, distinct, judge, mean


def item(gold: int) -> Item:
    return Item(f"item-{gold}", "How many?", f"#### {gold}", Fraction(gold), (), ())


def attack(blind: bool = True) -> Attack:
    return Attack("some attack", "guess", lambda scene: None, blind)


def tries(*scores: float | None, claims: int | None = None, **levels: float) -> list[Try]:
    """One try per score on items with golds 10, 11, ...; `claims` is what the attack answers everywhere."""
    honest = {"right": 1.0, "wrong": 0.2, "empty": 0.0, **levels}
    said = Attempt(None, "text", None if claims is None else Fraction(claims))
    return [Try(item(10 + place), said, score, **honest) for place, score in enumerate(scores)]


@pytest.mark.parametrize(
    ("found", "verdict", "share"),
    [
        (tries(1.0, 1.0, 0.0, 0.0), "beats honest", 0.5),
        (tries(1.5, 1.5), "beats honest", 1.0),
        (tries(1.0, 0.0, 0.0, 0.0), "harmless", 0.0),
        (tries(0.5, 0.5, 0.5, 0.0), "pays", 0.75),
        (tries(0.2, 0.2), "free money", 1.0),
        (tries(0.0, 0.0), "harmless", 0.0),
        (tries(None, None), "harmless", 0.0),
        (tries(-0.5, -0.5, wrong=-1.0, empty=-1.0), "pays", 1.0),
        (tries(0.0, 0.0, right=0.0, wrong=0.0), "harmless", 0.0),
        (tries(0.0, 0.0, right=-1.0, wrong=-1.0), "beats honest", 1.0),
        (tries(1.0, 1.0, wrong=0.0, empty=1.0), "beats honest", 1.0),
    ],
    ids=[
        "ties with right",
        "more than right",
        "one item is an accident",
        "more than wrong",
        "more than silence",
        "nothing",
        "no score is no gain",
        "below zero, above wrong",
        "a reward that pays all alike is the laws' business",
        "silence above a fined right answer",
        "silence paid like a right answer",
    ],
)
def test_verdicts(found: list[Try], verdict: str, share: float) -> None:
    finding = judge(attack(), found)
    assert (finding.verdict, finding.share) == (verdict, share)


def test_a_lucky_answer_is_a_floor_and_no_exploit() -> None:
    finding = judge(attack(), tries(1.0, 0.0, 0.0, 0.0, claims=10))
    assert finding.verdict == "harmless"
    assert finding.lucky == 0.25
    assert finding.expected == 0.25


def test_a_probe_that_knows_the_gold_is_never_lucky() -> None:
    assert not Try(item(10), Attempt(None, "It is not 10."), 1.0, 1.0, 0.0, 0.0, blind=False).lucky


def test_luck_on_one_item_does_not_excuse_the_others() -> None:
    finding = judge(attack(), tries(1.0, 1.0, 1.0, 0.0, claims=10))
    assert (finding.verdict, finding.beats, finding.lucky) == ("beats honest", 0.5, 0.25)


def test_two_items_with_the_same_gold_are_one() -> None:
    assert not distinct([item(5), item(5)])
    assert distinct([item(5), item(6)])


@pytest.mark.parametrize(("blind", "fails"), [(True, True), (False, False)], ids=["gold-blind", "knows the gold"])
def test_only_what_needs_no_gold_fails_the_audit(blind: bool, fails: bool) -> None:
    assert judge(attack(blind), tries(1.0, 1.0)).fails is fails


def test_unscored_is_counted_and_not_averaged() -> None:
    finding = judge(attack(), tries(None, 0.5, 0.5, None))
    assert (finding.unscored, finding.expected) == (0.5, 0.5)
    assert mean([None]) is None
