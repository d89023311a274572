"""The adapters called by the frameworks' own code, each in an environment of its own, against the reward itself.

The versions are those of `constraints/peers`. What is not run: training, which each of them does on GPUs only.
"""

from collections.abc import Callable
from itertools import groupby
from typing import Any

import pytest
from graded import EXAMPLES, SCORABLE, SPEC, components, filled

import rewards

pytestmark = pytest.mark.slow

PARTS = {f"component/{name}": scores for name, scores in components(SPEC, EXAMPLES).items()}
REWARD = rewards.parse(SPEC)
TOTAL = REWARD.total(components(SPEC, EXAMPLES))
UNSCORABLE = [float(total is None) for total in TOTAL]
VERDICTS = [rewards.verify(example.completion, example.gold) for example in EXAMPLES]
# What every framework without `None` should hold for each example.
NUMBERS = [
    {name: filled(scores)[i] for name, scores in PARTS.items()} | {"unscorable": UNSCORABLE[i]}
    for i in range(len(EXAMPLES))
]
Peer = Callable[..., Any]


def test_verl_loads_calls_and_averages_it(peer: Peer) -> None:
    found = peer("verl", "with_verl")
    assert not found["unknown_key_accepted"]
    expected = [
        {"score": score, "acc": float(verdict.correct), "pred": verdict.answer or "", "status": verdict.status} | row
        for score, verdict, row in zip(filled(TOTAL), VERDICTS, NUMBERS, strict=True)
    ]
    for manager in ("naive", "dapo", "gdpo"):
        assert found[manager] == expected, manager
        assert found[f"{manager}_rewards"] == filled(TOTAL), manager
    assert found["synchronous_rewards"] == filled(TOTAL)
    assert found["advantages"][:SCORABLE] != [0.0] * 4
    assert found["advantages"][SCORABLE:] == [0.0] * 4
    # verl averages over the four of a group, then over the groups; text it leaves out.
    means = {name: sum(row[name] for row in NUMBERS) / len(NUMBERS) for name in NUMBERS[0]}
    means |= {"score": sum(filled(TOTAL)) / len(TOTAL), "acc": sum(v.correct for v in VERDICTS) / len(VERDICTS)}
    assert found["validation"] == pytest.approx(means)


def test_openrlhf_loads_calls_and_normalises_it(peer: Peer) -> None:
    found = peer("openrlhf", "with_openrlhf")
    assert found["rewards"] == filled(TOTAL)
    assert found["scores"] == [float(verdict.correct) for verdict in VERDICTS]
    for info, row, reward, verdict in zip(found["info"], NUMBERS, filled(TOTAL), VERDICTS, strict=True):
        assert info == row | {"reward": reward, "score": float(verdict.correct), "response_clip_ratio": False}
    default = rewards.parse("format_answer")
    assert found["default"] == pytest.approx(filled(default.total(components("format_answer", EXAMPLES))))
    assert found["cut_tokens"] == 208 - 128 - 1, "the prompt was cut to what max_length leaves"
    assert found["cut"] == filled(TOTAL)
    assert found["advantages"][:SCORABLE] != [0.0] * 4
    assert found["advantages"][SCORABLE:] == [0.0] * 4


def test_a_verifiers_rubric_scores_with_it(peer: Peer) -> None:
    found = peer("verifiers-rubric", "with_verifiers_rubric")
    for states in found.values():
        assert [state["reward"] for state in states] == filled(TOTAL)
        for state, row, total in zip(states, NUMBERS, filled(TOTAL), strict=True):
            assert state["metrics"] == row | {REWARD.__name__: total}
    advantages = [state["advantage"] for state in found["group"]]
    assert advantages == [0.5, 0.25, -0.25, -0.5] + [0.0] * 4


def test_a_verifiers_task_scores_with_it(peer: Peer) -> None:
    found = peer("verifiers-task", "with_verifiers_task")
    for i, trace in enumerate(found):
        known = {name: scores[i] for name, scores in PARTS.items() if scores[i] is not None}
        assert trace["metrics"] == known | {"unscorable": UNSCORABLE[i]}
        # Not scored is not zero here: the trace has no such reward.
        assert trace["rewards"] == ({} if TOTAL[i] is None else {REWARD.__name__: TOTAL[i]})
        assert trace["reward"] == filled(TOTAL)[i]


def test_lm_eval_reports_the_verifier_beside_its_own_filters(peer: Peer) -> None:
    from evals.gsm8k import grade

    found = peer("lm_eval", "with_lm_eval")
    assert found["listed"]
    by_filter = {name: list(rows) for name, rows in groupby(found["samples"], key=lambda sample: sample["filter"])}
    grades = [grade(example.completion, example.gold) for example in EXAMPLES]
    expected = {
        "strict-match": [float(one.strict) for one in grades],
        "flexible-extract": [float(one.flexible) for one in grades],
        "verifier": [float(one.verdict.correct) for one in grades],
    }
    assert {name: [row["exact_match"] for row in rows] for name, rows in by_filter.items()} == expected
    assert found["results"] == {
        f"exact_match,{name}": pytest.approx(sum(values) / len(values)) for name, values in expected.items()
    }
    said = [row["said"] for row in by_filter["verifier"]]
    assert said == [
        example.gold if verdict.correct else f"[{verdict.status}]"
        for example, verdict in zip(EXAMPLES, VERDICTS, strict=True)
    ]


def test_ray_workers_judge_as_this_process_does(peer: Peer) -> None:
    pairs = [
        (r"\boxed{\frac{\sqrt{2}}{2}}", r"\frac{1}{\sqrt{2}}"),
        (r"\boxed{\sqrt[3]{2+\sqrt{5}}+\sqrt[3]{2-\sqrt{5}}}", "1"),
        (r"\boxed{\sin^2 x + \cos^2 x + \tan x}", r"1 + \frac{\sin x}{\cos x}"),
        (r"\boxed{9^{9^{9}}}", "18"),
        (r"\boxed{x+1}", "x+2"),
    ]
    here = [rewards.verify(text, gold, "math", deadline=20).status for text, gold in pairs]
    assert here == ["correct", "correct", "correct", "wrong", "wrong"]
    assert peer("verl", "with_ray", pairs=pairs) == [here] * 3
