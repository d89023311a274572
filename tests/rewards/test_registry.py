"""Names, parameters, specs and composites."""

from __future__ import annotations

import pickle
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import rewards
from rewards import BadSpec, Composite, Reward, RewardError, Term, UnknownReward
from rewards.reward import Components

GOOD = "<think>2*9=18</think>\n#### 18"
CALL: dict[str, Any] = {
    "prompts": ["2 eggs at $9?"] * 2,
    "completions": [GOOD, [{"role": "assistant", "content": "The answer is 20"}]],
    "completion_ids": [[1] * 10, [1] * 100],
    "answer": ["18", "18"],
    "trainer_state": object(),
    "log_metric": print,
    "log_extra": print,
}


# `prm` cannot be built without a model: test_learned.py holds it to the same.
NAMES = sorted({*rewards.names()} - {"prm"})


@pytest.mark.parametrize("name", NAMES)
def test_contract(name: str) -> None:
    reward = rewards.get(name)
    scores = reward(**CALL)
    parts = reward.components(**CALL)
    assert len(scores) == 2 and reward.__name__ == name == str(reward)
    assert list(parts) == list(reward.weights) and reward.total(parts) == scores
    assert pickle.loads(pickle.dumps(reward)) == reward
    assert rewards.family(name).__doc__


def test_unknown_name_lists_neighbours() -> None:
    with pytest.raises(UnknownReward, match=r"format_answer.*`harness rewards` lists all") as caught:
        rewards.get("formt_answer")
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        pytest.param("sparse(strikt=true)", "it takes strict", id="unknown-parameter"),
        pytest.param("sparse(strict=1)", "strict is bool, not int", id="wrong-type"),
        pytest.param("length_linear(b=0.3)", r"b must be in \[0, 0.25\]", id="law-of-length"),
        pytest.param("length_linear(max_tokens=0)", "completion limit", id="no-budget"),
        pytest.param("format_answer(answer=-1)", "at least 0", id="pays-for-wrong"),
        pytest.param("process(answer=-1)", "at least 0", id="process-pays-for-wrong"),
    ],
)
def test_bad_parameters(spec: str, says: str) -> None:
    with pytest.raises(RewardError, match=says):
        rewards.parse(spec)


@pytest.mark.parametrize(
    ("spec", "place", "says"),
    [
        pytest.param("", 0, "a reward's name", id="empty"),
        pytest.param("sparse+", 7, "a reward's name", id="dangling-plus"),
        pytest.param("0.5sparse", 3, "write weight", id="missing-star"),
        pytest.param("sparse random", 7, "join terms", id="missing-plus"),
        pytest.param("sparse(strict)", 13, "give it a value", id="missing-value"),
        pytest.param("sparse(strict=yes)", 14, "a value is", id="unquoted"),
        pytest.param("sparse(strict=true", 18, "close with", id="open-bracket"),
        pytest.param("random(seed=1,seed=2)", 14, "once", id="given-twice"),
        pytest.param("sparse;rm", 6, "only", id="foreign-character"),
        pytest.param("sparse+-0.5*format", 7, "a reward's name", id="two-signs"),
        pytest.param("2*3*sparse", 2, "a reward's name", id="two-weights"),
        pytest.param("random(seed=--1)", 13, "a value is", id="two-minus"),
        pytest.param("random(seed=-true)", 13, "a value is", id="minus-true"),
        pytest.param("length_soft(max_tokens=" + "9" * 5000 + ")", 23, "300 digits", id="endless-number"),
    ],
)
def test_bad_spec_points_at_the_place(spec: str, place: int, says: str) -> None:
    with pytest.raises(BadSpec, match=says) as caught:
        rewards.parse(spec)
    assert caught.value.position == place
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        pytest.param("a(b=1,c=2),d", ["a(b=1,c=2)", "d"], id="nested"),
        pytest.param("sparse", ["sparse"], id="one"),
        pytest.param('a(b="x,)y") , c', ['a(b="x,)y")', "c"], id="comma-in-a-string"),
    ],
)
def test_split(text: str, pieces: list[str]) -> None:
    assert rewards.split(text) == pieces


@pytest.mark.parametrize("text", ["a,", ",a", "a(b", "a)b", ""])
def test_split_refuses(text: str) -> None:
    with pytest.raises(BadSpec):
        rewards.split(text)


def test_single_term_is_the_reward_itself() -> None:
    assert rewards.parse("sparse") == rewards.parse("1*sparse") == rewards.get("sparse")
    assert isinstance(rewards.parse("0.5*sparse"), Composite)


SPARSE, FORMAT = rewards.get("sparse"), rewards.get("format")


@pytest.mark.parametrize(
    ("text", "same"),
    [
        pytest.param("sparse - format", Composite((Term(1, SPARSE), Term(-1, FORMAT))), id="negative weight"),
        pytest.param("-0.5*format", Composite((Term(-0.5, FORMAT),)), id="negative alone"),
        pytest.param("1e-1*sparse", Composite((Term(0.1, SPARSE),)), id="exponent"),
        pytest.param("0*sparse", Composite((Term(0, SPARSE),)), id="metric alone"),
        pytest.param("sparse(strict=False)", rewards.get("sparse", strict=False), id="boolean"),
        pytest.param("length_lcpo(mode='exact')", rewards.get("length_lcpo", mode="exact"), id="text"),
        pytest.param("length_cosine(wrong_short=-2)", rewards.get("length_cosine", wrong_short=-2.0), id="negative"),
    ],
)
def test_parse(text: str, same: Reward) -> None:
    assert rewards.parse(text) == same == rewards.parse(same.spec)


def test_a_list_of_specs_is_split_and_read() -> None:
    listed = 'format_answer(format=0.1,answer=0.9),sparse-0.1*length_lcpo(mode="max",target=9),0*format'
    assert [rewards.parse(piece).spec for piece in rewards.split(listed)] == [
        "format_answer(format=0.1,answer=0.9)", "sparse-0.1*length_lcpo(target=9)", "0*format",
    ]  # fmt: skip


def test_bounds_of_a_sum() -> None:
    assert rewards.parse("sparse+0.25*length_soft-0.5*format+0*length_uncapped").bounds == (-0.75, 1.0)


def test_canonical_spelling() -> None:
    spec = rewards.parse(" format_answer( format = .2, gated=True ) - 0.10*random + 0*format").spec
    assert spec == "format_answer(gated=true)-0.1*random+0*format"


def test_components_have_unique_names() -> None:
    reward = rewards.parse("format_answer+0.5*process+sparse+2*sparse(strict=false)")
    assert list(reward.weights) == [
        "format", "format_answer.answer", "process", "process.answer", "sparse", "sparse#2",
    ]  # fmt: skip
    assert reward.components(**CALL).keys() == reward.weights.keys()
    assert reward(**CALL)[0] == pytest.approx(1 + 0.5 + 1 + 2)


def test_weight_zero_is_a_metric() -> None:
    call = CALL | {"answer": ["no number", "no number"]}
    assert rewards.parse("format+0*sparse")(**call) == [1.0, 0.0]
    assert rewards.parse("format+0.1*sparse")(**call) == [None, None]


@pytest.mark.parametrize("terms", [(), (Term(float("nan"), rewards.get("sparse")),)])
def test_composite_refuses(terms: tuple[Term, ...]) -> None:
    with pytest.raises(RewardError):
        Composite(terms)


def terms() -> st.SearchStrategy[Term]:
    plain = st.sampled_from(NAMES).map(rewards.get)
    length = st.builds(
        lambda b, n: rewards.get("length_linear", b=b, max_tokens=n), st.floats(0, 0.25), st.integers(1, 9999)
    )
    weight = st.floats(allow_nan=False, allow_infinity=False)
    return st.builds(Term, weight, st.one_of(plain, length))


@given(st.lists(terms(), min_size=2, max_size=5))
def test_spec_round_trip(summands: list[Term]) -> None:
    reward = Composite(tuple(summands))
    assert rewards.parse(str(reward)) == reward
    assert pickle.loads(pickle.dumps(reward)) == reward


@given(st.text())
def test_parse_raises_nothing_else(text: str) -> None:
    with suppress(RewardError):
        rewards.parse(text)


def test_register_refuses() -> None:
    with pytest.raises(RewardError, match="frozen dataclass"):
        rewards.register("plain")(int)  # type: ignore[type-var]

    @dataclass(frozen=True)
    class Rival(Reward):
        def score(self, batch: object) -> Components:
            return {}

    with pytest.raises(RewardError, match="two rewards are named"):
        rewards.register("sparse")(Rival)
    with pytest.raises(RewardError, match="cannot name"):
        rewards.register("my reward")(Rival)


def test_missing_columns_are_named() -> None:
    with pytest.raises(RewardError, match="`answer` column"):
        rewards.get("sparse")(prompts=["q"], completions=["a"])
    with pytest.raises(RewardError, match="completion_ids"):
        rewards.get("length_linear")(prompts=["q"], completions=["a"], answer=["1"])


def test_import_is_cheap() -> None:
    heavy = ["torch", "transformers", "numpy", "sympy", "pandas", "scipy"]
    code = f"import sys, rewards, evals; rewards.names(); assert not set(sys.modules) & set({heavy})"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=rewards.__path__[0] + "/..")
