"""Calls of a calculator as steps: which are found where, and what they are worth."""

from itertools import pairwise

import pytest

import rewards
from rewards.batch import Batch
from rewards.calculator import asked
from rewards.calls import Calls

QUESTION = "Tom has 4 boxes with 7 eggs each and 3 more eggs. How many eggs does Tom have?"
RIGHT = "<think> 4 * 7 = 28\n 28 + 3 = 31</think>\n#### 31"


def scored(text: str, question: str = QUESTION) -> list[tuple[str, float | None]]:
    (spans,) = Calls().spans(Batch([question], [text], None, {}))
    assert all(one.end <= other.start for one, other in pairwise(spans))
    return [(text[span.start : span.end], span.score) for span in spans]


@pytest.mark.parametrize(
    ("text", "calls"),
    [
        pytest.param(RIGHT, [("4 * 7 = 28", 1.0), ("28 + 3 = 31", 1.0)], id="free text"),
        pytest.param(
            "4*7=<<4*7=28>>28\n28+3=<<28+3=31>>31\n#### 31",
            [("<<4*7=28>>", 1.0), ("<<28+3=31>>", 1.0)],
            id="annotations",
        ),
        pytest.param(
            "4 * 7 = 28\n4 / 0 = error\n#### 28", [("4 * 7 = 28", 1.0), ("4 / 0 = error", -1.0)], id="an error"
        ),
        pytest.param("4 / 0 = 3\n#### 3", [("4 / 0 =", -1.0)], id="an error that the policy wrote over"),
        pytest.param("4/0=<<4/0=error>>\n#### 4", [("4/0=", -1.0), ("<<4/0=error>>", -1.0)], id="an annotated error"),
        pytest.param("<<4*7=28/0=error>>\n#### 4", [("<<4*7=28/0=error>>", -1.0)], id="an error at the end of a chain"),
        pytest.param("4 * 7 = 29\n#### 29", [("4 * 7 = 29", -1.0)], id="a false result"),
        pytest.param("4 * 7 = 28\n4 * 7 = 28\n#### 28", [("4 * 7 = 28", 1.0), ("4 * 7 = 28", None)], id="a repeat"),
        pytest.param("4 * 7 = 28\n28 * 1 = 28\n#### 28", [("4 * 7 = 28", 1.0), ("28 * 1 = 28", None)], id="trivial"),
        pytest.param("4 * 7 = 28\n3 + 7 = 10\n#### 28", [("4 * 7 = 28", 1.0), ("3 + 7 = 10", None)], id="unused"),
        pytest.param("41 * 7 = 287\n#### 287", [("41 * 7 = 287", None)], id="not grounded"),
        pytest.param("28 = 4 * 7, as 3x + 2 = 5\n#### 28", [], id="no call"),
        pytest.param("#### 31", [], id="nothing asked"),
    ],
)
def test_calls_and_their_scores(text: str, calls: list[tuple[str, float | None]]) -> None:
    assert scored(text) == calls


@pytest.mark.parametrize(
    ("text", "share"),
    [
        pytest.param(RIGHT, 1.0, id="all valid"),
        pytest.param(RIGHT.replace("</think>", "\n 4 / 0 = error</think>"), 2 / 3, id="one failed"),
        pytest.param(RIGHT.replace("</think>", "\n 28 + 3 = 31" * 50 + "</think>"), 1.0, id="repeats are not counted"),
        pytest.param("#### 31", 0.0, id="no call"),
    ],
)
def test_the_reward_is_a_share_and_the_answer(text: str, share: float) -> None:
    reward = rewards.parse("calls")
    parts = reward.components(prompts=[QUESTION], completions=[text], answer=["31"])
    assert parts == {"process": [pytest.approx(share)], "answer": [1.0]}
    assert reward(prompts=[QUESTION], completions=[text], answer=["31"]) == [pytest.approx(0.2 * share + 0.8)]


@pytest.mark.parametrize(
    "spam",
    [
        pytest.param("\n 4 * 7 = 28", id="the same call"),
        pytest.param("\n 31 * 1 = 31", id="a trivial call"),
        pytest.param("\n 3 + 4 = 7", id="a result of the question"),
        pytest.param("\n 7 - 3 = 4", id="another"),
    ],
)
def test_spam_earns_nothing(spam: str) -> None:
    long = scored(RIGHT.replace("</think>", spam * 200 + "</think>"))
    assert [score for _, score in long if score is not None] == [1.0, 1.0]
    assert len(long) > 150


def test_distinct_unused_calls_earn_nothing_either() -> None:
    spam = "".join(f"\n 7 * {n} = {7 * n}" for n in range(5, 11))
    assert sum(score or 0 for _, score in scored(RIGHT.replace("</think>", spam + "</think>"))) == 2.0


def test_an_unreadable_gold_is_unscorable() -> None:
    assert rewards.parse("calls")(prompts=[QUESTION], completions=[RIGHT], answer=["many"]) == [None]


@pytest.mark.parametrize("blanks", ["", " "], ids=["at the sign", "behind it"])
def test_a_call_begins_at_its_first_character(blanks: str) -> None:
    text = f"x = 3 and 4 boxes * 7 ={blanks}"
    call = asked(text)
    assert call is not None
    assert text[call.start :] == f"4 boxes * 7 ={blanks}"
    assert asked(text + " 28", len(text)) == call


@pytest.mark.timeout(30)
def test_a_flood_of_signs_takes_no_longer_than_its_length() -> None:
    assert scored("1/0=" * 5000)
    assert scored("=" * 50_000) == []
