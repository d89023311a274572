"""A step's line against numbers computed by hand."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.trainers.scoring import Sample
from harness.trainers.step_log import OWN, metrics_row, spread, statistics


def sample(
    reward: float | None, status: str = "wrong", tokens: int = 4, finish: str = "stop", **parts: float | None
) -> Sample:
    return Sample("q", "text", tokens, finish, "1", status, parts or {"sparse": reward}, reward)


def test_the_shares_of_two_components_by_covariance() -> None:
    """Reward 0.2 f + 0.8 a over (1,1), (1,0), (0,0), (0,0): variances 0.25 and 0.1875, covariance 0.125."""
    batch = [sample(0.2 * f + 0.8 * a, f=f, a=a) for f, a in [(1.0, 1.0), (1.0, 0.0), (0.0, 0.0), (0.0, 0.0)]]
    row = statistics(batch, {"f": 0.2, "a": 0.8}, 2)
    assert row["dead_groups"] == 0.5
    assert statistics(batch, {"f": 0.2, "a": 0.8}, 2, {"a": 0.8})["dead_groups"] == 1
    shared = 0.2 * 0.8 * 0.125
    variance = 0.04 * 0.25 + 0.64 * 0.1875 + 2 * shared
    assert row["rewards_share/f"] == pytest.approx((0.04 * 0.25 + shared) / variance)
    assert row["rewards_share/a"] == pytest.approx((0.64 * 0.1875 + shared) / variance)
    assert row["rewards/f"] == 0.5
    assert row["rewards_std/f"] == pytest.approx(math.sqrt(1 / 3))
    assert row["reward"] == pytest.approx(0.3)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(-3, 3)), min_size=3, max_size=9))
def test_shares_sum_to_one_wherever_the_reward_varies(pairs: list[tuple[int, int]]) -> None:
    batch = [sample(2.0 * x - 0.5 * y, x=float(x), y=float(y), z=9.0) for x, y in pairs]
    row = statistics(batch, {"x": 2.0, "y": -0.5, "z": 0.0}, 3)
    shares = [row[f"rewards_share/{name}"] for name in "xyz"]
    assert shares[2] == 0
    if len({one.reward for one in batch}) == 1:
        assert shares[:2] == [None, None]
    else:
        assert math.fsum(share for share in shares if share is not None) == pytest.approx(1)


def test_statuses_are_counted_and_are_no_zeros() -> None:
    batch = [
        sample(1.0, "correct", tokens=2),
        sample(0.0, "wrong", tokens=6),
        sample(0.0, "no_answer", tokens=8, finish="length"),
        sample(0.0, "wrong", tokens=4),
        sample(None, "unparseable_gold", tokens=5),
        sample(None, "unparseable_gold", tokens=5),
        sample(0.5, "timeout"),
        sample(0.5, "wrong"),
    ]
    row = statistics(batch, {"sparse": 1.0}, 2)
    assert row["accuracy"] == pytest.approx(1 / 5)
    assert row["unscorable"] == 0.25
    assert row["status/unparseable_gold"] == 0.25
    assert row["status/timeout"] == 0.125
    assert row["reward"] == pytest.approx(2 / 6)
    assert (row["length_right"], row["length_wrong"], row["length_truncated"]) == (2, pytest.approx(22 / 4), 8)
    assert row["truncated"] == 0.125
    # Of three scorable groups the second and the last have equal rewards.
    assert row["dead_groups"] == pytest.approx(2 / 3)
    assert row["late"] == 0


def test_what_cannot_be_measured_is_null() -> None:
    row = statistics([sample(None, "error"), sample(None, "error")], {"sparse": 1.0}, 2)
    names = (
        "reward",
        "reward_std",
        "accuracy",
        "dead_groups",
        "rewards/sparse",
        "rewards_share/sparse",
        "length_right",
    )
    assert [row[name] for name in names] == [None] * len(names)
    assert row["unscorable"] == 1


def test_the_spread_of_a_group_without_what_its_length_costs() -> None:
    group = [sample(1.0, task=1.0, soft=0.0), sample(0.5, task=1.0, soft=-1.0)]
    assert spread(group, {}) == 0.5
    assert spread(group, {"soft": 0.5}) == 0
    assert spread([sample(None)], {}) is None


def test_a_line_of_an_update_without_new_completions_has_the_fields_of_the_house() -> None:
    row = metrics_row({"loss": 0.1, "entropy": 2.0, "clip_ratio/high_mean": 0.25, "reward": 9.0})
    assert {
        name: row[name] for name in ("reward", "accuracy", "length", "dead_groups", "kl", "seconds")
    } == dict.fromkeys(("reward", "accuracy", "length", "dead_groups", "kl", "seconds"))
    assert (row["entropy"], row["clip_high"]) == (2.0, 0.25)


def test_what_the_engine_reports_has_our_names() -> None:
    row = metrics_row(
        {"loss": 0.0, OWN + "reward": 1.0, "sync/bytes": 12, "sampling/importance_sampling_ratio/mean": 0.9}
    )
    assert (row["reward"], row["sync_bytes"], row["importance_ratio"]) == (1.0, 12, 0.9)
