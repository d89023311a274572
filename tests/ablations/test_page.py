"""The page of a study as bytes: what it holds, what it leaves out, and that nothing in it is live."""

import base64
import hashlib
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pages import built, completion, held, keep, right, texts
from studies import Write, cell, metric

from ablations.page import cells, completions, sources
from ablations.page.pack import number, pack, shorten
from ablations.records import load_study
from harness.trainers.completions import Completions
from harness.trainers.scoring import Sample

HOSTILE = "</script><script>window.hacked=1</script><img src=x onerror=hacked()> {{script}} \ud800"


@pytest.fixture
def study(write: Write) -> Path:
    folder = write([cell("1010", seed=seed) for seed in (1, 2)], seeds=(1, 2))
    keep(folder, "c00", [right(step) for step in range(1, 5) for _ in range(4)])
    keep(folder, "c01", [completion(step, "#### 5") for step in range(1, 5) for _ in range(4)])
    return folder


def test_a_page_has_the_same_bytes_whenever_it_is_built(study: Path) -> None:
    assert built(study) == built(study)


def test_a_page_refers_to_nothing_outside_and_allows_only_its_own_script(study: Path) -> None:
    text = built(study)
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text)
    script = re.search(r'<script type="module">(.*?)</script>', text, flags=re.DOTALL)
    assert script
    digest = base64.b64encode(hashlib.sha256(script[1].encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'sha256-{digest}'" in text


def test_no_text_of_a_study_reaches_the_markup(write: Write) -> None:
    log = [metric(step, 0.1) for step in range(1, 5)]
    failed = {"state": "failed", "step": 1, "steps": 4, "error": {"type": "Oops", "message": HOSTILE[:60]}}
    folder = write([cell("10", reward=HOSTILE[:60], metrics=log, status=failed)], rewards=(HOSTILE[:60],), name="<b>x")
    keep(folder, "c00", [completion(1, HOSTILE)])
    (folder / "cells" / "c00" / "log.txt").write_text("<script>window.hacked=2</script>")
    text = built(folder)
    assert "hacked" not in text.replace("&lt;script&gt;window.hacked=1&lt;/script&gt;", "")
    assert "<title>&lt;b&gt;x</title>" in text
    assert texts(text)[0]["completion"] == HOSTILE
    assert held(text, "cell-0")["log"] == "<script>window.hacked=2</script>"


def test_a_page_holds_every_record_of_a_small_study(study: Path) -> None:
    text = built(study)
    found, columns = texts(text), held(text, "completions")
    # 16 of training, and 4 items each of the test, greedy, and both bases, of either cell.
    assert len(found) == len(columns["cell"]) == 2 * (16 + 4 * 4)
    assert columns["counts"][0] == [0, 0, 16, 16]
    assert [columns["step"][n] for n in range(16)] == [1] * 4 + [2] * 4 + [3] * 4 + [4] * 4
    assert found[0] == {
        "prompt": "Question of step 1?", "completion": "#### 4", "gold": "#### 4", "reason": "committed by marker",
        "components": {"sparse": 1.0}, "advantage": 0.0, "finish": "stop",
    }  # fmt: skip


def test_a_limit_is_kept_in_whole_groups_over_all_cells_and_steps(study: Path) -> None:
    columns = held(built(study, limit=33), "completions")
    assert len(columns["cell"]) <= 33
    training = [(columns["cell"][n], columns["step"][n]) for n, split in enumerate(columns["split"]) if split == 0]
    # Of a cell's 16 half are from training: two groups of four, of the first step and of the last.
    assert training == [(c, step) for c in (0, 1) for step in (1, 4) for _ in range(4)]


def test_no_completion_is_kept_where_none_is_asked_for(study: Path) -> None:
    text = built(study, limit=0)
    assert texts(text) == []
    assert sum(there for *_, there in held(text, "completions")["counts"]) == 64


def test_steps_of_unequal_size_are_held_whole(write: Write) -> None:
    folder = write([cell("1")])
    keep(folder, "c00", [right(1), right(2), completion(2, "#### 5", reward=2.0), right(3), right(3)])
    columns = held(built(folder), "completions")
    assert [columns["step"][n] for n, split in enumerate(columns["split"]) if split == 0] == [1, 2, 2, 3, 3]
    assert columns["odd"][:5] == [0, 1, 1, 0, 0]


def test_training_writes_groups_that_a_page_finds(write: Write) -> None:
    folder = write([cell("1")])
    asked = [[{"role": "user", "content": f'{question}?, "completion": '}] for question in "ab" for _ in range(3)]
    samples = [Sample(prompt, "#### 5", 1, "stop", "4", "wrong", {"sparse": 0.0}, 0.0) for prompt in asked]
    Completions(folder / "cells" / "c00", keep=1).write(1, samples, [0.0] * 6)
    found = sources.sources(load_study(folder))[0]
    assert [[row["prompt"] for row in group] for group in found.groups(6)] == [asked[:3], asked[3:]]


def test_a_torn_file_gives_the_lines_before_the_tear(study: Path) -> None:
    path = study / "cells" / "c01" / "completions" / "step_000002.jsonl.gz"
    path.write_bytes(path.read_bytes()[:-12])
    columns = held(built(study), "completions")
    own = [
        columns["step"][n] for n in range(len(columns["cell"])) if (columns["cell"][n], columns["split"][n]) == (1, 0)
    ]
    assert own.count(1) == own.count(3) == own.count(4) == 4
    assert own.count(2) < 4


def test_what_is_no_gzip_gives_nothing(study: Path) -> None:
    (study / "cells" / "c01" / "completions" / "step_000002.jsonl.gz").write_bytes(b"not gzip")
    columns = held(built(study), "completions")
    assert sum(1 for place, step in zip(columns["cell"], columns["step"], strict=True) if (place, step) == (1, 2)) == 0


DISAGREEMENTS = [
    pytest.param([("correct", 1.0), ("wrong", 0.0)], [0, 0], id="the reward is the verdict"),
    pytest.param([("correct", 0.0), ("wrong", 1.0)], [1, 1], id="the reward is its opposite"),
    pytest.param([("wrong", 0.2), ("wrong", 0.0)], [1, 0], id="one wrong is paid more than another"),
    pytest.param([("wrong", 0.3), ("no_answer", 0.3)], [0, 0], id="all are paid alike: no gradient"),
    pytest.param([("correct", 1.0), ("correct", 0.5)], [0, 0], id="among the right ones a reward may choose"),
    pytest.param([("correct", 1.0), ("correct", 0.1), ("wrong", 0.2)], [0, 1, 0], id="a right one below a wrong one"),
    pytest.param([("correct", 0.5), ("timeout", 0.9)], [0, 0], id="what the verifier could not judge does not count"),
    pytest.param([("correct", None), ("wrong", None)], [0, 0], id="what has no reward does not count"),
    pytest.param([("wrong", float("nan")), ("wrong", 0.0)], [0, 0], id="a reward that is no number is none"),
]


@pytest.mark.parametrize(("group", "expected"), DISAGREEMENTS)
def test_disagreement(group: list[tuple[str, float | None]], expected: list[int]) -> None:
    rows = [{"status": status, "reward": reward} for status, reward in group]
    assert completions.disagreements(rows) == [bool(one) for one in expected]


PAID = st.lists(st.tuples(st.sampled_from(["correct", "wrong", "no_answer"]), st.floats(0, 1)), max_size=8)


@given(PAID)
def test_a_reward_that_pays_right_above_wrong_never_disagrees(group: list[tuple[str, float]]) -> None:
    rows = [{"status": status, "reward": 1 + paid if status == "correct" else 0.5} for status, paid in group]
    assert not any(completions.disagreements(rows))


REASONS = [
    pytest.param({"reason": "as recorded"}, "as recorded", id="recorded"),
    pytest.param({}, "committed by marker, but the gold is 4", id="found again"),
    pytest.param({"status": "correct"}, None, id="the verifier now judges otherwise: its reason is another verdict's"),
    pytest.param({"status": "timeout"}, None, id="what took too long is not tried again"),
]


@pytest.mark.parametrize(("row", "reason"), REASONS)
def test_a_verdict_has_its_own_reason(write: Write, row: dict[str, Any], reason: str | None) -> None:
    folder = write([cell("1")])
    keep(folder, "c00", [completion(1, "#### 5", **row)])
    assert texts(built(folder))[0].get("reason") == reason


def some(counts: list[tuple[int, str]]) -> list[sources.Source]:
    return [sources.Source(n, split, (), 1, count, 100) for n, (count, split) in enumerate(counts)]


COUNTS = st.lists(st.tuples(st.integers(0, 500), st.sampled_from(sources.SPLITS)), max_size=12)


@given(COUNTS, st.integers(0, 2000))
def test_shares_are_all_that_the_limit_allows(counts: list[tuple[int, str]], limit: int) -> None:
    given_ = sources.shares(some(counts), limit)
    there = [count for count, _ in counts]
    if sum(there) <= limit:
        assert all(share >= count for share, count in zip(given_, there, strict=True))
    else:
        assert all(0 <= share <= count for share, count in zip(given_, there, strict=True))
        assert sum(given_) == limit


def test_long_completions_are_fewer() -> None:
    long = sources.Source(0, "training", (), 1, 50_000, sources.LONGEST)
    assert sources.shares([long], 50_000) == [sources.TEXT // sources.LONGEST]


@given(st.integers(0, 60), st.integers(0, 80))
def test_spread_keeps_order_and_ends(size: int, count: int) -> None:
    found = sources.spread(range(size), count)
    assert len(found) == len(set(found)) == min(size, count)
    assert found == sorted(found)
    if count > 1 and size > 1:
        assert (found[0], found[-1]) == (0, size - 1)


def test_a_cell_has_the_curves_that_it_recorded(study: Path) -> None:
    found = {panel["title"]: panel["lines"] for panel in cells.panels(load_study(study).cells[0])}
    assert [line["name"] for line in found["Reward and its components"]] == ["total", "correct"]
    assert found["Accuracy (verifier)"][0] == {"name": "dev", "steps": [0, 2, 4], "values": [0.2, 0.3, 0.6], "every": 1}
    # Nothing measured the divergence: no curve at zero.
    assert "KL to the reference" not in found


def test_long_curves_are_thinned_to_means() -> None:
    thin = cells.thinned([(step, float(step % 2)) for step in range(1, 1001)])
    assert (len(thin["steps"]), thin["every"]) == (334, 3)
    assert (thin["steps"][0], thin["values"][0]) == (2.0, pytest.approx(2 / 3, abs=1e-5))


def test_a_log_ends_with_what_its_bars_last_said() -> None:
    lines = [f"line {n}" for n in range(300)]
    tail = cells.log_tail("\n".join([*lines, "load 0%\rload 50%\rload 100%", ""]))
    assert tail.split("\n")[0] == "line 101"
    assert tail.endswith("\nload 100%")


def test_cells_that_were_planned_are_listed_without_a_page(write: Write) -> None:
    text = built(write([cell("1")], seeds=(1, 2)))
    listed = held(text, "cells")["cells"]
    assert [(one["id"], one["state"]) for one in listed] == [("c00", "done"), ("", "pending")]
    assert 'id="data-cell-1"' not in text


@given(st.text(max_size=300), st.integers(8, 200))
def test_shortened_texts_keep_both_ends(text: str, most: int) -> None:
    short = shorten(text, most)
    if len(text) <= most:
        assert short == text
    else:
        assert short.startswith(text[: most * 3 // 4]) and short.endswith(text[-(most // 4) :])


@pytest.mark.parametrize("value", [None, True, "1", float("inf"), float("nan")])
def test_what_is_no_number_is_none(value: Any) -> None:
    assert number(value) is None


def test_packing_refuses_what_json_has_no_word_for() -> None:
    with pytest.raises(ValueError, match="JSON"):
        pack([float("nan")])
