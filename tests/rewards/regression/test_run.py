"""Holding verifiers, ours and foreign ones, to cases."""

import sys
import threading
import time
from pathlib import Path

import pytest

from rewards.regression import BadVerifier, Case, Foreign, Judgement, hold, ours

HERE = Path(__file__).parent


@pytest.fixture(autouse=True)
def strangers_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(HERE))


def case(completion: str, gold: object = "18", label: bool = True, domain: str = "gsm8k") -> Case:
    return Case(f"{completion}/{gold}", completion, gold, domain, label)


@pytest.mark.parametrize("threads", [0, 1, 3])
def test_ours_gives_status_answer_and_reason_in_order(threads: int) -> None:
    cases = [case("#### 18"), case("#### 19"), case(""), case("#### 18", gold="prose"), *[case("x #### 18")] * 20]
    results = hold(ours, cases, threads=threads)
    assert [result.case for result in results] == cases
    assert [result.judgement.status for result in results[:4]] == ["correct", "wrong", "no_answer", "unparseable_gold"]
    assert [result.right for result in results[:4]] == [True, False, False, False]
    assert results[0].judgement.answer == "18"
    assert all(result.judgement.reason and 0 < result.judgement.seconds < 5 for result in results)


def test_what_raises_inside_ours_is_an_error_and_the_rest_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(completion: object, gold: object, domain: str) -> None:
        raise RuntimeError("boom")

    monkeypatch.setattr(sys.modules["rewards.regression.run"], "verify", broken)
    (result,) = hold(ours, [case("#### 18")])
    assert (result.judgement.correct, result.judgement.status) == (False, "error")
    assert "RuntimeError: boom" in result.judgement.reason


@pytest.mark.parametrize("threads", [0, 1])
def test_threads_decide_where_the_verifier_is_called(threads: int) -> None:
    seen: list[bool] = []

    def verifier(case: Case) -> Judgement:
        seen.append(threading.current_thread() is threading.main_thread())
        return Judgement(True, "correct", None, "", 0.0)

    hold(verifier, [case("a"), case("b")], threads=threads)
    assert seen == [threads == 0] * 2


@pytest.mark.parametrize(
    ("name", "completion", "correct", "status"),
    [
        ("last_word", "it is 18", True, "correct"),
        ("last_word", "18 it is", False, "wrong"),
        ("two_arguments", "18", True, "correct"),
        ("two_arguments", "19", False, "wrong"),
        ("mute", "18", None, "unscored"),
        ("rich", "18", False, "no_answer"),
        ("noisy", "18", True, "correct"),
    ],
)
def test_what_a_foreign_verifier_may_return(name: str, completion: str, correct: bool | None, status: str) -> None:
    judgement = Foreign(f"strangers:{name}")(case(completion))
    assert (judgement.correct, judgement.status) == (correct, status)


def test_our_own_verifier_may_be_called_as_a_foreign_one() -> None:
    judgement = Foreign("rewards:verify")(case("#### 18.0"))
    assert (judgement.correct, judgement.status, judgement.answer) == (True, "correct", "18")
    assert judgement.reason


def test_chat_messages_reach_a_foreign_verifier_as_text() -> None:
    messages = [{"role": "assistant", "content": "it is 18"}]
    assert Foreign("strangers:last_word")(Case("a", messages, "18", "gsm8k", True)).correct


@pytest.mark.parametrize("thread", [False, True])
def test_thread_moves_a_foreign_verifier_off_its_main_thread(thread: bool) -> None:
    assert Foreign("strangers:off_main", thread=thread)(case("18")).correct is thread


@pytest.mark.parametrize("thread", [False, True])
@pytest.mark.parametrize(
    ("completion", "status", "says"),
    [
        ("hang", "timeout", "deadline"),
        ("spin", "timeout", "deadline"),
        ("raise", "error", "ValueError: I cannot read this"),
        ("exit", "error", "exit code 3"),
        ("text", "error", "returned str; give a bool"),
        ("list", "error", "returned list; give a bool"),
        ("nan", "error", "give a finite number"),
    ],
)
def test_trouble_is_counted_and_the_next_case_is_judged(completion: str, status: str, says: str, thread: bool) -> None:
    foreign = Foreign("strangers:troubled", deadline=1.0, thread=thread)
    started = time.monotonic()
    bad, good = hold(foreign, [case(completion), case("fine")])
    assert time.monotonic() - started < 30
    assert (bad.judgement.correct, bad.judgement.status) == (False, status)
    assert says in bad.judgement.reason
    assert (bad.judgement.seconds >= 1.0) is (status == "timeout")
    assert good.judgement.correct is True


def test_several_children_hang_at_once() -> None:
    foreign = Foreign("strangers:troubled", deadline=2.0, size=2)
    started = time.monotonic()
    results = hold(foreign, [case("hang"), case("hang")], threads=2)
    assert [result.judgement.status for result in results] == ["timeout", "timeout"]
    assert time.monotonic() - started < 3.9


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("no_such_module:f", "no_such_module:f cannot be loaded: ModuleNotFoundError"),
        ("strangers:nobody", "strangers:nobody cannot be loaded: AttributeError"),
        ("strangers:CONSTANT", "CONSTANT is not a function"),
    ],
)
def test_what_cannot_be_loaded_is_told_before_any_case(target: str, says: str) -> None:
    with pytest.raises(BadVerifier) as caught:
        Foreign(target)
    assert says in str(caught.value)


def test_slow_imports_do_not_count_against_the_deadline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sluggish.py").write_text("import time\ntime.sleep(1.5)\ndef f(completion, gold):\n    return True\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert Foreign("sluggish:f", deadline=0.5)(case("18")).status == "correct"


def test_watch_sees_every_result_pass() -> None:
    seen: list[str] = []

    def watch(results):  # type: ignore[no-untyped-def]
        for result in results:
            seen.append(result.case.id)
            yield result

    results = hold(ours, [case("#### 18"), case("#### 19")], watch=watch)
    assert seen == [result.case.id for result in results] == ["#### 18/18", "#### 19/18"]
