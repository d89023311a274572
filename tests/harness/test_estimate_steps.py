"""Seconds of a step: the arithmetic of sync, what bounds a rollout, what more GPUs bring, hours and cost."""

import math
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.estimate import known, scaling, steps, sync
from harness.estimate.architecture import from_sizes
from harness.estimate.hardware import ACCELERATORS
from harness.estimate.memory import Setup
from harness.estimate.report import Plan, report
from harness.estimate.steps import Network

MODEL = from_sizes(7_000_000_000, layers=28, hidden=3584)
NETWORK = Network(100)
SETUP = Setup(gpus=8, zero=3, accumulation=8)


def test_7b_in_bf16_is_14_gb() -> None:
    assert sync.weight_bytes(MODEL) == 14_000_000_000


@pytest.mark.parametrize(
    ("gigabits", "efficiency", "seconds"),
    [
        pytest.param(100, 1.0, 1.12, id="100 Gb/s at best"),
        pytest.param(100, 0.8, 1.40, id="100 Gb/s as assumed"),
        pytest.param(100, 0.5, 2.24, id="100 Gb/s at worst"),
        pytest.param(25, 1.0, 4.48, id="25 Gb/s"),
        pytest.param(400, 1.0, 0.28, id="400 Gb/s"),
    ],
)
def test_seconds_of_a_sync(gigabits: float, efficiency: float, seconds: float) -> None:
    assert sync.seconds(14e9, gigabits, efficiency) == pytest.approx(seconds, abs=0.005)


def test_an_adapter_alone_would_be_sent_in_milliseconds() -> None:
    size = 2 * known.find("Qwen/Qwen2.5-7B").adapter(16)
    assert sync.seconds(size, 100, 1.0) == pytest.approx(6.5e-3, abs=1e-4)


@pytest.mark.parametrize(
    ("setup", "expected"),
    [
        pytest.param(Setup(objective="sft", checkpointing=False), 3, id="forward and backward"),
        pytest.param(Setup(objective="sft"), 4, id="checkpointing repeats the forward pass"),
        pytest.param(Setup(objective="sft", method="lora"), 3, id="frozen weights need no gradient"),
        pytest.param(Setup(objective="dpo", kl=True), 5, id="a reference reads once"),
        pytest.param(Setup(objective="grpo"), 5, id="GRPO: old log-probabilities"),
        pytest.param(Setup(objective="grpo", kl=True), 6, id="GRPO with a reference: 12 N T"),
        pytest.param(Setup(objective="ppo", kl=True), 11, id="PPO: 22 N T, with generation 24"),
    ],
)
def test_passes_over_every_token(setup: Setup, expected: int) -> None:
    """In units of a forward pass, 2 N operations a token."""
    assert steps.passes(setup) == expected


def test_training_is_bound_by_operations_within_a_machine() -> None:
    seconds = steps.train_seconds(MODEL, SETUP, NETWORK)
    tokens = SETUP.batch * SETUP.sequence
    work = 5 * 2 * MODEL.parameters * tokens / (8 * 989e12 * 0.4)
    assert work < seconds < 1.1 * work


def test_zero_3_is_bound_by_a_slow_network_between_machines() -> None:
    wide = replace(SETUP, gpus=16, accumulation=4)
    seconds = steps.train_seconds(MODEL, wide, Network(1))
    # Three times the weights, four passes, 15/16 of them remote, over 8 ports of 1 Gb/s at 80 %.
    assert seconds == pytest.approx(4 * 3 * 14e9 * 15 / 16 / (8 * 1e9 / 8 * 0.8))
    assert steps.train_seconds(MODEL, replace(wide, zero=2), Network(1)) < seconds / 5


def test_small_batches_decode_at_the_speed_of_memory() -> None:
    one = replace(SETUP, gpus=1, zero=0, micro_batch=8, accumulation=1, completion=100, sequence=101)
    expected = 100 * 14e9 / (3.35e12 * 0.6)
    assert steps.rollout_seconds(MODEL, one) == pytest.approx(expected, rel=0.05)


def test_sequences_that_do_not_fit_together_wait() -> None:
    many = replace(SETUP, micro_batch=64, accumulation=8)
    at_once = steps.concurrency(MODEL, many)
    assert 0 < at_once < 512
    assert steps.rollout_seconds(MODEL, many) > 512 / at_once * 0.9 * steps.rollout_seconds(
        MODEL, replace(many, micro_batch=at_once, accumulation=1)
    )


def test_a_rollout_that_cannot_be_is_no_number() -> None:
    tight = replace(SETUP, gpu=replace(ACCELERATORS["h100"], memory_gb=40))
    assert math.isnan(steps.rollout_seconds(MODEL, tight))
    found = report(MODEL, tight, NETWORK, Plan(steps=10, price=2.0), most_gpus=16)
    assert found["step_seconds"]["total"] is None and found["bottleneck"] is None
    assert found["plan"]["gpu_hours"] is None and found["plan"]["cost"] is None
    assert found["scaling"][0]["efficiency"] is None


@pytest.mark.parametrize(
    ("setup", "seconds"),
    [
        pytest.param(replace(SETUP, rollout="separate"), 1.4, id="over the network"),
        pytest.param(SETUP, 14e9 / 450e9, id="ZeRO-3 gathers among the GPUs"),
        pytest.param(replace(SETUP, zero=2), 28e9 / 3.35e12, id="below it a GPU copies to itself"),
        pytest.param(replace(SETUP, rollout="transformers"), 0, id="the trained weights sample"),
        pytest.param(replace(SETUP, objective="sft"), 0, id="nothing is sampled"),
    ],
)
def test_sync_of_a_step(setup: Setup, seconds: float) -> None:
    assert steps.step(MODEL, setup, NETWORK).sync == pytest.approx(seconds)


def test_sync_is_the_bottleneck_of_small_groups_and_short_rollouts_only() -> None:
    setup = replace(SETUP, rollout="separate", rollout_gpus=2)
    found = {(group, length): step for group, length, step in steps.by_group(MODEL, setup, Network(25))}
    shares = {cell: sync.share(step.rollout, step.train, step.sync) for cell, step in found.items()}
    assert found[2, 64].bottleneck == "sync" and found[32, 4096].bottleneck != "sync"
    for group, length in shares:
        assert group == 32 or shares[2 * group, length] < shares[group, length]
        assert length == 4096 or shares[group, 4 * length] < shares[group, length]


@given(st.integers(0, 3), st.sampled_from([8, 16, 32]), st.integers(1, 16), st.integers(1, 16))
def test_more_gpus_never_pay_more_than_their_number(stage: int, gpus: int, micro: int, passes: int) -> None:
    setup = Setup(gpus=gpus, zero=stage, micro_batch=micro, accumulation=passes, rollout="separate", rollout_gpus=4)
    points = scaling.curve(MODEL, setup, NETWORK)
    assert [point.gpus for point in points] == [gpus * 2**n for n in range(len(points))]
    assert points[-1].gpus == 4096
    assert all(point.efficiency <= 1 + 1e-9 for point in points)
    assert all(point.batch >= point.gpus for point in points)
    assert all(later.memory_gb <= sooner.memory_gb + 1e-9 for sooner, later in pairwise(points))


def test_gpu_hours_and_cost_of_a_plan() -> None:
    setup = replace(SETUP, rollout="separate", rollout_gpus=2)
    found = report(MODEL, setup, NETWORK, Plan(steps=360, runs=5, price=2.0), most_gpus=8)
    seconds = found["step_seconds"]["total"]
    assert found["plan"]["hours"] == pytest.approx(seconds / 10)
    assert found["plan"]["gpu_hours"] == pytest.approx(5 * 10 * seconds / 10)
    assert found["plan"]["cost"] == pytest.approx(2 * found["plan"]["gpu_hours"])
    assert report(MODEL, setup, NETWORK, Plan(), most_gpus=8)["plan"]["gpu_hours"] is None
