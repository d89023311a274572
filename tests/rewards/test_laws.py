"""The laws that every registered reward keeps, whatever a model writes."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rewards
from rewards import Reward

# `prm` judges by a model, which keeps no law.
NAMES = sorted({*rewards.names()} - {"prm"})
QUESTION = "Janet has 16 eggs, eats three, bakes with 4 and sells the rest at $2."
RIGHT = "<think>16-3-4=9, 9*2=18</think>\n#### 18"
WRONG = "<think>16-3-4=9, 9*2=20</think>\n#### 20"
GOLDS = ["18", "-3/4", "no number", "#### 1,018", ""]


@dataclass(frozen=True)
class Sample:
    """One completion: which problem it answers, its text and its length in tokens."""

    problem: int
    text: str
    tokens: int


def score(reward: Reward, samples: Sequence[Sample]) -> list[float | None]:
    return reward(
        prompts=[f"{QUESTION} ({sample.problem})" for sample in samples],
        completions=[sample.text for sample in samples],
        completion_ids=[[n % 7 for n in range(sample.tokens)] for sample in samples],
        answer=[GOLDS[sample.problem] for sample in samples],
    )


# All of unicode, lone surrogates too, and what the readers look for in any order.
PIECES = [
    RIGHT, WRONG, "#### 18", "#### ", "\\boxed{18}", "\\boxed{", "<think>", "</think>", "<answer>18</answer>",
    "<<16-3=13>>", "<<1/0=1>>", "16-3=13", "13 + 4 = 17", "2*1=2", "the answer is 18", " or ", "17",
    "\u0661\u0668", "<|im_end|>", "9**9**9",
]  # fmt: skip
TEXT = st.one_of(
    st.text(st.characters(exclude_categories=())),
    st.lists(st.sampled_from(PIECES), max_size=6).map("".join),
)
SAMPLES = st.lists(st.builds(Sample, st.integers(0, 4), TEXT, st.integers(0, 900)), min_size=1, max_size=7)


@pytest.mark.parametrize("name", NAMES)
@given(samples=SAMPLES, shuffler=st.randoms())
@settings(max_examples=60, deadline=None)
def test_laws(name: str, samples: list[Sample], shuffler: random.Random) -> None:
    """Bounded, deterministic, blind to the order of the batch; None for a whole group or for none of it."""
    reward = rewards.get(name)
    scores = score(reward, samples)
    low, high = reward.bounds
    assert all(one is None or (math.isfinite(one) and low <= one <= high) for one in scores)
    assert scores == score(rewards.parse(reward.spec), samples)
    for problem in {sample.problem for sample in samples}:
        group = [one is None for sample, one in zip(samples, scores, strict=True) if sample.problem == problem]
        assert all(group) or not any(group)
    order = list(range(len(samples)))
    shuffler.shuffle(order)
    assert score(reward, [samples[i] for i in order]) == pytest.approx([scores[i] for i in order], nan_ok=False)


@pytest.mark.parametrize("name", NAMES)
def test_declares_what_it_is(name: str) -> None:
    reward = rewards.get(name)
    assert reward.kind not in ("own", "sum")
    assert reward.kind == "control" or all(map(math.isfinite, reward.bounds))
    if reward.recommended:
        advised = rewards.parse(reward.recommended)
        assert all(map(math.isfinite, advised.bounds))


@pytest.mark.parametrize("name", NAMES)
def test_an_unreadable_gold_is_none_for_the_group_of_whatever_reads_it(name: str) -> None:
    blind = {"random", "format", "format_only", "length_soft", "repetition"}
    scores = score(rewards.get(name), [Sample(2, RIGHT, 9), Sample(2, "", 0), Sample(0, RIGHT, 9)])
    assert [one is None for one in scores] == [name not in blind] * 2 + [False]


@pytest.mark.parametrize("name", [name for name in NAMES if rewards.family(name).kind in ("length", "repetition")])
@given(group=st.lists(st.tuples(st.booleans(), st.integers(0, 5000)), min_size=2, max_size=10))
@settings(deadline=None)
def test_right_beats_wrong_at_every_length(name: str, group: list[tuple[bool, int]]) -> None:
    advised = rewards.parse(rewards.family(name).recommended or name)
    scores = score(advised, [Sample(0, RIGHT if right else WRONG, tokens) for right, tokens in group])
    rights = [one for (right, _), one in zip(group, scores, strict=True) if right and one is not None]
    wrongs = [one for (right, _), one in zip(group, scores, strict=True) if not right and one is not None]
    assert len(rights) + len(wrongs) == len(group)
    assert not rights or not wrongs or min(rights) > max(wrongs)


@pytest.mark.parametrize("name", ["length_uncapped", 'length_lcpo(mode="exact",alpha=0.01)'])
def test_the_law_can_fail(name: str) -> None:
    long_right, short_wrong = score(rewards.parse(name), [Sample(0, RIGHT, 800), Sample(0, WRONG, 500)])
    assert long_right is not None and short_wrong is not None and long_right < short_wrong


VAST = {
    "digits": "9" * 50_000,
    "numbers": "12 " * 16_000,
    "sum": "1+" * 25_000 + "1=1",
    "equations": "".join(f"{n}+1={n + 1}\n" for n in range(4_500)),
    "annotations": "".join(f"<<16-{n}={16 - n}>>" for n in range(3_500)),
    "brackets": "(" * 50_000,
    "braces": "\\boxed{" * 7_000,
    "markers": "#### " * 10_000,
    "open thinking": "<think>" * 7_000,
    "tags": "<answer>" * 6_000,
    "equals": "=1" * 25_000,
    "spaces": " " * 50_000,
    "words": "the answer is " * 3_500,
    "emoji": "\U0001f9ee" * 50_000,
    "surrogates": "\ud800" * 50_000,
    "nulls": "\0" * 50_000,
}


@pytest.mark.parametrize("text", VAST.values(), ids=VAST.keys())
def test_never_raises_and_never_hangs_on_fifty_thousand_characters(text: str) -> None:
    for name in NAMES:
        # Of this process alone: a busy machine is no slow reward.
        began = time.process_time()
        (one,) = score(rewards.get(name), [Sample(0, text, 4096)])
        assert one is not None and time.process_time() - began < 3, name


def test_chat_messages_are_read() -> None:
    call: dict[str, Any] = {"prompts": [[{"role": "user", "content": QUESTION}]] * 2, "answer": ["18"] * 2}
    call["completions"] = [[{"role": "assistant", "content": text}] for text in (RIGHT, WRONG)]
    call["completion_ids"] = [[1] * 20, [1] * 10]
    for name in NAMES:
        plain = {**call, "prompts": [QUESTION] * 2, "completions": [RIGHT, WRONG]}
        if name != "random":
            assert rewards.get(name)(**call) == rewards.get(name)(**plain), name
