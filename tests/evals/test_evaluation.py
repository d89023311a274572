"""One evaluation: rows in order, each graded; an unscorable gold is counted and never wrong."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from evals.data import Item
from evals.engines import Completion, Request, Sampling, request_seed
from evals.evaluation import curve_point, evaluate, summarise, write_rows

ITEMS = [Item("a", "2+2?", "2+2=<<2+2=4>>4\n#### 4"), Item("b", "1+1?", "no number here")]
ANSWERS = ["<think> 2 + 2 = 4</think>\n#### 4", "The answer is 4.", "#### 5", "I do not know"]


class Recited:
    """An engine that recites, in two batches, the second half first."""

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> Iterator[list[Completion]]:
        rows = [Completion(i, ANSWERS[i], 5 + i, "stop", request.seed) for i, request in enumerate(requests)]
        yield rows[2:]
        yield rows[:2]


def test_rows_are_in_order_and_graded() -> None:
    seen: list[int] = []
    rows = evaluate(Recited(), lambda text: [len(text)], ITEMS, Sampling(8, seed=7), samples=2, progress=seen.append)
    assert [(row["id"], row["sample"]) for row in rows] == [("a", 0), ("a", 1), ("b", 0), ("b", 1)]
    assert [row["correct"] for row in rows] == [True, True, None, None]
    assert [row["strict"] for row in rows[:2]] == [True, False]
    assert [row["format"] for row in rows[:2]] == [True, False]
    assert {row["status"] for row in rows[2:]} == {"unparseable_gold"}
    assert [row["seed"] for row in rows] == [request_seed(7, id, sample) for id in "ab" for sample in (0, 1)]
    assert len({row["seed"] for row in rows}) == 4
    assert seen == [2, 4]


def test_summary_leaves_the_unscorable_out_and_counts_it() -> None:
    rows = evaluate(Recited(), lambda text: [1], ITEMS, Sampling(8), samples=2)
    summary = summarise(rows)
    assert (summary.n, summary.unscorable) == (2, 2)
    assert (summary.accuracy, summary.format, summary.accuracy_given_format) == (1.0, 0.5, 1.0)
    assert summary.tokens == 6.5
    assert curve_point(3, rows)["step"] == 3


def test_nothing_scorable_is_none_and_not_zero() -> None:
    rows = [row for row in evaluate(Recited(), lambda text: [1], ITEMS, Sampling(8), samples=2) if row["id"] == "b"]
    assert summarise(rows).accuracy is None
    assert summarise(rows).accuracy_given_format is None


def test_rows_are_written_whole(tmp_path: Path) -> None:
    rows = evaluate(Recited(), lambda text: [1], ITEMS, Sampling(8), samples=2)
    write_rows(tmp_path / "items.jsonl", rows)
    assert [json.loads(line) for line in (tmp_path / "items.jsonl").read_text().splitlines()] == rows
    assert [path.name for path in tmp_path.iterdir()] == ["items.jsonl"]
