"""`evals.compare`: pairing, refusals, unscorable rows, the choice of the test, and real models' numbers."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import evals
from evals.comparison import compare_all
from evals.items import ItemsError, evaluations
from evals.statistics import mcnemar_exact, paired_scores, sign_flip, wilson

DATA = Path(os.environ.get("HARNESS_GSM8K", Path(__file__).parents[2] / "../shared/data/gsm8k"))
SOLUTIONS = DATA / "example_model_solutions.jsonl"


def row(id: object, correct: object, sample: int = 0, **more: Any) -> dict[str, Any]:
    return {"id": id, "question": f"Question {id}?", "correct": correct, "sample": sample, **more}


def graded(*grades: object) -> list[dict[str, Any]]:
    return [row(number, grade) for number, grade in enumerate(grades)]


def sampled(*questions: list[bool]) -> list[dict[str, Any]]:
    return [row(q, grade, sample) for q, grades in enumerate(questions) for sample, grade in enumerate(grades)]


A = graded(True, True, True, False, False, True)
B = graded(True, False, False, True, False, True)


def test_one_sample() -> None:
    found = evals.compare(A, B)
    assert (found.n, found.samples, found.a, found.b) == (6, 6, pytest.approx(4 / 6), pytest.approx(3 / 6))
    assert (found.a_only, found.b_only, found.test) == (2, 1, "exact McNemar")
    assert found.p == mcnemar_exact(2, 1) and (found.a_low, found.a_high) == wilson(4, 6)
    assert found.delta == pytest.approx(1 / 6)
    assert found.low is not None and found.high is not None and found.low < 1 / 6 < found.high


def test_sides_mirror() -> None:
    ours, theirs = evals.compare(A, B), evals.compare(B, A)
    assert (ours.delta, ours.low, ours.high) == pytest.approx((-theirs.delta, -theirs.high, -theirs.low))  # type: ignore[operator]
    assert (ours.p, ours.a_only) == (theirs.p, theirs.b_only)


def test_order_of_rows_does_not_matter() -> None:
    shuffled = random.Random(0).sample(B, len(B))
    assert evals.compare(A, shuffled).numbers() == evals.compare(A, B).numbers()


def test_samples_of_a_question_are_one_unit() -> None:
    a = sampled(*([True, True, True, False] for _ in range(12)), [False] * 4)
    b = sampled(*([True, False, False, False] for _ in range(12)), [True] * 4)
    found = evals.compare(a, b)
    assert (found.n, found.samples, found.test) == (13, 52, "sign-flip over questions")
    assert found.p == sign_flip([2.0] * 12 + [-4.0])
    # As if 52 questions had been asked, it would be far more certain than it is.
    assert found.p > 2 * mcnemar_exact(found.a_only, found.b_only)
    assert [pair.id for pair in found.flips("b", 9)] == ["12"] and len(found.flips("a", 99)) == 12


def test_graded_scores() -> None:
    a = [row(i, True, reward=value) for i, value in enumerate([0.2, 0.9, 0.7])]
    b = [row(i, True, reward=value) for i, value in enumerate([0.1, 0.5, 0.8])]
    found, expected = evals.compare(a, b, metric="reward"), paired_scores([[0.1], [0.4], [-0.1]])
    assert (found.delta, found.low, found.high) == pytest.approx((expected.delta, expected.low, expected.high))
    assert (found.p, found.test) == (0.75, "sign-flip over questions")


def test_unscorable_rows_are_counted_and_left_out() -> None:
    found = evals.compare([*A, row("x", None), row("y", True)], [*B, row("x", None), row("y", None)])
    assert (found.unscorable_a, found.unscorable_b, found.n) == (1, 2, 6)
    assert found.delta == evals.compare(A, B).delta
    # A gold that cannot be read makes every metric meaningless, whatever its own field says.
    found = evals.compare(
        [row(0, None, strict=False), row(1, True, strict=True)],
        [row(0, None, strict=False), row(1, True, strict=True)],
        metric="strict",
    )
    assert (found.n, found.a, found.unscorable_a) == (1, 1.0, 1)


def test_equal_evaluations() -> None:
    found = evals.compare(A, A)
    assert (found.delta, found.p, found.detectable, found.needed) == (0, 1, None, None)
    assert found.low is not None and found.low < 0


def test_null_result_says_what_it_could_miss() -> None:
    generator = random.Random(0)
    a, b = (graded(*(generator.random() < 0.5 for _ in range(400))) for _ in range(2))
    found = evals.compare(a, b)
    # 2.80 sqrt(discordant share / n)
    assert found.detectable == pytest.approx(2.80 * ((found.a_only + found.b_only) / 400**2) ** 0.5, rel=0.02)
    assert found.needed == pytest.approx(2.80**2 * (found.a_only + found.b_only) / 400 / 0.01**2, rel=0.02)


@pytest.mark.parametrize(
    ("a", "b", "said"),
    [
        pytest.param(A, B[:4], "A has 6 completions and B 4, 4 in both .*--intersect", id="fewer"),
        pytest.param(A, [*B[:5], row("x", True)], "6 completions and B 6, 5 in both", id="as-many-others"),
        pytest.param(A, graded(True), "1 in both", id="one"),
        pytest.param([row("a", True)], [row("b", True)], "share no", id="none-in-common"),
        pytest.param([*A, A[0]], B, "A has sample 0 of 0 twice", id="twice"),
        pytest.param(A, [*B[:5], row(5, True) | {"question": "Why?"}], "5 is another question", id="other-question"),
        pytest.param(A, [{"id": i} for i in range(6)], "B: 0 has no `correct`; it has id", id="no-grade"),
        pytest.param(A, graded(*"yes no yes no yes no".split()), "is no number: 'yes'", id="no-number"),
        pytest.param(
            graded(None, None), graded(True, False), "none of 2 pairs .* .A lacks 2, B 0.; see", id="all-unscorable"
        ),
        pytest.param([row(0, True) | {"sample": "x"}], A, "A: `sample` of 0 is no number: 'x'", id="no-sample"),
        pytest.param(A, [{"correct": True}], "row 1: has no `id`", id="no-id"),
    ],
)
def test_refusals(a: Any, b: Any, said: str) -> None:
    with pytest.raises(ItemsError, match=said):
        evals.compare(a, b)


def test_intersection_is_asked_for() -> None:
    found = evals.compare(A, [*B[:4], row("x", True)], intersect=True)
    assert (found.n, found.unmatched_a, found.unmatched_b) == (4, 2, 1)


def test_files_folders_frames_and_rows_are_alike(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    rows = [*A, row("x", None)]
    text = "".join(json.dumps(each) + "\n" for each in rows)
    (tmp_path / "items.jsonl").write_text(text, encoding="utf-8")
    expected = evals.compare(rows, rows).numbers()
    frame = pandas.DataFrame(rows)
    for source in (tmp_path, tmp_path / "items.jsonl", str(tmp_path), frame, frame.convert_dtypes()):
        assert evals.compare(rows, source).numbers() == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param('{"id": 1}\n{"id\n{"id": 2}\n', ":2: not JSON", id="damaged"),
        pytest.param("[1]\n", ":1: not an object", id="list"),
        pytest.param('{"correct": true}\n', ":1: has no `id`", id="no-id"),
        pytest.param("\n", "holds no graded completions", id="empty"),
        pytest.param("\udcff", "cannot be read as UTF-8", id="bytes"),
    ],
)
def test_malformed_files(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "items.jsonl"
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(ItemsError, match=said):
        evaluations(path)
    with pytest.raises(ItemsError, match="not found"):
        evaluations(tmp_path / "none")


def test_torn_last_line_and_line_separators(tmp_path: Path) -> None:
    path = tmp_path / "items.jsonl"
    whole = json.dumps(row(1, True, completion="a\u2028b\x85c"), ensure_ascii=False)
    path.write_text(f'{whole}\n{{"id": 2, "corr', encoding="utf-8")
    assert [each["completion"] for each in evaluations(path)[str(path)]] == ["a\u2028b\x85c"]


@pytest.mark.skipif(not SOLUTIONS.exists(), reason=f"no {SOLUTIONS.name}: set HARNESS_GSM8K to its folder")
def test_four_real_models() -> None:
    models = evaluations(SOLUTIONS)
    contrasts = {(each.a, each.b): each for each in compare_all(models)}
    assert len(contrasts) == 6
    shares = [round(100 * np.mean([item["correct"] for item in rows]), 2) for rows in models.values()]
    assert shares == [21.68, 39.04, 34.72, 56.25]
    closest = contrasts["6b_verification", "175b_finetuning"]
    found = closest.comparison
    assert (found.n, found.a_only, found.b_only, found.test) == (1319, 209, 152, "exact McNemar")
    assert found.p == pytest.approx(0.00315, abs=1e-5) and closest.p_holm == found.p
    assert (found.delta, found.low, found.high) == pytest.approx((0.0432, 0.0150, 0.0713), abs=1e-4)
    p = sorted(each.comparison.p for each in contrasts.values() if each.comparison.p is not None)
    holms = sorted(each.p_holm for each in contrasts.values() if each.p_holm is not None)
    assert holms == pytest.approx([(6 - rank) * value for rank, value in enumerate(p)])
    with pytest.raises(ItemsError, match="holds 4 evaluations"):
        evals.compare(SOLUTIONS, SOLUTIONS)


MEASURED = """
import json, random, resource, sys, time
from pathlib import Path
import evals
from evals.evaluation import write_rows

text = "She sells 16 - 3 - 4 = 9 eggs a day and makes 9 * 2 = $18. " * 25
generator = random.Random(0)
files = [Path(sys.argv[1]) / name for name in ("a.jsonl", "b.jsonl")]
rows = [
    {
        "id": f"test-{q}", "question": text[:200], "gold": "#### 18", "completion": text, "tokens": 400, "seed": 0,
        "correct": generator.random() < 0.6, "status": "correct", "finish_reason": "stop", "sample": sample,
    }
    for q in range(1319) for sample in range(8)
]
started = time.perf_counter()
for file in files:
    write_rows(file, rows)
    for row in rows:
        row["correct"] = generator.random() < 0.6
found = evals.compare(*files)
seconds = time.perf_counter() - started
print(json.dumps([found.n, found.samples, seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6]))
"""


def test_gsm8k_with_eight_samples_is_stored_and_compared_in_seconds(tmp_path: Path) -> None:
    command = [sys.executable, "-c", MEASURED, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    n, samples, seconds, gigabytes = json.loads(done.stdout)
    print(f"{n} questions, {samples} pairs: {seconds:.1f} s, {gigabytes:.2f} GB")
    assert (n, samples) == (1319, 10552)
    assert seconds < 10 and gigabytes < 1
