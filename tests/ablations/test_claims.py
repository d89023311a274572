"""The sentences say no more than the numbers."""

import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from studies import Write, cell, items, metric, point

from ablations.caption import footnotes
from ablations.claims import claims
from ablations.records import Study, load_study
from ablations.summary import SummaryRow, summarise


def spread(count: int, total: int = 40) -> str:
    """Return a pattern of `total` items, `count` of them right."""
    return "1" * count + "0" * (total - count)


def sentences(write: Write, ends: dict[str, Sequence[int]], base: str = "1" * 10 + "0" * 30) -> str:
    cells = [cell(spread(n), r, s, base=base) for r, counts in ends.items() for s, n in enumerate(counts)]
    seeds = range(max(map(len, ends.values())))
    study = load_study(write(cells, tuple(ends), seeds=tuple(seeds)))
    return "\n".join(claims(study, summarise(study)))


@pytest.mark.parametrize(
    ("ends", "expected"),
    [
        pytest.param({"a": (20, 21, 22)}, r"small study: 3 finished seeds", id="few seeds"),
        pytest.param({"a": (20, 21, 22)}, r"a / grpo: accuracy rose by \+27\.5 points", id="rose"),
        pytest.param({"a": (2, 3, 4)}, r"a / grpo: accuracy fell by -17\.5 points", id="fell"),
        pytest.param({"a": (8, 10, 13)}, r"not shown to have moved: \+1 points \[-15, \+16\]", id="unmoved"),
        pytest.param({"a": (20,)}, r"95% interval over test questions of one seed", id="one seed"),
        pytest.param({"a": (20,), "b": (30,)}, r"cannot be compared, 1 common finished seed ", id="no test"),
        # Differences 2 -1 2 of 40: s / sqrt(3) = 1/40; noncentral t (df 2) passes 4.3027 in 80 % at 5.653: 14.1 points
        pytest.param({"a": (20, 21, 22), "b": (22, 20, 24)}, r"below 14\.1 points would be missed", id="null result"),
        pytest.param({"a": (20, 21, 22), "b": (30, 31, 33)}, r"differs by \+25\.8 points .*p = 0\.001", id="differs"),
        pytest.param({"a": (20, 21, 22), "b": (30, 31, 32)}, r"in each of 3 seeds alike", id="no spread"),
        pytest.param({"a": (20, 21), "b": (20, 21)}, r"differs by \+0\.0 points in each of 2 seeds", id="identical"),
    ],
)
def test_sentence(write: Write, ends: dict[str, Sequence[int]], expected: str) -> None:
    assert re.search(expected, sentences(write, ends))


def test_five_seeds_are_not_called_small(write: Write) -> None:
    assert "small study" not in sentences(write, {"a": (20, 21, 22, 23, 24)})


def test_every_sentence_names_its_file(write: Write) -> None:
    text = sentences(write, {"a": (20, 21, 22), "b": (22, 20, 24)})
    assert all(re.search(r"\(`[^`]+`\)\.$", line) for line in text.splitlines())


def test_it_is_said_when_the_curves_differ(write: Write) -> None:
    """At step 10 `b` is 30 points ahead in all three seeds but for a point; at step 20 the seeds disagree."""
    curves = {
        "a": [[(0, 0.1), (10, 0.20), (20, 0.5)], [(0, 0.1), (10, 0.21), (20, 0.5)], [(0, 0.1), (10, 0.22), (20, 0.5)]],
        "b": [[(0, 0.1), (10, 0.50), (20, 0.4)], [(0, 0.1), (10, 0.52), (20, 0.6)], [(0, 0.1), (10, 0.52), (20, 0.5)]],
    }
    cells = [
        cell(spread(20 + s), reward, s, curve=[point(*at) for at in seed])
        for reward, seeds in curves.items()
        for s, seed in enumerate(seeds)
    ]
    text = "\n".join(claims(*studied(write(cells, ("a", "b"), seeds=(0, 1, 2)))))
    assert re.search(r"dev accuracy is shown to differ at step 10 \(paired t at each of 2 steps", text)
    assert re.search(r"largest at step 10, \+30\.3 points", text)


def studied(folder: Path) -> tuple[Study, tuple[SummaryRow, ...]]:
    study = load_study(folder)
    return study, summarise(study)


def test_seeds_without_a_formatted_completion_are_named_where_the_share_rests_on_fewer(write: Write) -> None:
    bare = items(spread(20), format=False)
    cells = [cell(spread(20 + s), "a", s, base=spread(10)) for s in range(3)]
    cells.append(cell(spread(20), "a", 3, base=spread(10), items=bare))
    study, rows = studied(write(cells, ("a",), seeds=(0, 1, 2, 3)))
    assert "(3 of 4 seeds, n = 40 questions; the others end without a formatted completion)" in "\n".join(
        claims(study, rows)
    )
    assert any("rests: a / grpo 3 of 4" in note for note in footnotes(study, rows))


def test_nothing_right_before_and_after_is_no_interval_of_no_width(write: Write) -> None:
    text = sentences(write, {"a": (0,)}, base=spread(0))
    assert "a / grpo: accuracy changed by +0.0 points (no interval) from 0.0% to 0.0%" in text


def test_a_reward_that_rises_alone_is_claimed_as_an_alarm(write: Write) -> None:
    """Reward from 0 to 1 with accuracy at a half: in one seed of the two; the other's reward is its accuracy."""
    hacked = [metric(step, step / 60, accuracy=0.5 + 0.01 * (step % 3)) for step in range(60)]
    honest = [metric(step, step / 60, accuracy=step / 60) for step in range(60)]
    cells = [cell("1100", "a", 0, metrics=hacked), cell("1100", "a", 1, metrics=honest)]
    study = load_study(write(cells, ("a",), seeds=(0, 1)))
    (told,) = [line for line in claims(study, summarise(study)) if "alarms" in line]
    assert told.startswith("a / grpo: alarms during training: ")
    assert "reward without accuracy in 1 of 2 seeds" in told
    assert told.endswith("(`cells/*/metrics.jsonl`).")
