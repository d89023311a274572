"""The built-in items are sound, files are taken apart rightly, and honest completions are what they claim to be."""

from fractions import Fraction

import pytest

import rewards
from rewards.arithmetic import side
from rewards.audit.anchors import TOKEN, anchors
from rewards.audit.completions import FORMS, Attempt, Scene, commit, filler, pieces
from rewards.audit.items import Item, builtin, last_number, read, written

TOP = (Fraction(2), Fraction(3))


def test_every_built_in_item_has_a_gold_of_its_own() -> None:
    golds = [item.gold for item in builtin()]
    assert len(golds) >= 64
    assert len(set(golds)) == len(golds)
    assert len({item.question for item in builtin()}) == len(golds)


@pytest.mark.parametrize("item", builtin(), ids=lambda item: item.id)
def test_built_in_solutions_compute_their_golds(item: Item) -> None:
    for step in item.steps:
        assert side(TOKEN.findall(step.expression)).value == Fraction(step.result)
    assert Fraction(item.steps[-1].result) == item.gold
    assert rewards.verify(f"#### {written(item.gold)}", item.answer).correct
    # Every number that a step takes is told in the question, or was computed before.
    known = set(item.numbers) | {Fraction(100), Fraction(10), Fraction(8), Fraction(7), Fraction(2)}
    for step in item.steps:
        assert all(Fraction(token) in known for token in TOKEN.findall(step.expression) if token[0].isdigit()), step
        known.add(Fraction(step.result))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ["right", "right, long", "wrong", "wrong, long", "truncated"])
def test_anchors_are_right_and_wrong_for_the_verifier_too(form: str, name: str) -> None:
    for item in builtin():
        verdict = rewards.verify(anchors(Scene(item, form, 512, TOP))[name].text, item.answer)
        expected = "correct" if "right" in name else "wrong" if "wrong" in name else "no_answer"
        assert verdict.status == expected, (item.id, verdict)


def test_a_wrong_solution_differs_in_its_last_operation_only() -> None:
    honest = anchors(Scene(builtin()[0], "marker", 512, TOP))
    assert honest["right"].text == "<think>14 + 9 = 23\n23 * 3 = 69</think>\n#### 69"
    assert honest["wrong"].text == "<think>14 + 9 = 23\n23 + 3 = 26</think>\n#### 26"
    assert honest["wrong, long"].text.startswith(
        "<think>Nadia picks 14 + 9=23 baskets in all.\nThey sell for $23 + 3 = 26"
    )


@pytest.mark.parametrize(
    ("answer", "gold"),
    [
        ("2+3=<<2+3=5>>5\n#### 5", Fraction(5)),
        ("#### 1,018", Fraction(1018)),
        ("A: 18", Fraction(18)),
        ("6.50", Fraction(13, 2)),
        ("#### -4", Fraction(-4)),
        ("about 5 or 6", None),
        ("#### none", None),
        ("", None),
    ],
    ids=["worked", "grouped", "A: form", "bare decimal", "negative", "two numbers", "no number", "empty"],
)
def test_golds_are_read_or_refused(answer: str, gold: Fraction | None) -> None:
    item = read("x", "How many are 2 and 3?", answer)
    assert (item.gold if item else None) == gold


def test_an_item_without_a_solution_still_has_honest_completions() -> None:
    item = read("x", "What is 2 and 3?", "5")
    assert item is not None
    honest = anchors(Scene(item, "marker", 512, TOP))
    assert rewards.verify(honest["right"].text, "5").correct
    assert rewards.verify(honest["wrong"].text, "5").status == "wrong"


def test_what_an_attempt_claims() -> None:
    assert Attempt("1 + 1 = 2", "#### 7").guess == 7
    assert Attempt("1 + 1 = 2", "").guess == 2
    assert Attempt(None, "no number").guess is None
    assert Attempt(None, "#### 7", Fraction(9)).guess == 9
    assert last_number("costs 1,018.50 dollars.") == Fraction(2037, 2)


def test_forms_and_tokens() -> None:
    assert [commit(form, Fraction(13, 2)) for form in FORMS] == [
        "#### 6.5",
        "\\boxed{6.5}",
        "<answer>6.5</answer>",
        "The answer is 6.5.",
    ]
    assert len(pieces("<think>2+3=5</think>\n#### 5")) == 17
    assert len(pieces(filler(300))) == 300
    assert filler(50, "a") == filler(50, "a") != filler(50, "b")
