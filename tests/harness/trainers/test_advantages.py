"""Advantages against numbers computed by hand, the papers' formulas, and the laws that hold for any rewards."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from harness.trainers import advantages as adv

NAN = math.nan
ROOT2 = math.sqrt(2)


def vector(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


GROUPS = torch.tensor([0, 0, 0, 0, 1, 1, 1, 1])


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        pytest.param(
            adv.mean_centred(vector(1, 0, 0, 1, 3, 3, 3, 7), GROUPS),
            [0.5, -0.5, -0.5, 0.5, -1, -1, -1, 3],
            id="mean-centred: group means 0.5 and 4",
        ),
        pytest.param(
            adv.group_normalised(vector(1, 0, 0, 1, 3, 3, 3, 7), GROUPS),
            [0.866, -0.866, -0.866, 0.866, -0.5, -0.5, -0.5, 1.5],
            id="normalised: deviations sqrt(1/3) and 2",
        ),
        pytest.param(
            adv.leave_one_out(vector(1, 0, 0, 1, 3, 3, 3, 7), GROUPS),
            [2 / 3, -2 / 3, -2 / 3, 2 / 3, -4 / 3, -4 / 3, -4 / 3, 4],
            id="leave one out: 1 - 1/3, 0 - 2/3, 3 - 13/3, 7 - 3",
        ),
        pytest.param(
            adv.reinforce_pp_baseline(vector(1, 0, 2, 0), torch.tensor([0, 0, 1, 1])),
            [0.5 / 0.91287, -0.5 / 0.91287, 1 / 0.91287, -1 / 0.91287],
            id="baseline: centred to 0.5 and 1, batch deviation sqrt(2.5 / 3)",
        ),
        pytest.param(
            adv.mean_centred(vector(1, 0, 5, 6), torch.tensor([7, 2, 7, 2])),
            [-2, -3, 2, 3],
            id="groups need not lie together nor count from 0",
        ),
    ],
)
def test_hand_computed(found: Tensor, expected: list[float]) -> None:
    assert found.tolist() == pytest.approx(expected, abs=5e-4)


def test_gdpo_keeps_apart_what_the_sum_confuses() -> None:
    """The paper's example, groups of rewards 0, 1 and 0, 2 by sum: normalised sums are equal, GDPO's are not."""
    components = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 0.0], [1.0, 1.0]], dtype=torch.float64)
    group, weights = torch.tensor([0, 0, 1, 1]), vector(1, 1)
    summed = adv.group_normalised(components.sum(1), group)
    assert summed.tolist() == pytest.approx([-1 / ROOT2, 1 / ROOT2] * 2, abs=2e-4)
    # By component: -+1/sqrt2 once in the first group, twice in the second; mean 0, deviation sqrt(5 / 3).
    expected = [value / math.sqrt(5 / 3) for value in (-1 / ROOT2, 1 / ROOT2, -ROOT2, ROOT2)]
    assert adv.gdpo(components, weights, group).tolist() == pytest.approx(expected, abs=3e-4)


def test_gdpo_weighs_components_after_normalising() -> None:
    components = torch.tensor([[0.0, 5.0], [1.0, 5.0], [0.0, 9.0], [1.0, 7.0]], dtype=torch.float64)
    found = adv.gdpo(components, vector(1, 0.5), torch.tensor([0, 0, 1, 1]))
    # The second component is constant in the first group; in the second it pulls back half of what the first gives.
    z = 1 / ROOT2
    raw = vector(-z, z, -z + z / 2, z - z / 2)
    assert found.tolist() == pytest.approx((raw / raw.std()).tolist(), abs=5e-4)


def test_reinforce_pp_is_the_return_to_go_whitened_over_tokens() -> None:
    """Two completions of 2 and 1 tokens, beta 0.1: returns 1 - 0.1 * (2 + 4), 1 - 0.1 * 4 and 0 - 0.1 * 1."""
    log_ratio = torch.tensor([[2.0, 4.0], [1.0, 9.0]], dtype=torch.float64)
    mask = torch.tensor([[1, 1], [1, 0]])
    returns = vector(0.4, 0.6, -0.1)
    expected = ((returns - returns.mean()) / (returns.std() + 1e-4)).tolist()
    found = adv.reinforce_pp(vector(1, 0), log_ratio, mask, 0.1)
    assert found[0].tolist() == pytest.approx(expected[:2])
    assert found[1].tolist() == pytest.approx([expected[2], 0])


def test_rloo_pays_the_divergence_of_the_whole_completion() -> None:
    log_ratio = torch.tensor([[1.0, 1.0], [3.0, 7.0]], dtype=torch.float64)
    mask = torch.tensor([[1, 1], [1, 0]])
    scored = adv.Scored(vector(1, 1), torch.tensor([0, 0]), torch.ones(2, 1), vector(1), mask, log_ratio, 0.1)
    # Penalised rewards 0.8 and 0.7.
    assert adv.ESTIMATORS["leave_one_out"](scored).tolist() == pytest.approx([0.1, -0.1])


def test_online_dpo_pushes_best_and_worst_by_how_wrong_the_margin_is() -> None:
    found = adv.online_dpo(vector(0, 2, 1, 5, 5, 5), torch.tensor([0, 0, 0, 1, 1, 1]), vector(3, 1, 0, 0, 0, 0), 0.5)
    # One pair, of the second and the first: beta sigmoid(-beta (1 - 3)) times 6 completions.
    push = 6 * 0.5 / (1 + math.exp(-0.5 * 2))
    assert found.tolist() == pytest.approx([-push, push, 0, 0, 0, 0])


def test_online_dpo_is_the_gradient_of_the_sigmoid_loss() -> None:
    torch.manual_seed(0)
    policy = torch.randn(6, 5, dtype=torch.float64, requires_grad=True)
    reference, rewards = torch.randn(6, 5, dtype=torch.float64), vector(0, 2, 1, 4, 8, 6)
    group, beta = torch.tensor([0, 0, 0, 1, 1, 1]), 0.3
    margins = (policy - reference).sum(1)
    pairs = torch.stack([margins[1] - margins[0], margins[4] - margins[3]])
    (direct,) = torch.autograd.grad(-torch.nn.functional.logsigmoid(beta * pairs).mean(), policy)
    weights = adv.online_dpo(rewards, group, margins.detach(), beta)
    (weighted,) = torch.autograd.grad(-(weights * policy.sum(1)).mean(), policy)
    assert torch.allclose(direct, weighted, atol=1e-12)


def test_the_corrected_k3_has_the_gradient_of_k2_on_policy() -> None:
    """So `reinforce_pp_baseline` needs no loss of its own: ratio * k3 and (log pi / pi_ref)^2 / 2 differ in value."""
    torch.manual_seed(0)
    policy = torch.randn(50, dtype=torch.float64, requires_grad=True)
    reference = torch.randn(50, dtype=torch.float64)
    ratio = (policy - policy.detach()).exp()
    k3 = (reference - policy).exp() - (reference - policy) - 1
    (corrected,) = torch.autograd.grad((ratio * k3).sum(), policy)
    (k2,) = torch.autograd.grad(((policy - reference) ** 2 / 2).sum(), policy)
    assert torch.allclose(corrected, k2, atol=1e-12)


GROUPED = {
    "mean_centred": adv.mean_centred,
    "group_normalised": adv.group_normalised,
    "leave_one_out": adv.leave_one_out,
    "reinforce_pp_baseline": adv.reinforce_pp_baseline,
    "gdpo": lambda rewards, group: adv.gdpo(rewards.unsqueeze(1), vector(1), group),
}
named = pytest.mark.parametrize("estimate", GROUPED.values(), ids=GROUPED)

rewards_of_groups = st.integers(2, 5).flatmap(
    lambda size: st.tuples(
        st.just(size), st.lists(st.lists(st.integers(-20, 20), min_size=size, max_size=size), min_size=2, max_size=4)
    )
)


def batch(drawn: tuple[int, list[list[int]]]) -> tuple[Tensor, Tensor]:
    size, groups = drawn
    return vector(*[value / 4 for group in groups for value in group]), torch.arange(len(groups) * size) // size


@named
@given(drawn=rewards_of_groups, shift=st.integers(-9, 9))
def test_a_constant_added_to_a_group_changes_nothing(estimate, drawn, shift) -> None:  # type: ignore[no-untyped-def]
    rewards, group = batch(drawn)
    moved = rewards + shift * group
    assert torch.allclose(estimate(moved, group), estimate(rewards, group), atol=1e-6)


@named
@given(drawn=rewards_of_groups, seed=st.integers(0, 99))
def test_the_order_of_completions_does_not_matter(estimate, drawn, seed) -> None:  # type: ignore[no-untyped-def]
    rewards, group = batch(drawn)
    order = torch.randperm(len(rewards), generator=torch.Generator().manual_seed(seed))
    assert torch.allclose(estimate(rewards[order], group[order]), estimate(rewards, group)[order], atol=1e-6)


@named
@given(drawn=rewards_of_groups)
def test_every_group_sums_to_zero(estimate, drawn) -> None:  # type: ignore[no-untyped-def]
    rewards, group = batch(drawn)
    sums = torch.zeros(int(group.max()) + 1, dtype=torch.float64).index_add(0, group, estimate(rewards, group))
    assert sums.abs().max() < 1e-6


@pytest.mark.parametrize("estimate", [adv.mean_centred, adv.leave_one_out], ids=["mean_centred", "leave_one_out"])
@given(drawn=rewards_of_groups, scale=st.integers(2, 9))
def test_what_is_not_normalised_scales_with_the_reward(estimate, drawn, scale) -> None:  # type: ignore[no-untyped-def]
    rewards, group = batch(drawn)
    assert torch.allclose(estimate(scale * rewards, group), scale * estimate(rewards, group), atol=1e-6)


@given(drawn=rewards_of_groups, scale=st.integers(2, 9))
def test_what_is_normalised_does_not(drawn, scale) -> None:  # type: ignore[no-untyped-def]
    """To the epsilon in the denominator: a group that varies does so by 0.1 at the least."""
    rewards, group = batch(drawn)
    scaled, plain = adv.group_normalised(scale * rewards, group), adv.group_normalised(rewards, group)
    assert torch.allclose(scaled, plain, atol=3e-3)


@given(drawn=rewards_of_groups)
def test_leave_one_out_is_the_centred_reward_times_g_over_g_minus_one(drawn) -> None:  # type: ignore[no-untyped-def]
    rewards, group = batch(drawn)
    size = drawn[0]
    expected = size / (size - 1) * adv.mean_centred(rewards, group)
    assert torch.allclose(adv.leave_one_out(rewards, group), expected, atol=1e-9)


@named
def test_an_unscorable_group_has_advantage_zero_and_moves_no_other(estimate) -> None:  # type: ignore[no-untyped-def]
    rewards = vector(1, 0, 0, 1, NAN, NAN, NAN, NAN)
    found = estimate(rewards, GROUPS)
    assert found[4:].tolist() == [0, 0, 0, 0]
    assert found[:4].tolist() == pytest.approx(estimate(rewards[:4], GROUPS[:4]).tolist())


@named
def test_equal_rewards_push_nowhere(estimate) -> None:  # type: ignore[no-untyped-def]
    assert estimate(vector(3, 3, 3, 3), torch.tensor([0, 0, 1, 1])).tolist() == [0, 0, 0, 0]


def test_unscorable_completions_have_no_token_advantage_either() -> None:
    mask = torch.ones(3, 2)
    found = adv.reinforce_pp(vector(1, NAN, 0), torch.zeros(3, 2), mask, 0.1)
    assert found[1].tolist() == [0, 0]
    assert found[[0, 2]].tolist() == adv.reinforce_pp(vector(1, 0), torch.zeros(2, 2), mask[:2], 0.1).tolist()
    assert adv.online_dpo(vector(NAN, NAN), torch.tensor([0, 0]), vector(0, 0), 0.1).tolist() == [0, 0]


@named
def test_a_lone_scorable_completion_has_no_baseline_and_no_advantage(estimate) -> None:  # type: ignore[no-untyped-def]
    assert estimate(vector(5, NAN), torch.tensor([0, 0])).tolist() == [0, 0]
