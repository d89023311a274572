"""The counts and rates of a run, and what has become worse since a baseline."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewards.regression import BaselineError, Case, Judgement, Rates, Result, compare, grouped, read, write


def result(
    name: str, label: bool, correct: bool | None, status: str = "", seconds: float = 0.1, category: str = "c"
) -> Result:
    judged = status or {None: "unscored", True: "correct", False: "wrong"}[correct]
    return Result(Case(name, "", "18", "gsm8k", label, category), Judgement(correct, judged, None, "", seconds))


def test_rates_are_shares_of_their_own_label() -> None:
    rates = Rates(
        [
            result("a", True, True),
            result("b", True, False),
            result("c", True, False, "timeout", 11.0),
            result("d", False, True),
            result("e", False, False, "error"),
        ]
    )
    assert rates.fields() == {
        "n": 5,
        "accuracy": 2 / 5,
        "false_accepts": 1 / 2,
        "false_rejects": 2 / 3,
        "timeouts": 1,
        "errors": 1,
        "hangs": 1,
        "unscored": 0,
        "per_second": pytest.approx(10.0),
    }


@pytest.mark.parametrize(("label", "empty"), [(True, "false_accepts"), (False, "false_rejects")])
def test_a_rate_without_cases_is_none_never_zero(label: bool, empty: str) -> None:
    fields = Rates([result("a", label, label)]).fields()
    assert fields[empty] is None
    assert fields["accuracy"] == 1.0


def test_a_verifier_that_scores_nothing_has_no_rates() -> None:
    fields = Rates([result("a", True, None), result("b", False, None)]).fields()
    assert [fields[key] for key in ("accuracy", "false_accepts", "false_rejects", "per_second")] == [None] * 4
    assert fields["unscored"] == 2


def test_an_unscored_case_among_scored_ones_is_not_paid() -> None:
    fields = Rates([result("a", True, None), result("b", False, None), result("c", True, True)]).fields()
    assert (fields["accuracy"], fields["false_accepts"], fields["false_rejects"]) == (2 / 3, 0.0, 1 / 2)


@given(st.lists(st.tuples(st.booleans(), st.sampled_from([True, False, None]), st.sampled_from("xyz")), min_size=1))
def test_groups_add_up(rows: list[tuple[bool, bool | None, str]]) -> None:
    results = [result(str(i), label, correct, category=name) for i, (label, correct, name) in enumerate(rows)]
    groups = grouped(results, lambda result: result.case.category)
    whole = Rates(results)
    assert list(groups) == sorted(groups)
    assert sum(part.n for part in groups.values()) == whole.n
    assert sum(part.right for part in groups.values()) == whole.right
    assert whole.right + whole.accepts[0] + whole.rejects[0] == whole.n
    assert whole.accepts[1] + whole.rejects[1] == whole.n


BEFORE = [result("right", True, True), result("wrong", True, False), result("gone", True, True)]


@pytest.mark.parametrize(
    ("then", "now", "kind"),
    [
        (result("a", True, True), result("a", True, False), "regressions"),
        (result("a", False, False), result("a", False, True), "regressions"),
        (result("a", False, False), result("a", False, False, "timeout"), "regressions"),
        (result("a", True, False), result("a", True, False, "error"), "regressions"),
        (result("a", False, False), result("a", False, None), None),
        (result("a", True, False), result("a", True, True), "repairs"),
        (result("a", True, False, "timeout"), result("a", True, False), "repairs"),
        (result("a", True, False), result("a", True, False, "ambiguous"), None),
        (result("a", True, True), result("a", True, True), None),
        (result("a", True, False, "error"), result("a", True, False, "timeout"), None),
    ],
    ids=[
        "no longer accepted",
        "now accepted",
        "a new timeout, though not paid",
        "a new error",
        "unscored is unpaid too",
        "repaired",
        "no longer a timeout",
        "another status, as wrong as before",
        "the same",
        "still broken",
    ],
)
def test_what_counts_as_a_change(tmp_path: Path, then: Result, now: Result, kind: str | None) -> None:
    path = tmp_path / "baseline.json"
    write(path, [then])
    diff = vars(compare(read(path), [now]))
    assert diff == {"regressions": [], "repairs": [], "new": [], "vanished": []} | ({kind: ["a"]} if kind else {})


def test_new_and_vanished_cases_are_told(tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    write(path, BEFORE)
    diff = compare(read(path), [BEFORE[0], result("fresh", True, False)])
    assert (diff.new, diff.vanished, diff.regressions) == (["fresh"], ["gone", "wrong"], [])


def test_cases_left_out_of_the_run_have_not_vanished(tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    write(path, BEFORE)
    assert compare(read(path), [BEFORE[0]], present={"right", "wrong"}).vanished == ["gone"]


def test_a_relabelled_case_with_the_same_verdict_is_no_regression(tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    write(path, [result("a", True, True)])
    assert compare(read(path), [result("a", False, True)]).regressions == []


def test_the_file_is_replaced_whole_and_is_stable(tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    write(path, BEFORE)
    first = path.read_bytes()
    write(path, BEFORE[::-1])
    assert path.read_bytes() == first
    assert json.loads(first)["right"] == {"correct": True, "status": "correct"}
    assert [entry.name for entry in tmp_path.iterdir()] == ["baseline.json"]


@pytest.mark.parametrize(
    "content",
    [None, "{", "[]", '{"a": 1}', '{"a": {"status": "wrong"}}', '{"a": {"correct": 1, "status": "wrong"}}'],
    ids=["missing", "cut", "a list", "no entry", "no verdict", "verdict is no bool"],
)
def test_a_file_that_is_no_baseline_is_refused_in_one_line(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "baseline.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(BaselineError) as caught:
        read(path)
    assert str(path) in str(caught.value)
    assert "--update-baseline" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unwritable_place_is_told(tmp_path: Path) -> None:
    with pytest.raises(BaselineError, match="cannot be written"):
        write(tmp_path / "no such folder" / "baseline.json", BEFORE)
