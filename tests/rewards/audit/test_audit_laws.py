"""Each law is broken by a reward made for it, for that reason, and kept by the outcome reward."""

import itertools
import math
import re
from collections.abc import Callable, Sequence
from typing import Any

import pytest

import rewards
from rewards.audit.arena import set_up
from rewards.audit.bench import Bench
from rewards.audit.items import builtin
from rewards.audit.laws import LAWS, hold
from rewards.audit.verdict import Finding

COUNTER = itertools.count()


def correct(texts: Sequence[str], golds: Sequence[str]) -> list[float]:
    return [float(rewards.verify(text, gold).correct) for text, gold in zip(texts, golds, strict=True)]


def inverted(completions: Sequence[str], answer: Sequence[str], **columns: Any) -> list[float]:
    return [1 - score for score in correct(completions, answer)]


def fined_by_length(
    completions: Sequence[str], answer: Sequence[str], completion_ids: Sequence[Sequence[int]], **columns: Any
) -> list[float]:
    # So gentle that only a text of many thousand tokens shows it.
    return [s - len(ids) / 5_000 for s, ids in zip(correct(completions, answer), completion_ids, strict=True)]


def counts_equations(completions: Sequence[str], answer: Sequence[str], **columns: Any) -> list[float]:
    return [s + text.count("=") / 1000 for s, text in zip(correct(completions, answer), completions, strict=True)]


def counts_true_equations(completions: Sequence[str], answer: Sequence[str], **columns: Any) -> list[float]:
    found = [re.findall(r"(\d+) \+ (\d+) = (\d+)", text) for text in completions]
    true = [sum(int(a) + int(b) == int(c) for a, b, c in one) for one in found]
    return [s + min(t, 99) / 100 for s, t in zip(correct(completions, answer), true, strict=True)]


def never_the_same(completions: Sequence[str], answer: Sequence[str], **columns: Any) -> list[float]:
    return [score + 1e-6 * next(COUNTER) for score in correct(completions, answer)]


def by_place(completions: Sequence[str], answer: Sequence[str], **columns: Any) -> list[float]:
    return [score + 1e-3 * place for place, score in enumerate(correct(completions, answer))]


def by_batch(completions: Sequence[str], answer: Sequence[str], **columns: Any) -> list[float]:
    longest = max(map(len, completions))
    return [s - len(text) / longest / 10 for s, text in zip(correct(completions, answer), completions, strict=True)]


def none_for_some(completions: Sequence[str], answer: Sequence[str], **columns: Any) -> list[float | None]:
    scores = correct(completions, answer)
    return [score if text else None for score, text in zip(scores, completions, strict=True)]


def none_where_unreadable(completions: Sequence[str], answer: Sequence[str], **columns: Any) -> list[float | None]:
    return [
        None if verdict.status == "unparseable_gold" and len(text) > 30 else float(verdict.correct)
        for text, verdict in ((t, rewards.verify(t, g)) for t, g in zip(completions, answer, strict=True))
    ]


def not_a_number(completions: Sequence[str], answer: Sequence[str], **columns: Any) -> list[float]:
    scores = correct(completions, answer)
    return [math.nan if len(text) > 5_000 else score for score, text in zip(scores, completions, strict=True)]


def unbounded(
    completions: Sequence[str], answer: Sequence[str], completion_ids: Sequence[Sequence[int]], **columns: Any
) -> list[float]:
    return [s * (10 + len(ids)) for s, ids in zip(correct(completions, answer), completion_ids, strict=True)]


def raising(completions: Sequence[str], answer: Sequence[str], **columns: Any) -> list[float]:
    for text in completions:
        text.encode("utf-8")
    return correct(completions, answer)


def raising_on_golds(completions: Sequence[str], answer: Sequence[str], **columns: Any) -> list[float]:
    [float(gold.rsplit("#### ")[-1]) for gold in answer]
    return correct(completions, answer)


def broken(reward: Callable[..., Any], name: str) -> Finding | None:
    law = next(law for law in LAWS if law.name == name)
    arena = set_up(Bench(reward), builtin()[:12])
    return hold(law, arena.bench, arena.scenes)


BREAKERS = [
    ("right beats wrong", inverted, "right earns 0, wrong 1"),
    ("right beats wrong at every length", fined_by_length, "wrong up to"),
    ("a wrong step never raises", counts_equations, "with"),
    ("repeating a right step never raises", counts_true_equations, "with"),
    ("a trivial step never raises", counts_true_equations, "with"),
    ("deterministic", never_the_same, "second call"),
    ("any order of the batch", by_place, "another order"),
    ("groups do not see each other", by_batch, "other prompts"),
    ("a whole group has scores or none", none_for_some, "some members"),
    ("a whole group has scores or none", none_where_unreadable, "some members"),
    ("bounded", not_a_number, "earn nan"),
    ("bounded", unbounded, "tokens earn"),
    ("never raises", raising, "UnicodeEncodeError"),
    ("never raises", raising_on_golds, "ValueError"),
]


@pytest.mark.parametrize(("law", "reward", "detail"), BREAKERS, ids=[f"{reward.__name__}" for _, reward, _ in BREAKERS])
def test_a_law_is_seen_to_be_broken(law: str, reward: Callable[..., Any], detail: str) -> None:
    finding = broken(reward, law)
    assert finding is not None
    assert finding.fails
    assert detail in finding.detail


def test_every_law_has_a_breaker() -> None:
    assert {law for law, _, _ in BREAKERS} == {law.name for law in LAWS}


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.name)
def test_the_outcome_reward_keeps_every_law(law: Any) -> None:
    assert broken(rewards.get("sparse"), law.name) is None


def test_a_length_term_is_not_taken_for_a_process_term() -> None:
    """Longer is better here, so text with steps earns more; at equal length it does not."""
    cosine = rewards.parse("length_cosine")
    for name in ("a wrong step never raises", "repeating a right step never raises"):
        assert broken(cosine, name) is None


def test_a_reward_that_leaves_its_declared_bounds_breaks_the_law() -> None:
    class Liar(rewards.Reward):
        name = "liar"
        bounds = (0.0, 0.5)

        def score(self, batch: Any) -> Any:
            return {"liar": correct(batch.texts, batch.golds)}

    finding = broken(Liar(), "bounded")
    assert finding is not None and "earn 1" in finding.detail


def test_what_raised_is_known_by_its_text() -> None:
    bench = Bench(raising)
    scores = bench.score([(builtin()[0], ["#### 69", "\ud800", "#### 1"]), (builtin()[1], ["#### 116"])])
    assert scores == [[1.0, None, 0.0], [1.0]]
    assert [(item.id, text) for item, text, _ in bench.raised] == [(builtin()[0].id, "\ud800")]


def test_a_wrong_number_of_scores_is_an_error() -> None:
    with pytest.raises(rewards.RewardError, match="1 scores for 2"):
        Bench(lambda **columns: [1.0]).call([(builtin()[0], ["a", "b"])])
