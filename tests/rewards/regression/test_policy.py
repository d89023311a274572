"""Our verifier on the shipped cases: what it must reach, the same from any thread, nothing executed."""

from pathlib import Path

import pytest

from rewards import verify_batch
from rewards.regression import Result, hold, ours, shipped
from rewards.regression.summary import grouped

CASES = shipped()


@pytest.fixture(scope="module")
def results() -> list[Result]:
    Path("/tmp/pwned").unlink(missing_ok=True)
    return hold(ours, CASES)


@pytest.mark.parametrize(("domain", "accuracy"), [("gsm8k", 0.995), ("math", 0.985)])
def test_accuracy_and_false_accepts(results: list[Result], domain: str, accuracy: float) -> None:
    found = grouped(results, lambda result: result.case.domain)[domain].fields()
    assert found["accuracy"] >= accuracy
    assert found["false_accepts"] <= 0.005
    assert (found["timeouts"], found["errors"], found["unscored"]) == (0, 0, 0)


def test_off_the_main_thread_the_verdicts_are_the_same(results: list[Result]) -> None:
    elsewhere = hold(ours, CASES, threads=2)
    said = [(r.judgement.correct, r.judgement.status, r.judgement.answer) for r in results]
    assert [(r.judgement.correct, r.judgement.status, r.judgement.answer) for r in elsewhere] == said


@pytest.mark.parametrize("domain", ["gsm8k", "math"])
def test_a_batch_says_what_its_members_say(results: list[Result], domain: str) -> None:
    own = [result for result in results if result.case.domain == domain][:300]
    batch = verify_batch([r.case.completion for r in own], [r.case.gold for r in own], domain)
    assert [v.status for v in batch] == [r.judgement.status for r in own]


def test_nothing_was_executed(results: list[Result]) -> None:
    assert any("/tmp/pwned" in str(result.case.completion) for result in results)
    assert not Path("/tmp/pwned").exists()
