"""Length and repetition rewards: the papers' formulas, TRL's where it has them, and the law over all parameters."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rewards
from rewards import Reward, RewardError

RIGHT, WRONG = "<think>2*9=18</think>#### 18", "<think>2*9=20</think>#### 20"


def group(reward: Reward, *members: tuple[bool, int]) -> list[float]:
    scores = reward(
        prompts=["2 eggs at $9?"] * len(members),
        completions=[RIGHT if right else WRONG for right, _ in members],
        completion_ids=[list(range(length)) for _, length in members],
        answer=["18"] * len(members),
    )
    return [score for score in scores if score is not None]


@pytest.mark.parametrize(
    ("spec", "members", "paid"),
    [
        pytest.param("length_linear(b=0.2,max_tokens=100)", [(True, 10), (False, 50), (True, 400)], [0.98, -0.1, 0.8],
                     id="linear: a tenth, a half and more than the budget"),
        pytest.param("length_soft(max_tokens=100,cache=0.2)", [(True, 80), (False, 90), (True, 100), (True, 101)],
                     [0, -0.5, -1, -1], id="soft: free, half way, at the limit, beyond"),
        pytest.param("length_cosine(max_tokens=100)", [(True, 0), (True, 50), (True, 100), (True, 900)],
                     [1, 0.75, 0.5, 0.5], id="cosine: right earns less the longer"),
        pytest.param("length_cosine(max_tokens=100)", [(False, 0), (False, 50), (False, 99), (False, 100)],
                     [-1, -0.75, -0.50012, -1], id="cosine: wrong loses less the longer, up to the limit"),
        pytest.param("length_lcpo(target=500,alpha=0.001)", [(True, 400), (True, 500), (True, 600), (False, 1)],
                     [0.6, 0.5, 0.4, 0], id="lcpo max: around the target"),
        pytest.param("length_lcpo(target=500,alpha=0.01)", [(True, 1), (True, 900)], [1, 0.1], id="lcpo max: clipped"),
        pytest.param("length_lcpo(target=500,alpha=0.01,floor=0)", [(True, 900)], [0], id="lcpo max: paper's floor"),
        pytest.param('length_lcpo(target=500,mode="exact")', [(True, 400), (False, 500), (False, 600)],
                     [0.97, 0, -0.03], id="lcpo exact: a wrong answer is paid for its length"),
        pytest.param("length_group", [(True, 10), (True, 20), (True, 30), (False, 10), (False, 30)],
                     [0.5, 0, -0.5, 0, -0.5], id="group: wrong and short earns nothing"),
        pytest.param("length_group", [(True, 10), (False, 10)], [0, 0], id="group: equal lengths say nothing"),
        pytest.param("length_lead(alpha=0.5)", [(True, 10), (True, 30), (False, 5)],
                     [math.exp(0.5), math.exp(-0.5), -1], id="lead: one deviation, and wrong ones do not count"),
        pytest.param("length_lead", [(True, 10), (False, 500)], [1, -1], id="lead: alone"),
        pytest.param("length_lead", [(True, 7), (True, 7)], [1, 1], id="lead: equal lengths"),
        pytest.param("length_uncapped", [(True, 101), (False, 0)], [-0.01, 0], id="uncapped: silence beats work"),
    ],
)  # fmt: skip
def test_formulas(spec: str, members: list[tuple[bool, int]], paid: list[float]) -> None:
    assert group(rewards.parse(spec), *members) == pytest.approx(paid, abs=1e-4)


def test_groups_are_equal_prompts_wherever_they_stand() -> None:
    call: dict[str, Any] = {"completions": [RIGHT] * 4, "answer": ["18"] * 4}
    call["completion_ids"] = [[0] * n for n in (10, 100, 20, 300)]
    scores = rewards.get("length_group")(prompts=["a", "b", "a", "b"], **call)
    assert scores == [0.5, 0.5, -0.5, -0.5]
    apart = [[{"role": "user", "content": prompt}] for prompt in ("a", "b", "a", "b")]
    assert rewards.get("length_group")(prompts=apart, **call) == scores


@pytest.mark.parametrize(
    ("spec", "ids", "text", "paid"),
    [
        pytest.param("repetition(n=2)", [1, 2, 3, 4], "", 0.0, id="nothing twice"),
        pytest.param("repetition(n=2)", [5, 5, 5, 5, 5], "", -0.75, id="one bigram four times"),
        pytest.param("repetition", [5] * 5, "", 0.0, id="shorter than n"),
        pytest.param("repetition", [1, 2, 3, 4, 5, 6] * 2, "", -1 / 7, id="six tokens twice"),
        pytest.param('repetition(n=1,unit="word")', [], "a b  a\nb", -0.5, id="words"),
    ],
)
def test_repetition(spec: str, ids: list[int], text: str, paid: float) -> None:
    scores = rewards.parse(spec)(prompts=["q"], completions=[text], completion_ids=[ids])
    assert scores == [pytest.approx(paid)]


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("length_linear(b=0.3)", r"b must be in \[0, 0.25\]"),
        ("length_linear(max_tokens=0)", "the completion limit"),
        ("length_soft(cache=0)", "the share of max_tokens"),
        ("length_soft(max_tokens=2000000000)", "from 1 to"),
        ("length_cosine(wrong_long=0.6)", "right .* must be above wrong"),
        ("length_cosine(exceed=0.5)", "right .* must be above wrong"),
        ('length_lcpo(mode="min")', "max"),
        ("length_lcpo(floor=2)", "in \\[0, 1\\]"),
        ("length_lcpo(alpha=-1)", "at least 0"),
        ("length_lead(alpha=-0.1)", "alpha must be"),
        ("length_uncapped(b=-1)", "at least 0"),
        ("step_sum(step=-1)", "at least 0"),
        ("repetition(n=0)", "at least 1"),
        ('repetition(unit="line")', "word"),
    ],
    ids=lambda value: value if "(" in value and "=" in value else None,
)
def test_parameters_outside_the_formula_are_refused(spec: str, says: str) -> None:
    with pytest.raises(RewardError, match=says):
        rewards.parse(spec)


ENDS = ("wrong_short", "exceed", "wrong_long", "right_long", "right_short")
ORDERED = st.lists(st.floats(-9, 9), min_size=5, max_size=5, unique=True).map(sorted)
LAWFUL = st.one_of(
    st.builds(lambda b, n: rewards.get("length_linear", b=b, max_tokens=n), st.floats(0, 0.25), st.integers(1, 4096)),
    st.builds(
        lambda n, v: rewards.get("length_cosine", max_tokens=n, **dict(zip(ENDS, v, strict=True))),
        st.integers(1, 4096), ORDERED,
    ),
    st.builds(
        lambda t, a, d, f: rewards.get("length_lcpo", target=t, alpha=a, delta=d, floor=f),
        st.integers(1, 4096), st.floats(0, 1), st.floats(0, 1), st.floats(0.01, 1),
    ),
    st.builds(lambda a: rewards.get("length_lead", alpha=a), st.floats(0, 1)),
    st.builds(
        lambda n, c: rewards.parse(f"sparse+0.25*length_soft(max_tokens={n},cache={c!r})"),
        st.integers(1, 4096), st.floats(0.01, 1),
    ),
)  # fmt: skip


@given(
    reward=LAWFUL, rights=st.lists(st.integers(0, 5000), min_size=1), wrongs=st.lists(st.integers(0, 5000), min_size=1)
)
@settings(deadline=None)
def test_right_beats_wrong_with_any_lawful_parameters(reward: Reward, rights: list[int], wrongs: list[int]) -> None:
    scores = group(reward, *((True, n) for n in rights[:9]), *((False, n) for n in wrongs[:9]))
    low, high = reward.bounds
    assert all(low - 1e-9 <= score <= high + 1e-9 for score in scores)
    assert min(scores[: len(rights[:9])]) > max(scores[len(rights[:9]) :])


def test_agrees_with_trl_where_trl_has_the_formula() -> None:
    """TRL's cosine keeps paying a wrong answer of the full length `wrong_long`: ours gives `exceed` there."""
    trl = pytest.importorskip("trl.rewards")
    lengths = [0, 1, 79, 80, 81, 99, 100, 101, 400]
    ids = [[n % 5 for n in range(length)] for length in lengths]
    call: dict[str, Any] = {"prompts": ["q"] * len(ids), "completions": [RIGHT] * len(ids), "completion_ids": ids}
    soft = trl.get_soft_overlong_punishment(max_completion_len=100, soft_punish_cache=20)
    assert rewards.parse("length_soft(max_tokens=100)")(**call) == pytest.approx(soft(completion_ids=ids))
    grams = trl.get_repetition_penalty_reward(ngram_size=6, max_penalty=-1.0)
    assert rewards.parse("repetition")(**call) == pytest.approx(grams(completion_ids=ids))
    cosine = trl.get_cosine_scaled_reward(max_len=100)
    for solution, text in (("\\boxed{18}", "\\boxed{18}"), ("\\boxed{19}", "\\boxed{18}")):
        ours = rewards.parse("length_cosine(max_tokens=100,exceed=-0.5)")(
            **{**call, "completions": [text] * len(ids)}, answer=[solution[7:-1]] * len(ids)
        )
        messages = [[{"role": "assistant", "content": text}]] * len(ids)
        theirs = cosine(completions=messages, solution=[solution] * len(ids), completion_ids=ids)
        assert ours == pytest.approx(theirs)
