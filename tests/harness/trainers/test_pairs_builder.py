"""The pair builder: laws that hold for any rollouts, and each policy on a question made for it."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evals.items import ItemsError
from harness.trainers.pairs import (
    NoPairs,
    Pair,
    UnreadableReward,
    build,
    read_pairs,
    read_rollouts,
    write_pairs,
)
from harness.trainers.pairs.rollouts import rollouts_of
from harness.training import PairsConfig
from rewards import RewardError

QUESTION = "Anna buys 3 pens at $2 each and a book for $12. How many dollars does she pay?"
RIGHT = "<think>3*2=6, 6+12=18</think>\n#### 18"


def row(sample: int, text: str = RIGHT, correct: bool | None = True, tokens: int = 10, **more: Any) -> dict[str, Any]:
    answer = text.rpartition("#### ")[2].strip(" .") if "#### " in text else None
    return {
        "id": "q1",
        "question": QUESTION,
        "gold": "18",
        "completion": text,
        "correct": correct,
        "status": {True: "correct", False: "wrong", None: "timeout"}[correct],
        "answer": answer,
        "tokens": tokens,
        "finish_reason": "stop",
        "sample": sample,
        "seed": sample,
    } | more


def wrong(sample: int, text: str, tokens: int = 10, **more: Any) -> dict[str, Any]:
    return row(sample, text, correct=False, tokens=tokens, **more)


def built(rows: list[dict[str, Any]], seed: int = 0, **config: Any) -> tuple[tuple[Pair, ...], dict[str, Any]]:
    found = build(rollouts_of([(one, "abc") for one in rows]), PairsConfig(**config), "bare", seed)
    return found.pairs, found.report


@st.composite
def evaluations(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Up to four questions of up to six completions, right, wrong, cut off or unscorable."""
    rows = []
    for question in range(draw(st.integers(1, 4))):
        for sample in range(draw(st.integers(1, 6))):
            correct = draw(st.sampled_from([True, False, None]))
            answer = "18" if correct else str(draw(st.integers(19, 22)))
            text = f"{draw(st.sampled_from(['3*2=6', '6+12=18', 'so']))} {sample % 4}\n#### {answer}"
            reason = draw(st.sampled_from(["stop", "length"]))
            tokens = draw(st.integers(1, 40))
            rows.append(row(sample, text, correct, tokens, id=f"q{question}", finish_reason=reason))
    return rows


CONFIGS = st.builds(
    PairsConfig,
    policy=st.sampled_from(["random", "best_worst", "best_mu2sigma", "hard"]),
    length_ratio=st.sampled_from([0.0, 1.0, 1.5, 4.0]),
    per_prompt=st.integers(1, 3),
    reward=st.sampled_from(["sparse", "process", "sparse+0.2*length_soft(max_tokens=40)"]),
)


@settings(deadline=None, max_examples=60)
@given(evaluations(), CONFIGS, st.randoms(use_true_random=False), st.integers(0, 3))
def test_laws(rows: list[dict[str, Any]], config: PairsConfig, order: Any, seed: int) -> None:
    try:
        found = build(rollouts_of([(one, None) for one in rows]), config, "bare", seed)
    except NoPairs:
        found = None
    shuffled = [*rows]
    order.shuffle(shuffled)
    if found is None:
        with pytest.raises(NoPairs):
            build(rollouts_of([(one, None) for one in shuffled]), config, "bare", seed)
        return
    assert build(rollouts_of([(one, None) for one in shuffled]), config, "bare", seed) == found
    grades = {(one["id"], one["completion"]): one["correct"] for one in rows}
    usable = {(one["id"], one["completion"]) for one in rows if one["correct"] is not None}
    for pair in found.pairs:
        assert grades[pair.id, pair.chosen.completion] is True
        assert not pair.chosen.truncated
        assert {(pair.id, side.completion) for side in (pair.chosen, pair.rejected)} <= usable
        assert pair.chosen.completion != pair.rejected.completion
        if config.length_ratio:
            assert 1 / config.length_ratio - 1e-9 <= pair.ratio <= config.length_ratio + 1e-9
        if config.policy in ("random", "hard"):
            assert not pair.both_right
        else:
            assert pair.chosen.reward > pair.rejected.reward
    for name in {pair.id for pair in found.pairs}:
        mine = [pair for pair in found.pairs if pair.id == name]
        assert len(mine) <= config.per_prompt
        assert len({(pair.chosen.answer, pair.rejected.answer) for pair in mine}) == len(mine)


def test_laws_are_not_vacuous() -> None:
    pairs, _ = built([row(0), wrong(1, "#### 19"), wrong(2, "#### 20")])
    assert len(pairs) == 2


def test_the_best_is_paired_with_the_worst() -> None:
    rows = [row(0, tokens=30), row(1, f"{RIGHT} ", tokens=5), wrong(2, "3*2=6, 6+2=8\n#### 8"), wrong(3, "#### 20")]
    (pair,), report = built(rows, policy="best_worst", reward="process+0.1*length_soft(max_tokens=30)")
    assert (pair.chosen.sample, pair.rejected.sample) == (1, 3)
    assert pair.chosen.components["answer"] == 1.0
    assert report["both_right"] == 0


def test_best_and_worst_may_both_be_right_and_are_then_counted() -> None:
    rows = [row(0), row(1, "#### 18"), row(2, f"{RIGHT}.")]
    (pair,), report = built(rows, policy="best_worst", reward="process")
    assert pair.rejected.sample == 1
    assert pair.both_right
    assert report["both_right"] == 1


def test_mu_2sigma_is_not_the_worst_of_many() -> None:
    """Rewards 0.9975 sixteen times, -0.01 and -0.25: mean - 2 standard deviations is about 0.2."""
    rows = [row(n, f"{n}\n#### 18", tokens=1) for n in range(16)]
    rows += [wrong(16, "#### 19", tokens=4), wrong(17, "#### 20", tokens=100)]
    rejected = {
        policy: built(rows, policy=policy, reward="length_linear(max_tokens=100)")[0][0].rejected.sample
        for policy in ("best_worst", "best_mu2sigma")
    }
    assert rejected == {"best_worst": 17, "best_mu2sigma": 16}


def test_hard_negatives_come_by_their_valid_prefix() -> None:
    rows = [
        row(0),
        wrong(1, "<think>3*2=7</think>\n#### 19"),
        wrong(2, "<think>3*2=6, 6+12=20</think>\n#### 20"),
        wrong(3, "<think>3*2=6, 6+2=8</think>\n#### 8"),
    ]
    pairs, _ = built(rows, policy="hard")
    assert [pair.rejected.sample for pair in pairs] == [3, 2]


def test_hard_negatives_go_by_log_probability_where_all_have_one() -> None:
    rows = [row(0), wrong(1, "#### 19", logprob=-30.0), wrong(2, "#### 20", logprob=-3.0)]
    pairs, _ = built(rows, policy="hard")
    assert [pair.rejected.sample for pair in pairs] == [2, 1]


def test_the_length_ratio_takes_the_next_best_candidate_and_is_reported() -> None:
    rows = [row(0, tokens=10), wrong(1, "#### 19", tokens=100), wrong(2, "#### 20", tokens=12)]
    pairs, report = built(rows, length_ratio=1.5)
    assert [pair.rejected.sample for pair in pairs] == [2]
    assert report["before_length_control"] == {
        "pairs": 2,
        "chosen_tokens": 10,
        "rejected_tokens": 56,
        "ratio": pytest.approx((0.1 * 10 / 12) ** 0.5, abs=1e-4),
    }
    assert report["after_length_control"]["ratio"] == pytest.approx(10 / 12, abs=1e-4)


def test_one_pair_for_each_pair_of_answers() -> None:
    rows = [row(0), row(1, "#### 18"), wrong(2, "a\n#### 19"), wrong(3, "b\n#### 19"), wrong(4, "c\n#### 20")]
    pairs, _ = built(rows)
    assert sorted(pair.rejected.answer or "" for pair in pairs) == ["19", "20"]


def test_seeds_draw_other_pairs() -> None:
    rows = [row(0), *(wrong(n, f"#### {19 + n}") for n in range(1, 20))]
    drawn = {tuple(pair.rejected.sample for pair in built(rows, seed=seed, per_prompt=2)[0]) for seed in range(5)}
    assert len(drawn) > 1


def test_unusable_rollouts_are_counted_by_reason_and_never_used() -> None:
    rows = [
        row(0),
        wrong(1, "#### 19"),
        row(2, "x", correct=None),
        row(3, "y", correct=None, status="unparseable_gold"),
        row(4, "z", correct=False, status="error"),
        row(5),
        row(6, "#### 18", tokens=0),
    ]
    pairs, report = built(rows)
    assert [(pair.chosen.sample, pair.rejected.sample) for pair in pairs] == [(0, 1)]
    assert report["left_out"] == {
        "no token count": 1,
        "same text": 1,
        "unscorable: error": 1,
        "unscorable: timeout": 1,
        "unscorable: unparseable_gold": 1,
    }
    assert report["rollouts"] == 7


@pytest.mark.parametrize(
    ("rows", "config", "says"),
    [
        ([], {}, "no pairs from 0 rollouts of 0 questions: none were given"),
        ([row(0)], {}, "1 no wrong answer"),
        ([wrong(0, "#### 19")], {}, "1 no right answer"),
        ([row(0, finish_reason="length"), wrong(1, "#### 19")], {}, "1 right answers all cut off"),
        ([row(0), row(1, "#### 18")], {"policy": "best_worst"}, "1 no lower reward"),
        ([row(0), wrong(1, "#### 19")], {"policy": "hard"}, "1 no wrong answer with a valid step"),
        (
            [row(0, tokens=5), wrong(1, "#### 19", tokens=50)],
            {"length_ratio": 2.0},
            "1 length ratio; sample more completions of every question at a higher temperature, or raise",
        ),
        ([row(0, correct=None), wrong(1, "#### 19")], {}, "1 unscorable: timeout, 1 no right answer"),
    ],
    ids=["nothing", "all right", "all wrong", "cut off", "equal rewards", "nothing hard", "ratio", "unscorable"],
)
def test_the_refusal_counts_the_reasons(rows: list[dict[str, Any]], config: dict[str, Any], says: str) -> None:
    with pytest.raises(NoPairs, match=says):
        built(rows, **config)


def test_a_ratio_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match=r"length_ratio 0\.5 would keep no pair"):
        PairsConfig(length_ratio=0.5)


def test_rewards_that_read_token_ids_are_refused() -> None:
    with pytest.raises(UnreadableReward, match='unit="word"'):
        built([row(0), wrong(1, "#### 19")], reward="sparse+0.25*repetition")
    assert built([row(0), wrong(1, "#### 19")], reward='sparse+0.25*repetition(unit="word")')[0]


def test_unknown_rewards_are_refused() -> None:
    with pytest.raises(RewardError, match="spars"):
        built([row(0)], reward="spars")


def write(folder: Path, rows: list[dict[str, Any]], request: str | None = None) -> Path:
    folder.mkdir()
    (folder / "items.jsonl").write_text("".join(json.dumps(one) + "\n" for one in rows))
    if request is not None:
        (folder / "eval.json").write_text(request)
    return folder


def test_evaluations_join_and_keep_their_generators(tmp_path: Path) -> None:
    asked = json.dumps({"model": {"fingerprint": "f1"}, "prompt": {"style": "think"}})
    first = write(tmp_path / "a", [row(0)], asked)
    second = write(tmp_path / "b", [wrong(0, "#### 19")])
    found = read_rollouts([first, second / "items.jsonl"])
    assert found.styles == ("think",)
    (pair,) = build(found, PairsConfig(), "think", 0).pairs
    assert (pair.chosen.generator, pair.rejected.generator) == ("f1", None)
    assert pair.prompt[0]["role"] == "system"


def test_pairs_come_back_from_their_file(tmp_path: Path) -> None:
    pairs, _ = built([row(0), wrong(1, "caf\u00e9\u2028 \ud800\n#### 19", finish_reason="length")])
    write_pairs(tmp_path / "pairs.jsonl", pairs)
    assert tuple(read_pairs(tmp_path / "pairs.jsonl")) == pairs
    assert json.loads((tmp_path / "pairs.jsonl").read_text())["ratio"] == 1.0


def test_rows_without_texts_are_refused() -> None:
    with pytest.raises(ItemsError, match="q1: no texts"):
        rollouts_of([(row(0) | {"completion": None}, None)])


def test_a_torn_eval_json_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ItemsError, match=r"eval\.json: cannot be read as JSON"):
        read_rollouts([write(tmp_path / "a", [row(0)], "{")])


def test_rewards_that_cannot_score_leave_their_rollouts_out() -> None:
    pairs, report = built([row(0), wrong(1, "#### 19"), row(2, gold="none", id="q2"), wrong(3, "a", id="q3", gold="?")])
    assert len(pairs) == 1
    assert report["left_out"] == {"unscorable by the reward": 2}
