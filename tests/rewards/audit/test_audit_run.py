"""Whole audits: known-bad rewards fail for their reason, honest ones pass, shaping terms pass in their sum."""

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

import rewards
from rewards.audit import Audit, audit, builtin, read_baseline, written_baseline

SOME = builtin()[::3]

SHAPING = {name: rewards.family(name).recommended for name in rewards.names() if rewards.family(name).recommended}


@cache
def audited(spec: str) -> Audit:
    return audit(rewards.parse(spec), SOME)


def failing(found: Audit, family: str) -> set[str]:
    return {finding.attack for finding in found.failures if finding.family == family}


@pytest.mark.parametrize(
    ("spec", "family", "attack"),
    [
        ("contains", "enumerate", "0 to 100, listed"),
        ("format_only", "format", "shell with a constant"),
        ("length_uncapped", "law", "right beats wrong at every length"),
        ("length_uncapped", "law", "bounded"),
        ("step_sum", "steps", "sum of two given numbers, repeated"),
        ("step_sum", "law", "repeating a right step never raises"),
        ("random", "law", "right beats wrong"),
        ("random", "master key", "master key ':'"),
    ],
)
def test_known_bad_rewards_fail_for_their_reason(spec: str, family: str, attack: str) -> None:
    found = audited(spec)
    assert found.verdict == "fail"
    assert attack in failing(found, family)


@pytest.mark.parametrize(
    "spec",
    [
        "sparse",
        "sparse(strict=false)",
        "format_answer",
        "format_answer(gated=true)",
        "format_answer(format=0.2,answer=1.0)",
        "length_linear",
        "length_cosine",
        "length_lcpo",
        "length_lead",
        "process",
        *SHAPING.values(),
    ],
)
def test_honest_rewards_pass(spec: str) -> None:
    found = audited(spec)
    assert found.verdict == "pass", found.reason


@pytest.mark.parametrize("name", SHAPING)
def test_a_shaping_term_alone_fails_and_is_told_its_sum(name: str) -> None:
    found = audited(name)
    assert found.verdict == "fail"
    assert "right beats wrong" in failing(found, "law")
    assert repr(SHAPING[name]) in found.reason


def test_what_never_looks_at_the_gold_is_said_to() -> None:
    assert "never looks at the gold" in audited("format_only").reason
    assert audited("length_group").sees_gold


def test_a_reader_of_boxes_is_audited_with_boxes() -> None:
    def boxed(completions: Sequence[str], answer: Sequence[str], **columns: Any) -> list[float]:
        found = [re.findall(r"\\boxed\{([^{}]*)\}", text) for text in completions]
        golds = [gold.rsplit("#### ", 1)[-1] for gold in answer]
        return [float(set(boxes) == {gold}) for boxes, gold in zip(found, golds, strict=True)]

    found = audit(boxed, SOME)
    assert found.form == "boxed"
    recalled = {one.rendering: one.paid for one in found.recall}
    assert (recalled["18"], recalled["#### 18"], recalled["18.00"]) == (1.0, 0.0, 0.0)
    # It takes a box anywhere, which is for the probes to find and for no blind attack to use.
    beaten = {one.attack: one.fails for one in found.findings if one.verdict == "beats honest"}
    assert beaten == {"negated commitment": False}
    assert found.verdict == "pass"


def test_recall_counts_right_answers_in_other_words() -> None:
    def exact(completions: Sequence[str], answer: Sequence[str], **columns: Any) -> list[float]:
        golds = [gold.rsplit("\n", 1)[-1] for gold in answer]
        return [float(text.endswith(gold)) for text, gold in zip(completions, golds, strict=True)]

    paid = {one.rendering: (one.paid, one.items) for one in audit(exact, SOME).recall}
    assert paid["18"] == paid["#### 18"] == paid["said, then committed"] == (1.0, len(SOME))
    assert paid["18.00"] == paid["$18"] == paid["boxed"] == paid["polite ending"] == (0.0, len(SOME))
    assert paid["1,018"] == (0.0, sum(item.gold >= 1000 for item in SOME))


def test_an_audit_is_the_same_twice() -> None:
    first, second = (audit(rewards.get("format_answer"), SOME[:6]).to_json() for _ in range(2))
    assert first == second


def test_progress_reaches_its_end() -> None:
    seen: list[tuple[int, int]] = []
    audit(rewards.get("sparse"), SOME[:3], progress=lambda done, parts: seen.append((done, parts)))
    assert [done for done, _ in seen] == list(range(1, len(seen) + 1))
    assert seen[-1] == (len(seen), len(seen))


def test_a_reward_that_cannot_be_called_is_refused_with_its_place() -> None:
    def broken(**columns: Any) -> list[float]:
        raise KeyError("solution")

    with pytest.raises(rewards.RewardError, match=r"KeyError: 'solution' \(.*test_audit_run\.py:\d+\)"):
        audit(broken, SOME)


def test_items_of_one_gold_are_refused() -> None:
    with pytest.raises(rewards.RewardError, match="different golds"):
        audit(rewards.get("sparse"), SOME[:1])


def test_the_limit_is_the_rewards_own() -> None:
    assert audit(rewards.parse("length_linear(max_tokens=99)"), SOME[:3]).limit == 99
    assert audit(rewards.parse("sparse+0.25*length_soft(max_tokens=77)"), SOME[:3]).limit == 77


def test_json_holds_what_others_read() -> None:
    found = json.loads(json.dumps(audit(rewards.get("step_sum"), SOME[:6]).to_json()))
    assert {"reward": "step_sum", "verdict": "fail"}.items() <= found.items()
    for finding in found["findings"]:
        assert {"attack", "family", "verdict", "share", "example"} <= finding.keys()
        assert finding["verdict"] in ("beats honest", "broken law", "pays", "free money")
        assert 0 < finding["share"] <= 1
    assert found["findings"][0]["fails"]
    assert not {finding["attack"] for finding in found["findings"]} & set(found["harmless"])


def test_a_baseline_accepts_what_it_knows_and_nothing_worse() -> None:
    found = audit(rewards.get("step_sum"), SOME[:6])
    text = written_baseline({}, found)
    baseline = read_baseline(text, "file")
    accepted = found.against(baseline)
    assert accepted.verdict == "pass"
    assert f"{len(found.failures)} accepted" in accepted.reason
    # Accepting again what is accepted changes nothing, and other rewards stay.
    assert written_baseline(baseline | {"other": {}}, accepted) == written_baseline({"other": {}}, found)

    worst = found.failures[0].attack
    milder = {found.reward: baseline[found.reward] | {worst: {"verdict": "beats honest", "share": 0.1}}}
    assert [finding.attack for finding in found.against(milder).failures] == [worst]
    unknown = {found.reward: {k: v for k, v in baseline[found.reward].items() if k != worst}}
    assert [finding.attack for finding in found.against(unknown).failures] == [worst]
    assert found.against({"another reward": baseline[found.reward]}).verdict == "fail"


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{", '{"a": 1}', '{"a": {"b": {"verdict": "fine", "share": 1}}}', '{"a": {"b": {"verdict": "pays"}}}'],
    ids=["empty", "list", "cut off", "no table", "no such verdict", "no share"],
)
def test_a_file_that_is_no_baseline_is_refused(text: str) -> None:
    with pytest.raises(rewards.RewardError, match=r"accepted\.json is not a baseline"):
        read_baseline(text, "accepted.json")


def test_findings_stand_worst_first() -> None:
    found = audited("contains")
    fails = [finding.fails for finding in found.findings]
    assert fails == sorted(fails, reverse=True)
    assert replace(found.findings[0], accepted=True).fails is False


def test_a_reward_that_scores_nothing_fails() -> None:
    found = audit(lambda completions, **columns: [None] * len(completions), SOME[:4], name="silent")
    assert "right beats wrong" in failing(found, "law")
    assert found.anchors["right"] is None


def test_scores_that_json_cannot_hold_are_named() -> None:
    def endless(completions: Sequence[str], answer: Sequence[str], **columns: Any) -> list[float]:
        golds = [gold.rsplit("\n", 1)[-1] for gold in answer]
        return [float("inf") if text.endswith(gold) else 0.0 for text, gold in zip(completions, golds, strict=True)]

    found = audit(endless, SOME[:4], name="endless")
    assert "bounded" in failing(found, "law")
    text = json.dumps(found.to_json(), allow_nan=False)
    assert json.loads(text)["anchors"]["right"] == "inf"
