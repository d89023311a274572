"""Metrics: hand-computed values, and what must hold of any rows."""

import random
import time
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evals.markdown import page
from evals.metrics import g_pass_at_k, maj_at_k, pass_at_k, repetition, steps, summary


def row(item: str, sample: int, correct: bool | None, **more: Any) -> dict[str, Any]:
    status = "unparseable_gold" if correct is None else "correct" if correct else "wrong"
    return {
        "id": item,
        "question": "How many?",
        "gold": "2+2=<<2+2=4>>4\n#### 4",
        "completion": "It is four. #### 4",
        "correct": correct,
        "status": status,
        "answer": None if correct is None else "4" if correct else "5",
        "strict": bool(correct),
        "flexible": bool(correct),
        "format": True,
        "tokens": 10,
        "finish_reason": "stop",
        "sample": sample,
        **more,
    }


counts = st.integers(1, 12).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n), st.integers(1, n)))
taus = st.floats(0.01, 1.0)


@pytest.mark.parametrize(
    ("n", "c", "k", "value"),
    [(8, 0, 8, 0.0), (8, 1, 8, 1.0), (4, 2, 1, 0.5), (4, 2, 2, 5 / 6), (4, 2, 3, 1.0), (200, 1, 100, 0.5)],
)
def test_pass_at_k(n: int, c: int, k: int, value: float) -> None:
    assert pass_at_k(n, c, k) == pytest.approx(value, abs=1e-15)


# Two correct of four, k = 2: of six pairs one is all correct and five hold a correct one.
@pytest.mark.parametrize(
    ("n", "c", "k", "tau", "value"),
    [
        (4, 2, 2, 1.0, 1 / 6),
        (4, 2, 2, 0.5, 5 / 6),
        (4, 2, 2, 0.51, 1 / 6),
        (8, 8, 8, 1.0, 1.0),
        (8, 7, 8, 1.0, 0.0),
        # All three correct ones among 30 of 40: 0.1 * 30 asks for three, though it is a little more in binary.
        (40, 3, 30, 0.1, (30 * 29 * 28) / (40 * 39 * 38)),
    ],
)
def test_g_pass_at_k(n: int, c: int, k: int, tau: float, value: float) -> None:
    assert g_pass_at_k(n, c, k, tau) == pytest.approx(value, abs=1e-12)


@given(counts)
def test_pass_at_k_is_the_share_of_draws_that_hold_a_correct_one(drawn: tuple[int, int, int]) -> None:
    n, c, k = drawn
    if n <= 8:
        draws = list(combinations([True] * c + [False] * (n - c), k))
        assert pass_at_k(n, c, k) == pytest.approx(sum(map(any, draws)) / len(draws), abs=1e-12)
        most = [sum(draw) >= 0.5 * k for draw in draws]
        assert g_pass_at_k(n, c, k, 0.5) == pytest.approx(sum(most) / len(draws), abs=1e-12)


@given(counts, taus)
def test_bounds_and_order(drawn: tuple[int, int, int], tau: float) -> None:
    n, c, k = drawn
    assert pass_at_k(n, c, 1) == pytest.approx(c / n)
    assert 0 <= g_pass_at_k(n, c, k, 1.0) <= g_pass_at_k(n, c, k, tau) <= pass_at_k(n, c, k) + 1e-12 <= 1 + 2e-12
    assert g_pass_at_k(n, c, k, 1 / k) == pytest.approx(pass_at_k(n, c, k))
    if k < n:
        assert pass_at_k(n, c, k) <= pass_at_k(n, c, k + 1) + 1e-12


@pytest.mark.parametrize(("n", "c", "k"), [(4, 5, 1), (4, -1, 1), (4, 2, 0), (4, 2, 5)])
def test_impossible_counts_are_refused(n: int, c: int, k: int) -> None:
    with pytest.raises(ValueError, match="need 0 <= c <= n"):
        pass_at_k(n, c, k)
    with pytest.raises(ValueError, match="need 0 <= c <= n"):
        g_pass_at_k(n, c, k, 0.5)


@pytest.mark.parametrize("tau", [0.0, 1.1])
def test_a_share_is_a_share(tau: float) -> None:
    with pytest.raises(ValueError, match="tau"):
        g_pass_at_k(4, 2, 2, tau)


@pytest.mark.parametrize(
    ("answers", "value"),
    [
        pytest.param("44455", 1.0, id="majority"),
        pytest.param("45555", 0.0, id="majority-wrong"),
        pytest.param("4455", 0.5, id="tie-of-two"),
        pytest.param("456", 1 / 3, id="tie-of-three"),
        pytest.param("4-----", 1.0, id="unreadable-never-wins"),
        pytest.param("-----", 0.0, id="nobody-votes"),
        pytest.param("", 0.0, id="empty"),
    ],
)
def test_maj_at_k(answers: str, value: float) -> None:
    assert maj_at_k([(None if a == "-" else a, a == "4") for a in answers]) == pytest.approx(value)


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("one two three four five", None),
        ("one two three four five six", 0.0),
        ("a b c d e f a b c d e f", 1 / 7),
        ("a " * 105, 0.99),
        ("", None),
    ],
    ids=["too short", "one gram", "twice", "loop", "empty"],
)
def test_repetition(text: str, share: float | None) -> None:
    assert repetition(text) == (None if share is None else pytest.approx(share))


def test_steps_are_the_golds_calculations() -> None:
    assert steps("48/2 = <<48/2=24>>24\n48+24 = <<48+24=72>>72\n#### 72") == 2
    assert steps("72") is None


SAMPLES = [
    row("a", 0, True),
    row("a", 1, False, finish_reason="length", tokens=30, status="no_answer", answer=None, format=False),
    row("b", 0, False, gold="<<1>><<2>>#### 4", kind="digit expansion"),
    row("b", 1, False, status="ambiguous", answer=None, gold="<<1>><<2>>#### 4", kind="digit expansion"),
    row("c", 0, None, gold="none"),
    row("c", 1, None, gold="none"),
]


@pytest.mark.parametrize(
    ("metric", "value", "n"),
    [
        ("accuracy", 1 / 4, 4),
        ("strict", 1 / 4, 4),
        ("format", 3 / 4, 4),
        ("accuracy_given_format", 1 / 3, 3),
        ("no_answer", 1 / 4, 4),
        ("ambiguous", 1 / 4, 4),
        ("truncated", 1 / 6, 6),
        ("tokens", 80 / 6, 6),
        ("repetition", None, 0),
        ("mean@2", 1 / 4, 2),
        ("maj@2", 1 / 2, 2),
        ("pass@1", 1 / 4, 2),
        ("pass@2", 1 / 2, 2),
        ("g_pass@2_0.5", 1 / 2, 2),
        ("g_pass@2_1.0", 0.0, 2),
    ],
)
def test_a_summary_by_hand(metric: str, value: float | None, n: int) -> None:
    found = summary(SAMPLES)[metric]
    assert found["n"] == n
    assert found["value"] == (None if value is None else pytest.approx(value))


def test_what_a_summary_counts() -> None:
    found = summary(SAMPLES)
    assert {key: found[key] for key in ("items", "samples", "completions", "unscorable")} == {
        "items": 3,
        "samples": 2,
        "completions": 6,
        "unscorable": 2,
    }
    assert found["statuses"] == {"ambiguous": 1, "correct": 1, "no_answer": 1, "unparseable_gold": 2, "wrong": 1}
    assert {part: (rate["value"], rate["n"]) for part, rate in found["by_steps"].items()} == {
        "1": (0.5, 2),
        "2": (0, 2),
    }
    assert {part: rate["n"] for part, rate in found["by_kind"].items()} == {"digit expansion": 2}


def test_an_item_with_a_sample_that_could_not_be_judged_is_left_out_at_k() -> None:
    rows = [row("a", 0, True), row("a", 1, None), row("b", 0, True), row("b", 1, True)]
    found = summary(rows)
    assert (found["accuracy"]["n"], found["pass@1"]["n"], found["pass@2"]["n"], found["maj@2"]["n"]) == (3, 2, 1, 1)


def test_nothing_judged_is_none_and_never_zero() -> None:
    found = summary([row("c", 0, None)])
    assert (found["accuracy"]["value"], found["accuracy"]["n"], found["pass@1"]["value"]) == (None, 0, None)
    assert summary([])["accuracy"]["value"] is None


def test_no_spread_is_not_certainty() -> None:
    rows = [row(item, sample, True) for item in "abcd" for sample in (0, 1)]
    found = summary(rows)["accuracy"]
    assert found["high"] == 1
    # Wilson's lower bound at four of four.
    assert found["low"] == pytest.approx(0.5101, abs=1e-4)


@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans()), min_size=1, max_size=8))
def test_one_table_agrees_with_itself(flags: list[tuple[bool, bool, bool]]) -> None:
    rows = [row(str(item), sample, right) for item, rights in enumerate(flags) for sample, right in enumerate(rights)]
    found = summary(rows)
    assert (
        found["pass@1"]["value"] == pytest.approx(found["mean@3"]["value"]) == pytest.approx(found["accuracy"]["value"])
    )
    chain = [found[name]["value"] for name in ("g_pass@3_1.0", "g_pass@3_0.5", "pass@3")]
    assert chain == sorted(chain)
    # Two answers only: the majority of three is right where two are.
    assert found["maj@3"]["value"] == pytest.approx(found["g_pass@3_0.5"]["value"])


def test_the_page_says_what_the_numbers_depend_on() -> None:
    text = page("SmolLM2 | gsm8k", {"model": "SmolLM2", "temperature": 0.7}, summary(SAMPLES))
    assert text.startswith("# SmolLM2 \\| gsm8k\n")
    assert "| temperature | 0.7 |" in text
    assert "| unscorable | 2 |" in text
    assert "| accuracy | 25.00 % |" in text and "| 4 completions |" in text
    assert "| repetition | none |  | 0 completions |" in text
    assert "| tokens | 13.3 |" in text
    assert "## Accuracy by steps in the gold" in text and "| digit expansion | 0.00 % |" in text


def test_a_whole_evaluation_is_quick() -> None:
    words = [f"w{place}" for place in range(300)]
    rng = random.Random(0)
    text = " ".join(rng.choices(words, k=150))
    rows = [row(str(item), sample, rng.random() < 0.4, completion=text) for item in range(1319) for sample in range(8)]
    summary(rows[:16])
    start = time.process_time()
    assert summary(rows)["completions"] == 10552
    # Measured 0.5 s; the bound leaves room for a loaded machine.
    assert time.process_time() - start < 5
