"""Tables of labelled pairs: reason -> status -> (gold, answer); "refused" is any status but `correct`."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rewards.verify.math import compare

Table = dict[str, dict[str, list[tuple[str, str]]]]


def verdicts(table: Table) -> Callable[..., None]:
    """The test of a table, one case a pair; `test_verdict = verdicts(CASES)` in a module makes it be collected."""

    @pytest.mark.parametrize(
        ("gold", "answer", "status", "reason"),
        [
            pytest.param(gold, answer, status, reason, id=f"{answer} for {gold} is {status}")
            for reason, pairs in table.items()
            for status, listed in pairs.items()
            for gold, answer in listed
        ],
    )
    def test_verdict(gold: str, answer: str, status: str, reason: str) -> None:
        found = compare(answer, gold)
        refused = found.status not in ("correct", "error", "timeout")
        assert refused if status == "refused" else found.status == status, f"{reason}: {found}"

    return test_verdict
