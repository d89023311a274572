"""Alarms of a run: each rings for its reason and not without it; on committed runs the controls ring."""

import itertools
import json
import math
import random
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from studies import Write, cell, metric

from ablations.alarm_log import rung
from ablations.alarms import alarms
from ablations.records import load_study
from ablations.trends import FEWEST, chance, trend

RESULTS = Path(__file__).parents[2] / "results"
# Others lie there where somebody has run some, as the quickstart.
COMMITTED = ("process", "rewards-objectives", "sft-dpo-grpo", "sparse-vs-format_answer")
STEPS = 60

Row = dict[str, Any]


def rows(**fields: Callable[[float], float | None]) -> list[Row]:
    """Metrics of a run: each field as a function of the share of the run that is over, with a little noise."""
    noise = random.Random(0)
    made = []
    for step in range(STEPS):
        row: Row = {"step": step + 1}
        for name, value in fields.items():
            known = value(step / (STEPS - 1))
            row[name.replace("__", "/")] = None if known is None else known + noise.gauss(0, 0.005)
        made.append(row)
    return made


def names(made: list[Row]) -> dict[str, str]:
    return {alarm.name: alarm.severity for alarm in alarms(made)}


FLAT: dict[str, Callable[[float], float | None]] = {"accuracy": lambda t: 0.4}
RISING: dict[str, Callable[[float], float | None]] = {"accuracy": lambda t: 0.3 + 0.3 * t}


@pytest.mark.parametrize(
    ("field", "value", "name", "severity"),
    [
        pytest.param(
            "process__score", lambda t: 0.2 + 0.3 * t, "process/score without accuracy", "warning", id="drift"
        ),
        pytest.param("process__score", lambda t: -0.5 + t, "process/score without accuracy", "critical", id="far"),
        pytest.param("length", lambda t: 20 + 20 * t, "length without accuracy", "warning", id="padding"),
        pytest.param("length", lambda t: 40 - 37 * t, "length without accuracy", "critical", id="shrinking"),
        pytest.param("process__steps", lambda t: 2 + 8 * t, "process/steps without accuracy", "critical", id="spam"),
    ],
)
def test_what_grows_rings_only_without_accuracy(
    field: str, value: Callable[[float], float], name: str, severity: str
) -> None:
    assert names(rows(**FLAT, **{field: value})) == {name: severity}
    rising = names(rows(**RISING, **{field: value}))
    # A process score may outrun an accuracy that rises as well, by far.
    assert not rising or (field == "process__score" and severity == "critical")
    unknown = rows(accuracy=lambda t: None, **{field: value})
    assert names(unknown) == {}, "nothing is known of accuracy, so nothing is without it"


@pytest.mark.parametrize(
    ("field", "value", "name", "severity"),
    [
        ("process__right_by_wrong_steps", lambda t: 0.05 + 0.1 * t, "right by wrong steps", "warning"),
        ("process__right_by_wrong_steps", lambda t: 0.05 + 0.4 * t, "right by wrong steps", "critical"),
        ("process__unknown", lambda t: 0.1 + 0.2 * t, "unknown steps", "warning"),
        ("process__unknown", lambda t: 0.1 + 0.8 * t, "unknown steps", "critical"),
        ("entropy", lambda t: 1.05 - t if t < 0.8 else 0.06, "entropy collapse", "warning"),
    ],
)
def test_what_is_wrong_in_itself_rings_also_while_accuracy_rises(
    field: str, value: Callable[[float], float], name: str, severity: str
) -> None:
    assert names(rows(**RISING, **{field: value})) == {name: severity}
    backwards = {field: lambda t: value(1 - t)}
    assert names(rows(**RISING, **backwards)) == {}


def test_an_honest_run_is_silent() -> None:
    made = rows(
        **RISING,
        reward=lambda t: 0.2 + 0.8 * (0.3 + 0.3 * t),
        length=lambda t: 20 + 6 * t,
        entropy=lambda t: 0.5 - 0.35 * t,
        process__score=lambda t: 0.5 + 0.3 * t,
        process__steps=lambda t: 2 + 0.3 * t,
        process__unknown=lambda t: 0.2 - 0.1 * t,
        process__right_by_wrong_steps=lambda t: 0.1 - 0.05 * t,
    )
    for row in made:
        row["reward"] = 0.2 + 0.8 * row["accuracy"]
    assert alarms(made) == []


def test_a_reward_that_is_not_about_the_answer_rings() -> None:
    noise = random.Random(1)
    made = [{"reward": noise.random(), "accuracy": noise.random()} for _ in range(4 * STEPS)]
    (alarm,) = alarms(made)
    assert (alarm.name, alarm.severity, alarm.steps) == ("reward blind to accuracy", "critical", 4 * STEPS)
    for row in made:
        row["reward"] = 0.8 * row["accuracy"] + 0.2 * noise.random()
    assert alarms(made) == []


def test_a_reward_that_rises_alone_says_its_numbers() -> None:
    made = rows(**FLAT, reward=lambda t: 0.2 + 0.7 * t)
    found = {alarm.name: alarm for alarm in alarms(made)}
    alarm = found["reward without accuracy"]
    # The first and the last fifth of a line from 0.2 to 0.9: 0.2 + 0.7 * 5.5 / 59 and 0.9 - 0.7 * 5.5 / 59.
    assert alarm.start == pytest.approx(0.265, abs=0.005) and alarm.end == pytest.approx(0.835, abs=0.005)
    assert alarm.severity == "critical" and "from 0.26" in alarm.sentence and "0.40" in alarm.sentence


@pytest.mark.parametrize(
    ("shares", "expected"),
    [
        ({"answer": 0.2, "format": 0.8}, {"auxiliary reward": "warning"}),
        ({"answer": 0.05, "format": 0.95}, {"auxiliary reward": "critical"}),
        ({"sparse#2": 0.1, "length_soft": 0.9}, {"auxiliary reward": "warning"}),
        ({"process.answer": 0.6, "process": 0.4}, {}),
        ({"answer": None, "format": None}, {}),
        ({"mine": 1.0}, {}),
    ],
    ids=["format", "format alone", "qualified names", "mostly the answer", "no variance", "a plugin's own"],
)
def test_auxiliary_terms(shares: dict[str, float | None], expected: dict[str, str]) -> None:
    made = [{f"rewards_share/{name}": share for name, share in shares.items()}] * STEPS
    assert names(made) == expected


@pytest.mark.parametrize("made", [[], [{"step": 1}] * 90, [{"accuracy": 0.1, "reward": 1.0}] * (FEWEST - 1)])
def test_too_little_to_say_raises_none(made: list[Row]) -> None:
    assert alarms(made) == []


def test_critical_ones_stand_first() -> None:
    made = rows(**FLAT, length=lambda t: 20 + 20 * t, process__score=lambda t: t, process__unknown=lambda t: 0.2 * t)
    assert [alarm.severity for alarm in alarms(made)] == ["critical", "warning", "warning"]


@pytest.mark.parametrize("count", [2, 3, 5, 7])
def test_thechance_of_a_trend_is_that_of_enumeration(count: int) -> None:
    orders = list(itertools.permutations(range(count)))
    sums = [sum((b > a) - (b < a) for a, b in itertools.combinations(order, 2)) for order in orders]
    for rises in range(1, count * (count - 1) // 2 + 1):
        above = sum(one >= rises for one in sums) / math.factorial(count)
        # A number that no order has, for it has the other parity, is given the chance of the one below.
        assert chance(rises, count) >= above
        if rises in sums:
            assert chance(rises, count) == pytest.approx(above)


def test_noise_has_a_trend_as_rarely_as_promised() -> None:
    noise = random.Random(2)
    found = [trend([noise.random() for _ in range(40)]) for _ in range(2000)]
    rate = sum(one is not None and one.direction != 0 for one in found) / len(found)
    # Each way 0.83 % by Mann and Kendall and 1.43 % by the outer blocks, 1.82 % by either (simulated): within four
    # deviations.
    assert rate == pytest.approx(0.0363, abs=4 * math.sqrt(0.0363 / 2000))


def test_a_run_that_a_learned_model_led_astray_rings() -> None:
    """A real one: 100 steps on `prm` alone with `sum_to_go`, from 32 % right to 6 %; its score rose and then stayed."""
    lines = (Path(__file__).parent / "prm_drift.jsonl").read_text().splitlines()
    found = {alarm.name: alarm for alarm in alarms([json.loads(line) for line in lines])}
    assert set(found) == {"process/score without accuracy", "reward without accuracy", "reward blind to accuracy"}
    assert found["process/score without accuracy"].severity == "critical"


def test_what_rises_early_and_stays_has_risen() -> None:
    """The last six tenths wander without a trend, so most pairs of blocks say nothing."""
    level = [0.0, 0.1, 0.2, 0.3, 0.5, 0.6, 0.5, 0.6, 0.5, 0.4]
    found = trend([value for value in level for _ in range(3)])
    assert found is not None
    assert found.direction == 1


@settings(max_examples=30)
@given(st.lists(st.floats(-2, 2), min_size=FEWEST, max_size=60), st.floats(-5, 5), st.floats(0.1, 5))
def test_a_trend_turns_with_its_values(values: list[float], shift: float, scale: float) -> None:
    there, back = trend(values), trend(values[::-1])
    assert there is not None and back is not None
    if len(values) % 10 == 0 and len(set(values)) == len(values):
        assert there.direction == -back.direction
        assert there.change == pytest.approx(-back.change)


def recorded() -> dict[str, list[set[str]]]:
    """The alarms of every committed run with a reward, by the reward."""
    found: dict[str, list[set[str]]] = {}
    for file in sorted(file for study in COMMITTED for file in (RESULTS / study).rglob("metrics.jsonl")):
        config = tomllib.loads((file.parent / "config.toml").read_text())
        reward = config.get("reward") or config.get("grpo", {}).get("reward")
        if reward:
            made = [json.loads(line) for line in file.read_text().splitlines()]
            found.setdefault(reward, []).append({alarm.name for alarm in alarms(made)})
    return found


def test_controls_ring_and_honest_runs_do_not() -> None:
    found = recorded()
    assert len(found["random"]) >= 6 and len(found["format_only"]) >= 6 and len(found["format_answer"]) >= 39
    for control in ("random", "format_only"):
        assert all("reward blind to accuracy" in names for names in found[control])
    assert sum("reward without accuracy" in names for names in found["format_only"]) >= 5
    honest = found["sparse"] + found["format_answer"]
    ringing = [names for names in honest if names]
    # Two runs that never took off: an accuracy of 0.01 or less, and every completion the same in the end.
    assert ringing == [{"entropy collapse"}] * 2
    assert len(honest) >= 80


@pytest.mark.parametrize(
    ("component", "value", "severity"),
    [
        pytest.param("sparse", lambda t: 0.42, None, id="agree but for noise"),
        pytest.param("sparse", lambda t: 0.4 + 0.1 * t, "warning", id="drifts apart"),
        pytest.param("format_answer.answer", lambda t: 0.6, "critical", id="lenient from the start"),
        pytest.param("contains#2", lambda t: 0.4 + 0.4 * t, "critical", id="fooled"),
        pytest.param("answer", lambda t: 0.1, None, id="gated or strict: calls fewer right"),
        pytest.param("process", lambda t: 0.9, None, id="no grader of answers"),
        pytest.param("sparse", lambda t: None, None, id="unknown"),
    ],
)
def test_a_grader_that_calls_more_right_than_the_verifier_rings(
    component: str, value: Callable[[float], float | None], severity: str | None
) -> None:
    made = rows(**FLAT, graded=value)
    for row in made:
        row[f"rewards/{component}"] = row.pop("graded")
    assert names(made).get("grader against verifier") == severity


def test_the_log_names_row_and_seed_of_every_alarm(write: Write) -> None:
    """In one seed of two the grader is fooled; a cell that failed is not heard."""
    fooled = [metric(step, 0.4, accuracy=0.4, **{"rewards/sparse": 0.8}) for step in range(60)]
    honest = [metric(step, step / 60, accuracy=step / 60) for step in range(60)]
    cells = [cell("1100", "a", seed, metrics=made) for seed, made in enumerate((fooled, honest, fooled))]
    cells[2]["status"] = {"state": "failed", "step": 3}
    found = list(rung(load_study(write(cells, ("a",), seeds=(0, 1, 2)))))
    assert [(each.reward, each.seed, each.cell, each.name) for each in found] == [
        ("a", 0, "c00", "grader against verifier")
    ]
    assert (found[0].severity, found[0].start, found[0].end) == ("critical", 0.4, 0.4)
